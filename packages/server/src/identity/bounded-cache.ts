/**
 * Remembers values for a time, and at most so many: the one that was not used
 * for longest goes first. A time to live of 0 remembers nothing.
 */
export class BoundedCache<Value> {
  /** In order of use. */
  readonly #entries = new Map<string, { readonly value: Value; readonly untilMs: number }>();
  #lastUsed: string | undefined;
  readonly #maxEntries: number;
  readonly #ttlMs: number;
  readonly #nowMs: () => number;

  constructor(options: {
    readonly maxEntries: number;
    readonly ttlMs: number;
    readonly nowMs: () => number;
  }) {
    this.#maxEntries = options.maxEntries;
    this.#ttlMs = options.ttlMs;
    this.#nowMs = options.nowMs;
  }

  get(key: string): Value | undefined {
    const entry = this.#entries.get(key);
    if (!entry) return undefined;
    if (entry.untilMs <= this.#nowMs()) {
      this.#entries.delete(key);
      return undefined;
    }
    // A map that changes on each read is rehashed again and again.
    if (key !== this.#lastUsed) {
      this.#entries.delete(key);
      this.#entries.set(key, entry);
      this.#lastUsed = key;
    }
    return entry.value;
  }

  set(key: string, value: Value): void {
    if (this.#ttlMs <= 0) return;
    this.#entries.delete(key);
    this.#entries.set(key, { value, untilMs: this.#nowMs() + this.#ttlMs });
    this.#lastUsed = key;
    if (this.#entries.size <= this.#maxEntries) return;
    const [oldest] = this.#entries.keys();
    if (oldest !== undefined) this.#entries.delete(oldest);
  }

  delete(key: string): void {
    this.#entries.delete(key);
  }

  clear(): void {
    this.#entries.clear();
  }

  /** The number of entries, including expired ones that were not requested since. */
  get size(): number {
    return this.#entries.size;
  }
}
