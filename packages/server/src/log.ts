import { pino } from "pino";

/** Where JSON lines go: time, level, message and members. */
export interface Logger {
  info(members: object, message: string): void;
  warn(members: object, message: string): void;
  error(members: object, message: string): void;
  /** Writes what is buffered. */
  flush(): void;
}

export interface LoggerOptions {
  readonly level: "debug" | "info" | "warn" | "error" | "silent";
  /** A file, or standard error if absent. */
  readonly file?: string;
}

/** Lines are buffered and written together: at 4 KiB, and every half second. */
export function createLogger(options: LoggerOptions): Logger {
  const destination = pino.destination({
    dest: options.file ?? 2,
    sync: false,
    minLength: 4_096,
    mkdir: true,
    mode: 0o600,
  });
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
      try {
        destination.flushSync();
      } catch {
        // The destination was not open yet: there is nothing in it.
      }
    },
  };
}

/** For those who embed the server and want no lines. */
export const silentLogger: Logger = {
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
  flush: () => undefined,
};
