interface Count {
  failures: number;
  readonly sinceMs: number;
}

export interface FailureCountsOptions {
  /** When there is one more, the oldest is dropped. */
  readonly maxEntries: number;
  /** How long a count lives after the first failure that it counts. */
  readonly windowMs: number;
  readonly nowMs: () => number;
}

/**
 * Counts failures by key, for a window that begins with the first one. Each call
 * sweeps away what has passed, and there are never more than `maxEntries`.
 */
export class FailureCounts {
  /** Oldest first: an entry keeps its place, because its window does not move. */
  readonly #counts = new Map<string, Count>();
  readonly #options: FailureCountsOptions;

  constructor(options: FailureCountsOptions) {
    this.#options = options;
  }

  /** Failures of this key in its window. */
  count(key: string): number {
    this.#sweep();
    return this.#counts.get(key)?.failures ?? 0;
  }

  /** How long the window of this key still lasts. */
  leftMs(key: string): number {
    const { windowMs, nowMs } = this.#options;
    const count = this.#counts.get(key);
    return count ? count.sinceMs + windowMs - nowMs() : 0;
  }

  /** Counts one failure, which can be undone once. */
  add(key: string): { takeBack(): void } {
    this.#sweep();
    const count = this.#counts.get(key) ?? { failures: 0, sinceMs: this.#options.nowMs() };
    count.failures += 1;
    this.#counts.set(key, count);
    if (this.#counts.size > this.#options.maxEntries) this.#dropOldest();
    return {
      takeBack: () => {
        count.failures -= 1;
        if (count.failures <= 0 && this.#counts.get(key) === count) this.#counts.delete(key);
      },
    };
  }

  forget(key: string): void {
    this.#counts.delete(key);
  }

  /** How many keys are held. */
  get size(): number {
    return this.#counts.size;
  }

  #sweep(): void {
    const endedMs = this.#options.nowMs() - this.#options.windowMs;
    for (const [key, { sinceMs }] of this.#counts) {
      if (sinceMs > endedMs) return;
      this.#counts.delete(key);
    }
  }

  #dropOldest(): void {
    const [oldest] = this.#counts.keys();
    if (oldest !== undefined) this.#counts.delete(oldest);
  }
}
