import { Worker } from "node:worker_threads";
import type { KeyPairAnswer, KeyPairRequest } from "./key-pair-worker.ts";

export interface KeyPair {
  readonly privateKey: Uint8Array;
  readonly publicKey: Uint8Array;
}

/** Makes key pairs on a thread of its own, one at a time, so that neither requests nor commits wait for primes. */
export class KeyPairGenerator {
  #worker: Worker | undefined;
  #last: Promise<unknown> = Promise.resolve();

  /** @throws Error if the pair cannot be made, or {@link close} came first */
  generate(request: KeyPairRequest): Promise<KeyPair> {
    const made = this.#next(this.#last, request);
    this.#last = made.catch(() => undefined);
    return made;
  }

  async close(): Promise<void> {
    await this.#worker?.terminate();
    this.#worker = undefined;
  }

  async #next(before: Promise<unknown>, request: KeyPairRequest): Promise<KeyPair> {
    await before;
    const worker = (this.#worker ??= startWorker());
    const answer = await new Promise<KeyPairAnswer>((resolve, reject) => {
      const ended = () => reject(new Error("key pair: the generator was stopped"));
      worker.once("exit", ended);
      worker.once("message", (message: KeyPairAnswer) => {
        worker.off("exit", ended);
        resolve(message);
      });
      worker.postMessage(request);
    });
    if (!answer.ok) throw new Error(`key pair: ${answer.message}`);
    return answer;
  }
}

function startWorker(): Worker {
  const script = import.meta.url.endsWith(".ts") ? "./key-pair-worker.ts" : "./key-pair-worker.js";
  const worker = new Worker(new URL(script, import.meta.url), { name: "key-pairs" });
  worker.on("error", () => undefined); // "exit" follows, and is what the caller waits for
  worker.unref();
  return worker;
}
