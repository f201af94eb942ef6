import { setTimeout } from "node:timers/promises";

/** In milliseconds: nearly every key pair is made by then, and no client or proxy gives up so soon. */
const patienceMs = 2_000;

/** Resolves when an answer has been held back for long enough. The signal says that nobody waits any more. */
export type Patience = (signal: AbortSignal) => Promise<unknown>;

const twoSeconds: Patience = (signal) =>
  setTimeout(patienceMs, undefined, { signal }).catch(() => undefined);

/** An order whose answer waits for its key pair. */
export interface ExpectedOrder {
  /** Resolves when the order is done, when it has been waited for long enough, or when the server stops. */
  inTime(): Promise<void>;
  /** Stops expecting it. Must be called at last. */
  forget(): void;
}

/**
 * Holds back the answers to orders for key pairs until the pair is there, so that the order is done at the first look:
 * clients of a Barbican without a queue rely on it. A slow pair is answered while it is being made, and so is one that
 * another process makes.
 */
export class OrderAnswers {
  readonly #patience: Patience;
  readonly #expected = new Map<string, () => void>();
  #released = false;

  /** @param patience Default: two seconds. */
  constructor(patience: Patience = twoSeconds) {
    this.#patience = patience;
  }

  /** Begins to expect an order. Called before the order is stored, so that its end is not missed. */
  expect(id: string): ExpectedOrder {
    const { promise: done, resolve } = Promise.withResolvers<void>();
    this.#expected.set(id, resolve);
    if (this.#released) resolve();
    return {
      inTime: async () => {
        const answered = new AbortController();
        await Promise.race([done, this.#patience(answered.signal)]);
        answered.abort();
      },
      forget: () => {
        this.#expected.delete(id);
      },
    };
  }

  /** Says that this process works on an order no more: it is done, deleted, or left to another. */
  settle(id: string): void {
    this.#expected.get(id)?.();
  }

  /** Answers everybody who waits, and lets nobody wait any more: the server stops. */
  release(): void {
    this.#released = true;
    for (const answer of this.#expected.values()) answer();
  }
}
