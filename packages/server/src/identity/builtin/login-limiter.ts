import { BoundedCache } from "../bounded-cache.ts";

/** How many failed logins are too many. */
export interface LoginLimiterOptions {
  /** Failures until one name is closed to one address. Default: 10. */
  readonly failuresPerNameAndAddress?: number;
  /** Failures until an address is closed to all names. Default: 100. */
  readonly failuresPerAddress?: number;
  /** Failures from everywhere until a name is closed to all addresses that failed with it. Default: 1,000. */
  readonly failuresPerName?: number;
  /** How long failures count. Default: 300. */
  readonly windowSeconds?: number;
  /** Default: the system's clock. */
  readonly nowMs?: () => number;
}

/**
 * Counts failed logins, and says when somebody must wait. It counts names that
 * nobody has as well, so that it does not tell which exist. Nobody can shut
 * others out by failing in their name from elsewhere: unless a name fails a
 * thousand times, only the address that fails is closed.
 *
 * Counts are this process's own: several nodes allow that many times more.
 */
export class LoginLimiter {
  readonly #failures: BoundedCache<{ count: number; readonly sinceMs: number }>;
  readonly #limits: { readonly both: number; readonly address: number; readonly name: number };
  readonly #windowMs: number;
  readonly #nowMs: () => number;

  constructor(options: LoginLimiterOptions = {}) {
    this.#limits = {
      both: options.failuresPerNameAndAddress ?? 10,
      address: options.failuresPerAddress ?? 100,
      name: options.failuresPerName ?? 1_000,
    };
    this.#windowMs = (options.windowSeconds ?? 300) * 1000;
    this.#nowMs = options.nowMs ?? Date.now;
    this.#failures = new BoundedCache({
      maxEntries: 50_000,
      ttlMs: this.#windowMs,
      nowMs: this.#nowMs,
    });
  }

  /** In how many seconds `name` may be tried again from `address`; 0 for now. */
  waitSeconds(name: string, address: string): number {
    return Math.max(...this.#counters(name, address).map(([key, limit]) => this.#wait(key, limit)));
  }

  /**
   * Counts a failure in advance, so that many tries at the same time do not all
   * slip through. Say afterwards how it went: a right password forgets the typing
   * errors before it, and what could not be decided counts for nothing.
   */
  begin(name: string, address: string): (outcome: "failed" | "succeeded" | "undecided") => void {
    const counters = this.#counters(name, address).map(([key]) => this.#increment(key));
    return (outcome) => {
      if (outcome === "failed") return;
      for (const counter of counters) counter.count -= 1;
      if (outcome === "succeeded") this.#failures.delete(bothKey(name, address));
    };
  }

  #increment(key: string): { count: number } {
    const known = this.#failures.get(key);
    if (known) {
      known.count += 1;
      return known;
    }
    const counter = { count: 1, sinceMs: this.#nowMs() };
    this.#failures.set(key, counter);
    return counter;
  }

  #counters(name: string, address: string): readonly (readonly [string, number])[] {
    return [
      [bothKey(name, address), this.#limits.both],
      [JSON.stringify(["address", address]), this.#limits.address],
      [JSON.stringify(["name", name]), this.#limits.name],
    ];
  }

  #wait(key: string, limit: number): number {
    const counter = this.#failures.get(key);
    if (!counter || counter.count < limit) return 0;
    return Math.max(1, Math.ceil((counter.sinceMs + this.#windowMs - this.#nowMs()) / 1000));
  }
}

function bothKey(name: string, address: string): string {
  return JSON.stringify(["both", name, address]);
}
