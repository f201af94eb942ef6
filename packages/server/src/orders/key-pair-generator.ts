import { type ChildProcess, fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { KeyPairAnswer, KeyPairRequest } from "./key-pair-process.ts";

export interface KeyPair {
  readonly privateKey: Uint8Array;
  readonly publicKey: Uint8Array;
}

/** Makes key pairs, one at a time. */
export interface KeyPairMaker {
  /**
   * Makes one pair.
   *
   * @param signal Stops the work at once.
   * @throws Error if the pair cannot be made, or the signal or {@link close} came first
   */
  generate(request: KeyPairRequest, signal?: AbortSignal): Promise<KeyPair>;

  /** Called when no order waits: gives back, after a while, what is kept for the next pair. */
  rest(): void;

  /** Stops what is under way. */
  close(): void;
}

/**
 * Makes key pairs in a process of its own, so that neither requests nor commits
 * wait for primes. A process, because nothing but its end stops the search for
 * them: OpenSSL does not ask, and a thread ends only after it.
 */
export class KeyPairGenerator implements KeyPairMaker {
  readonly #idleMs: number;
  #idle: NodeJS.Timeout | undefined;
  #child: ChildProcess | undefined;
  #closed = false;
  #last: Promise<unknown> = Promise.resolve();

  /** @param idleMs How long the process is kept for the next pair, in milliseconds. Default 10,000. */
  constructor(idleMs = 10_000) {
    this.#idleMs = idleMs;
  }

  generate(request: KeyPairRequest, signal?: AbortSignal): Promise<KeyPair> {
    clearTimeout(this.#idle);
    const made = this.#next(this.#last, request, signal);
    this.#last = made.catch(() => undefined);
    return made;
  }

  rest(): void {
    clearTimeout(this.#idle);
    this.#idle = setTimeout(() => this.#end(), this.#idleMs).unref();
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#idle);
    this.#end();
  }

  #end(): void {
    if (this.#child) this.#drop(this.#child);
  }

  async #next(
    before: Promise<unknown>,
    request: KeyPairRequest,
    signal: AbortSignal | undefined,
  ): Promise<KeyPair> {
    await before;
    const answer = (await this.#ask(request, signal)) ?? (await this.#ask(request, signal));
    if (!answer) throw new Error("key pair: the process that makes it ended twice");
    if (!answer.ok) throw new Error(`key pair: ${answer.message}`);
    return answer;
  }

  /** Undefined if the process ended by itself, as by a signal that was meant for the server too. */
  async #ask(
    request: KeyPairRequest,
    signal: AbortSignal | undefined,
  ): Promise<KeyPairAnswer | undefined> {
    signal?.throwIfAborted();
    if (this.#closed) throw stopped();
    const child = (this.#child ??= startProcess());
    const stop = () => child.kill("SIGKILL");
    signal?.addEventListener("abort", stop);
    // Only a process at work keeps this one alive.
    child.ref();
    child.channel?.ref();
    try {
      const answer = await answerOf(child, request);
      if (!answer) this.#drop(child);
      if (!answer && (signal?.aborted || this.#closed)) throw stopped();
      return answer;
    } finally {
      signal?.removeEventListener("abort", stop);
      child.unref();
      child.channel?.unref();
    }
  }

  #drop(child: ChildProcess): void {
    child.kill("SIGKILL");
    if (this.#child === child) this.#child = undefined;
  }
}

function answerOf(
  child: ChildProcess,
  request: KeyPairRequest,
): Promise<KeyPairAnswer | undefined> {
  return new Promise((resolve) => {
    const ended = () => resolve(undefined);
    child.once("exit", ended);
    child.once("error", ended);
    child.once("message", (message) => {
      child.off("exit", ended);
      child.off("error", ended);
      resolve(message as KeyPairAnswer);
    });
    child.send(request, (error) => error && ended());
  });
}

function stopped(): Error {
  return new Error("key pair: the generator was stopped");
}

/** Without environment: it needs none, and the server's may hold secrets. */
function startProcess(): ChildProcess {
  const isSource = import.meta.url.endsWith(".ts");
  const script = isSource ? "./key-pair-process.ts" : "./key-pair-process.js";
  // Without our environment, older versions must be told that they may run TypeScript.
  const wanted = ["--disable-sigusr1", ...(isSource ? ["--experimental-strip-types"] : [])];
  const known = wanted.filter((flag) => process.allowedNodeEnvironmentFlags.has(flag));
  const child = fork(fileURLToPath(new URL(script, import.meta.url)), [], {
    env: {},
    execArgv: [...(isSource ? process.execArgv : []), ...known],
    serialization: "advanced",
    stdio: ["ignore", "ignore", "ignore", "ipc"],
  });
  child.on("error", () => undefined); // an answer that does not come is noticed
  child.unref();
  child.channel?.unref();
  return child;
}
