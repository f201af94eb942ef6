import { mkdirSync, openSync } from "node:fs";
import { dirname } from "node:path";
import { pino } from "pino";

/** Where JSON lines go: time, level, message and members. */
export interface Logger {
  info(members: object, message: string): void;
  warn(members: object, message: string): void;
  error(members: object, message: string): void;
  /** Writes what is buffered, if anybody is there to read it, and buffers no more. */
  flush(): Promise<void>;
}

export interface LoggerOptions {
  readonly level: "debug" | "info" | "warn" | "error" | "silent";
  /** A file, or standard error if absent. */
  readonly file?: string;
}

/**
 * Lines are buffered and written together: at 12 KiB, and every half second.
 *
 * @throws the system's error if the file cannot be made
 */
export function createLogger(options: LoggerOptions): Logger {
  const dest = options.file === undefined ? 2 : openPrivate(options.file);
  const destination = pino.destination({ dest, sync: false, minLength: 12_288 });
  const logger = pino(
    { level: options.level, base: null, timestamp: pino.stdTimeFunctions.isoTime },
    destination,
  );
  const timer = setInterval(() => destination.flush(), 500).unref();
  return {
    info: (members, message) => logger.info(members, message),
    warn: (members, message) => logger.warn(members, message),
    error: (members, message) => logger.error(members, message),
    flush() {
      clearInterval(timer);
      // Not flushSync: it waits for ever if whoever read our standard error has gone.
      return new Promise((resolve) => destination.flush(() => resolve()));
    },
  };
}

function openPrivate(path: string): number {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  return openSync(path, "a", 0o600);
}

/** For those who embed the server and want no lines. */
export const silentLogger: Logger = {
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
  flush: () => Promise.resolve(),
};
