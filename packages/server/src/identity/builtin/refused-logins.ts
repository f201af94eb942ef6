import { networkOf } from "../../model/client-address.ts";
import type { IdentityEvent } from "./builtin-options.ts";

/** A login that was refused. */
export type RefusedLogin = Extract<IdentityEvent, { readonly outcome: "refused" }>;

export interface RefusedLoginsOptions {
  /** Puts a summary on record. */
  readonly record: (event: RefusedLogin) => Promise<void>;
  /** Default: 60,000. */
  readonly periodMs?: number;
  /** Summaries in one period that name user and address; further ones are counted together. Default: 20. */
  readonly maxNamed?: number;
}

/**
 * Collects refused logins, of which any client can cause any number, and puts on
 * record once a minute how many there were: by method, user and address. So a
 * stranger adds at most 23 entries a minute to a record that nothing is taken out
 * of, whatever they send. What the last minute saw is lost if the process is killed.
 */
export class RefusedLogins {
  readonly #record: (event: RefusedLogin) => Promise<void>;
  readonly #periodMs: number;
  readonly #maxNamed: number;
  #counts = new Map<string, { readonly first: RefusedLogin; times: number }>();
  #timer: NodeJS.Timeout | undefined;

  constructor(options: RefusedLoginsOptions) {
    this.#record = options.record;
    this.#periodMs = options.periodMs ?? 60_000;
    this.#maxNamed = options.maxNamed ?? 20;
  }

  add(refused: RefusedLogin): void {
    this.#count(refused, 1);
    this.#schedule();
  }

  /** Puts on record what has been gathered. What cannot be recorded now is kept for the next time. */
  async flush(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const counts = [...this.#counts.values()];
    this.#counts = new Map();
    for (let count = counts.shift(); count; count = counts.shift()) {
      try {
        await this.#record({ ...count.first, times: count.times });
      } catch (error) {
        for (const { first, times } of [count, ...counts]) this.#count(first, times);
        this.#schedule();
        throw error;
      }
    }
  }

  /** Summaries that wait to be recorded. */
  get size(): number {
    return this.#counts.size;
  }

  #schedule(): void {
    this.#timer ??= setTimeout(() => {
      this.flush().catch(() => undefined);
    }, this.#periodMs).unref();
  }

  #count(refused: RefusedLogin, times: number): void {
    const { method, userId, address } = refused;
    const named = JSON.stringify([method, userId ?? null, networkOf(address)]);
    const full = this.#counts.size >= this.#maxNamed && !this.#counts.has(named);
    const key = full ? method : named;
    const known = this.#counts.get(key);
    if (known) known.times += times;
    else this.#counts.set(key, { first: full ? unnamed(refused) : refused, times });
  }
}

function unnamed({ type, outcome, method, requestId }: RefusedLogin): RefusedLogin {
  return { type, outcome, method, requestId, address: "several" };
}
