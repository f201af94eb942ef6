import { write } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";

export interface LineWriterOptions {
  /** Of a file or pipe. It stays open. */
  readonly descriptor: number;
  /** The line that tells how many lines are missing before it. */
  readonly lost: (lines: number) => string;
  /** Default: the platform's `fs.write`. */
  readonly write?: (
    descriptor: number,
    bytes: Uint8Array,
  ) => Promise<{ readonly bytesWritten: number }>;
}

/** In characters: so much is written at once; what is less waits for more, at most `patienceMs`. */
const enough = 32_768;
const patienceMs = 500;

/** In characters: what comes while so much waits to be taken is lost. */
const tooMuch = 8 << 20;

/** A full pipe is tried again after this time, and so many times. */
const fullMs = 50;
const maxTries = 100;

/**
 * Writes lines, many at a time, without ever making anybody wait. What a full
 * disk or a stuck reader does not take is lost, and counted.
 */
export class LineWriter {
  readonly #options: LineWriterOptions;
  readonly #write: NonNullable<LineWriterOptions["write"]>;
  #lines: string[] = [];
  #size = 0;
  #lost = 0;
  #timer: NodeJS.Timeout | undefined;
  #running: Promise<void> | undefined;

  constructor(options: LineWriterOptions) {
    this.#options = options;
    this.#write = options.write ?? promisify(write);
  }

  /** @param line with its line feed */
  add(line: string): void {
    if (this.#size > tooMuch) {
      this.#lost += 1;
      return;
    }
    this.#lines.push(line);
    this.#size += line.length;
    this.#schedule();
  }

  /** Resolves when everything that was added is written, or lost. */
  async flush(): Promise<void> {
    while (this.#running || this.#size > 0) {
      if (!this.#running) this.#start();
      await this.#running;
    }
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
      this.#schedule();
    });
  }

  async #drain(): Promise<void> {
    const lines = this.#lines;
    const lost = this.#lost;
    this.#lines = [];
    this.#size = 0;
    this.#lost = 0;
    // What came before may have been cut off within a line.
    const notice = lost > 0 ? `\n${this.#options.lost(lost)}` : "";
    try {
      await this.#writeWhole(Buffer.from(notice + lines.join("")));
    } catch {
      this.#lost += lost + lines.length;
    }
  }

  async #writeWhole(bytes: Buffer): Promise<void> {
    let tries = 0;
    for (let at = 0; at < bytes.length; ) {
      try {
        at += (await this.#write(this.#options.descriptor, bytes.subarray(at))).bytesWritten;
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== "EAGAIN" || ++tries > maxTries) throw error;
        await sleep(fullMs);
      }
    }
  }
}
