import { closeSync, constants, mkdirSync, openSync } from "node:fs";
import { dirname } from "node:path";
import { LineWriter } from "./line-writer.ts";

/** Where JSON lines go: time, level, message and members. */
export interface Logger {
  /** What is as it should be. */
  info(members: object, message: string): void;
  /** Needs attention at some time. */
  warn(members: object, message: string): void;
  /** Needs attention now. */
  error(members: object, message: string): void;
  /** Writes what is buffered, if there is a reader. */
  flush(): Promise<void>;
}

/** A log whose file may be moved away while it is written. */
export interface ReopenableLogger extends Logger {
  /**
   * Makes the file again if it was moved away, and writes to it from now on. Nothing is lost, and when this resolves
   * nothing is written to the former file any more. Does nothing for standard error.
   *
   * @throws the system's error if the file cannot be made; the former one stays in use
   */
  reopen(): Promise<void>;
}

/** Uses pino's level numbers, so existing log tools understand them. */
const levels = { debug: 20, info: 30, warn: 40, error: 50, silent: 60 } as const;

export interface LoggerOptions {
  readonly level: keyof typeof levels;
  /** A file, or standard error if absent. */
  readonly file?: string;
}

/**
 * One JSON object a line; lines are buffered and written together, see {@link LineWriter}.
 *
 * @throws the system's error if the file cannot be made
 */
export function createLogger(options: LoggerOptions): ReopenableLogger {
  const { file } = options;
  const writer = new LineWriter({
    descriptor: file === undefined ? 2 : openPrivate(file),
    lost: (lines) => lineOf(levels.error, { lines }, "log lines could not be written"),
  });
  const from = (level: number) => (members: object, message: string) => {
    if (level >= levels[options.level]) writer.add(lineOf(level, members, message));
  };
  return {
    info: from(levels.info),
    warn: from(levels.warn),
    error: from(levels.error),
    flush: () => writer.flush(),
    async reopen() {
      if (file !== undefined) closeSync(await writer.redirect(openPrivate(file)));
    },
  };
}

function lineOf(level: number, members: object, msg: string): string {
  const before = `{"level":${level},"time":"${timeText()}"`;
  const between = JSON.stringify(bounded(members)).slice(1, -1);
  return `${before}${between && `,${between}`},"msg":${JSON.stringify(msg)}}\n`;
}

/** In UTF-16 units: of any text, because any may be a stranger's, and of a stack. */
const maxTextLength = 512;
const maxStackLength = 4_096;

/** The members with each long text cut, and its length said. */
function bounded(members: object): object {
  let copy: Record<string, unknown> | undefined;
  for (const [name, value] of Object.entries(members) as [string, unknown][]) {
    const max = name === "stack" ? maxStackLength : maxTextLength;
    if (typeof value !== "string" || value.length <= max) continue;
    copy ??= { ...members };
    copy[name] = `${value.slice(0, max)}… (${value.length} characters)`;
  }
  return copy ?? members;
}

let lastTime = { ms: Number.NaN, text: "" };

/** A busy server writes many lines in a millisecond. */
function timeText(): string {
  const ms = Date.now();
  if (ms !== lastTime.ms) lastTime = { ms, text: new Date(ms).toISOString() };
  return lastTime.text;
}

const { O_APPEND, O_CREAT, O_NONBLOCK, O_WRONLY } = constants;

function openPrivate(path: string): number {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  // A pipe without a reader would block the server.
  return openSync(path, O_WRONLY | O_APPEND | O_CREAT | O_NONBLOCK, 0o600);
}

/** For those who embed the server and want no lines. */
export const silentLogger: Logger = {
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
  flush: () => Promise.resolve(),
};
