interface Waiting {
  readonly line: string;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/** More lines than this in one statement make the first of them wait for nothing gained. */
const maxLines = 512;

/** Gathers audit lines while others are being written, so that many share one statement and one commit. */
export class RecordQueue {
  readonly #write: (lines: readonly string[]) => Promise<void>;
  #queue: Waiting[] = [];
  #size = 0;
  #running: Promise<void> | undefined;

  /** @param write resolves when all the lines are durable */
  constructor(write: (lines: readonly string[]) => Promise<void>) {
    this.#write = write;
  }

  /** How many wait or are being written. */
  get size(): number {
    return this.#size;
  }

  /** Resolves when the line is durable. */
  add(line: string): Promise<void> {
    this.#size++;
    return new Promise((resolve, reject) => {
      this.#queue.push({ line, resolve, reject });
      this.#running ??= this.#drain();
    });
  }

  /** Resolves when nothing waits. */
  async settled(): Promise<void> {
    while (this.#running) await this.#running;
  }

  async #drain(): Promise<void> {
    // What else arrives in this turn of the event loop shares the commit.
    await new Promise((resolve) => setImmediate(resolve));
    while (this.#queue.length > 0) {
      const batch = this.#queue.slice(0, maxLines);
      this.#queue = this.#queue.slice(maxLines);
      try {
        await this.#write(batch.map(({ line }) => line));
        this.#size -= batch.length;
        for (const { resolve } of batch) resolve();
      } catch (error) {
        this.#size -= batch.length;
        for (const { reject } of batch) reject(error);
      }
    }
    this.#running = undefined;
  }
}
