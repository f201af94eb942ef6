/**
 * Audit lines that wait to be written together. They wait as bytes, because entries and strings would outlive the
 * collector's young generation, and a busy server would have its old one collected twice a second.
 */
export class GatheredLines {
  #bytes = Buffer.allocUnsafeSlow(65_536);
  #used = 0;
  #count = 0;

  /** How many lines there are. */
  get count(): number {
    return this.#count;
  }

  /** @param line without a line feed */
  add(line: string): void {
    // No character takes more than three bytes for each of its UTF-16 units.
    this.#reserve(this.#used + line.length * 3 + 1);
    if (this.#count > 0) this.#bytes[this.#used++] = lineFeed;
    this.#used += this.#bytes.write(line, this.#used, "utf8");
    this.#count += 1;
  }

  /** All lines, with a line feed between any two; none are left. */
  take(): string {
    const text = this.#bytes.toString("utf8", 0, this.#used);
    this.#used = 0;
    this.#count = 0;
    return text;
  }

  #reserve(length: number): void {
    if (length <= this.#bytes.length) return;
    const larger = Buffer.allocUnsafeSlow(Math.max(length, this.#bytes.length * 2));
    larger.set(this.#bytes.subarray(0, this.#used));
    this.#bytes = larger;
  }
}

const lineFeed = 0x0a;
