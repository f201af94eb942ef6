import type { KeyPair, KeyPairMaker } from "../../src/orders/key-pair-generator.ts";

/** One pair that was asked for. */
export interface AskedPair {
  readonly signal: AbortSignal | undefined;
  /** Gives the order its pair. */
  readonly finish: () => void;
  /** Has the order end in error. */
  readonly fail: () => void;
}

/** Makes pairs of no value, when the test says so. */
export class FakeKeyPairs implements KeyPairMaker {
  readonly atOnce: number;
  readonly asked: AskedPair[] = [];
  #waiting: (() => void)[] = [];
  #closed = false;

  constructor(atOnce = 1) {
    this.atOnce = atOnce;
  }

  generate(_request: unknown, signal?: AbortSignal): Promise<KeyPair> {
    const { promise, resolve, reject } = Promise.withResolvers<KeyPair>();
    const stop = () => reject(new Error("stopped"));
    signal?.addEventListener("abort", stop);
    this.#stops.push(stop);
    const bytes = Buffer.from("key");
    this.asked.push({
      signal,
      finish: () => resolve({ privateKey: Buffer.from(bytes), publicKey: Buffer.from(bytes) }),
      fail: () => reject(new Error("no primes today")),
    });
    for (const wake of this.#waiting.splice(0)) wake();
    if (this.#closed) stop();
    return promise;
  }

  readonly #stops: (() => void)[] = [];

  /** Resolves to the pair that was asked for as the n-th, counted from 0. */
  async nth(n: number): Promise<AskedPair> {
    for (;;) {
      const found = this.asked[n];
      if (found) return found;
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
  }

  rest(): void {}

  close(): void {
    this.#closed = true;
    for (const stop of this.#stops) stop();
  }
}
