import { type ChildProcess, fork } from "node:child_process";
import { availableParallelism } from "node:os";
import { fileURLToPath } from "node:url";
import type { KeyPairAnswer, KeyPairRequest } from "./key-pair-process.ts";

export interface KeyPair {
  readonly privateKey: Uint8Array;
  readonly publicKey: Uint8Array;
}

/** Makes key pairs, several side by side. */
export interface KeyPairMaker {
  /** How many pairs it makes side by side; more wait their turn. At least 1. */
  readonly atOnce: number;

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

export interface KeyPairGeneratorOptions {
  /** Default: as many as there are processors, but 2 to 4. */
  readonly atOnce?: number;
  /** How long a process is kept for the next pair, in milliseconds. Default 10,000. */
  readonly idleMs?: number;
}

/**
 * Makes key pairs in processes of their own, one pair in each, so that neither requests
 * nor commits wait for primes. Processes, because nothing but its end stops the search
 * for them: OpenSSL does not ask, and a thread ends only after it.
 */
export class KeyPairGenerator implements KeyPairMaker {
  readonly atOnce: number;
  readonly #idleMs: number;
  readonly #free: ChildProcess[] = [];
  readonly #working = new Set<ChildProcess>();
  /** What waits for a place, first come first served. */
  readonly #waiting: (() => void)[] = [];
  #places: number;
  #idle: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(options: KeyPairGeneratorOptions = {}) {
    this.atOnce = options.atOnce ?? Math.min(Math.max(availableParallelism(), 2), 4);
    this.#places = this.atOnce;
    this.#idleMs = options.idleMs ?? 10_000;
  }

  async generate(request: KeyPairRequest, signal?: AbortSignal): Promise<KeyPair> {
    clearTimeout(this.#idle);
    await this.#takePlace();
    try {
      const answer = (await this.#ask(request, signal)) ?? (await this.#ask(request, signal));
      if (!answer) throw new Error("key pair: the worker process ended twice");
      if (!answer.ok) throw new Error(`key pair: ${answer.message}`);
      return answer;
    } finally {
      this.#leavePlace();
    }
  }

  rest(): void {
    clearTimeout(this.#idle);
    this.#idle = setTimeout(() => this.#endFree(), this.#idleMs).unref();
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#idle);
    this.#endFree();
    for (const child of this.#working) child.kill("SIGKILL");
  }

  async #takePlace(): Promise<void> {
    if (this.#places > 0) this.#places--;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  /** The place goes to the next that waits, if there is one. */
  #leavePlace(): void {
    const next = this.#waiting.shift();
    if (next) next();
    else this.#places++;
  }

  #endFree(): void {
    for (const child of this.#free.splice(0)) child.kill("SIGKILL");
  }

  /** Undefined if the process ended by itself, as by a signal that was meant for the server too. */
  async #ask(
    request: KeyPairRequest,
    signal: AbortSignal | undefined,
  ): Promise<KeyPairAnswer | undefined> {
    signal?.throwIfAborted();
    if (this.#closed) throw stopped();
    const child = this.#free.pop() ?? this.#start();
    const stop = () => child.kill("SIGKILL");
    signal?.addEventListener("abort", stop);
    this.#working.add(child);
    // Only a process at work keeps this one alive.
    child.ref();
    child.channel?.ref();
    try {
      const answer = await answerOf(child, request);
      if (!answer) stop();
      else if (child.connected) this.#free.push(child);
      if (!answer && (signal?.aborted || this.#closed)) throw stopped();
      return answer;
    } finally {
      signal?.removeEventListener("abort", stop);
      this.#working.delete(child);
      if (this.#closed) stop();
      child.unref();
      child.channel?.unref();
    }
  }

  #start(): ChildProcess {
    const child = startProcess();
    child.once("exit", () => {
      const index = this.#free.indexOf(child);
      if (index >= 0) this.#free.splice(index, 1);
    });
    return child;
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
  // Without this process's environment, older versions need a flag to run TypeScript.
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
