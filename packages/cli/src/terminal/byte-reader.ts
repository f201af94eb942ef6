/**
 * A stream of bytes that several readers take from, one after the other: what one leaves is the next one's. The
 * stream is not begun before the first of them, and what was taken is overwritten where it came from.
 */
export class ByteReader {
  readonly #source: AsyncIterable<Uint8Array>;
  #chunks: AsyncIterator<Uint8Array> | undefined;
  #rest: Uint8Array = new Uint8Array();

  constructor(source: AsyncIterable<Uint8Array>) {
    this.#source = source;
  }

  /** Takes so many bytes; fewer only where the stream ends. */
  async take(bytes: number): Promise<Uint8Array> {
    const parts: Uint8Array[] = [];
    for (let length = 0; length < bytes && (await this.#isMore()); ) {
      const part = this.#next(bytes - length);
      parts.push(part);
      length += part.length;
    }
    return moved(parts);
  }

  /**
   * Takes the bytes up to the first newline, which is dropped, or up to the end; of a longer line one byte more than
   * `most`.
   *
   * @returns undefined if the stream had ended
   */
  async takeLine(most: number): Promise<Uint8Array | undefined> {
    if (!(await this.#isMore())) return undefined;
    const parts: Uint8Array[] = [];
    for (let length = 0; length <= most && (await this.#isMore()); ) {
      const end = this.#rest.subarray(0, most + 1 - length).indexOf(newline);
      const part = this.#next(end === -1 ? most + 1 - length : end);
      parts.push(part);
      length += part.length;
      if (end !== -1) {
        this.#next(1);
        break;
      }
    }
    return moved(parts);
  }

  /** Skips bytes. @returns how many there were, at most `bytes` */
  async skip(bytes: number): Promise<number> {
    let skipped = 0;
    while (skipped < bytes && (await this.#isMore())) {
      const part = this.#next(bytes - skipped);
      part.fill(0);
      skipped += part.length;
    }
    return skipped;
  }

  /** Lets go of the stream, so that it does not keep the process alive. */
  async close(): Promise<void> {
    this.#rest.fill(0);
    await this.#chunks?.return?.();
  }

  /** Waits for a byte. @returns false at the end */
  async #isMore(): Promise<boolean> {
    while (this.#rest.length === 0) {
      this.#chunks ??= this.#source[Symbol.asyncIterator]();
      const { done, value } = await this.#chunks.next();
      if (done === true) return false;
      this.#rest = value;
    }
    return true;
  }

  /** At most so many of the bytes that are there. */
  #next(most: number): Uint8Array {
    const part = this.#rest.subarray(0, most);
    this.#rest = this.#rest.subarray(part.length);
    return part;
  }
}

const newline = 0x0a;

/** Joins pieces, and overwrites them. */
function moved(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let done = 0;
  for (const part of parts) {
    whole.set(part, done);
    done += part.length;
    part.fill(0);
  }
  return whole;
}
