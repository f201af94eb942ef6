import { write } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";

export interface LineWriterOptions {
  /** Of a file or pipe. It stays open. See {@link LineWriter.redirect}. */
  readonly descriptor: number;
  /** The line that tells how many lines are missing before it. */
  readonly lost: (lines: number) => string;
  /** Default: the platform's `fs.write`. */
  readonly write?: (
    descriptor: number,
    bytes: Uint8Array,
  ) => Promise<{ readonly bytesWritten: number }>;
}

/** In bytes: so much is written at once; what is less waits for more, at most `patienceMs`. */
const enough = 49_152;
const patienceMs = 500;

/** In bytes: lines are gathered in pieces of memory of this size. */
const chunkBytes = 65_536;

/** In bytes: what comes while so much waits to be taken is lost. */
const tooMuch = 8 << 20;

/** A full pipe is tried again after this time, and so many times. */
const fullMs = 50;
const maxTries = 100;

interface Chunk {
  readonly bytes: Buffer;
  used: number;
}

interface Redirection {
  readonly descriptor: number;
  readonly done: (former: number) => void;
}

/**
 * Writes lines, many at a time, and never blocks the caller. What a full
 * disk or a stuck reader does not take is lost, and counted.
 */
export class LineWriter {
  readonly #options: LineWriterOptions;
  readonly #write: NonNullable<LineWriterOptions["write"]>;
  #descriptor: number;
  readonly #redirections: Redirection[] = [];
  /** As bytes, not as strings: those would outlive the collector's young generation. */
  #chunks: Chunk[] = [];
  #spare: Chunk | undefined;
  #lines = 0;
  #size = 0;
  #lost = 0;
  #timer: NodeJS.Timeout | undefined;
  #running: Promise<void> | undefined;

  constructor(options: LineWriterOptions) {
    this.#options = options;
    this.#descriptor = options.descriptor;
    this.#write = options.write ?? promisify(write);
  }

  /** @param line with its line feed */
  add(line: string): void {
    if (this.#size > tooMuch) {
      this.#lost += 1;
      return;
    }
    const chunk = this.#chunkFor(line);
    const written = chunk.bytes.write(line, chunk.used, "utf8");
    chunk.used += written;
    this.#size += written;
    this.#lines += 1;
    this.#schedule();
  }

  /** Resolves when everything that was added is written, or lost. */
  async flush(): Promise<void> {
    while (this.#running || this.#size > 0) {
      if (!this.#running) this.#start();
      await this.#running;
    }
  }

  /**
   * Writes to another descriptor from the next write on. Lines that wait and are not being written are written first.
   *
   * @returns the former one, when nothing is written to it any more
   */
  redirect(descriptor: number): Promise<number> {
    return new Promise((done) => {
      this.#redirections.push({ descriptor, done });
      if (this.#running) return;
      if (this.#size > 0) this.#start();
      else this.#followRedirections();
    });
  }

  #followRedirections(): void {
    for (const { descriptor, done } of this.#redirections.splice(0)) {
      done(this.#descriptor);
      this.#descriptor = descriptor;
    }
  }

  #chunkFor(line: string): Chunk {
    // No character takes more than three bytes for each of its UTF-16 units.
    const most = line.length * 3;
    const last = this.#chunks.at(-1);
    if (last && last.bytes.length - last.used >= most) return last;
    const spare = most <= chunkBytes ? this.#spare : undefined;
    if (spare) this.#spare = undefined;
    const next = spare ?? { bytes: Buffer.allocUnsafeSlow(Math.max(most, chunkBytes)), used: 0 };
    this.#chunks.push(next);
    return next;
  }

  #schedule(): void {
    if (this.#running || this.#size === 0) return;
    if (this.#size >= enough) this.#start();
    else this.#timer ??= setTimeout(() => this.#start(), patienceMs).unref();
  }

  #start(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#running = this.#drain().finally(() => {
      this.#running = undefined;
      this.#followRedirections();
      this.#schedule();
    });
  }

  async #drain(): Promise<void> {
    const chunks = this.#chunks;
    const lines = this.#lines;
    const lost = this.#lost;
    this.#chunks = [];
    this.#lines = 0;
    this.#size = 0;
    this.#lost = 0;
    const parts: Uint8Array[] = chunks.map(({ bytes, used }) => bytes.subarray(0, used));
    // What came before may have been cut off within a line.
    if (lost > 0) parts.unshift(Buffer.from(`\n${this.#options.lost(lost)}`));
    const [first, ...others] = parts;
    try {
      await this.#writeWhole(first && others.length === 0 ? first : Buffer.concat(parts));
    } catch {
      this.#lost += lost + lines;
    }
    const spare = chunks.find(({ bytes }) => bytes.length === chunkBytes);
    if (spare) {
      spare.used = 0;
      this.#spare = spare;
    }
  }

  async #writeWhole(bytes: Uint8Array): Promise<void> {
    let tries = 0;
    for (let at = 0; at < bytes.length; ) {
      try {
        at += (await this.#write(this.#descriptor, bytes.subarray(at))).bytesWritten;
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== "EAGAIN" || ++tries > maxTries) throw error;
        await sleep(fullMs);
      }
    }
  }
}
