/**
 * The load generator: a process of its own, which sends prepared bytes over plain sockets and reads no more of an answer
 * than its status and its length, so that it takes as little as it can of the machine that it shares with the server.
 * One request is under way on a connection at a time. Takes a {@link Volley} by IPC, sends a {@link Report} back.
 */
import type { NonSharedBuffer } from "node:buffer";
import { connect, type Socket } from "node:net";

/** What to send. */
export interface Volley {
  readonly port: number;
  readonly connections: number;
  /** It ends after this time, or when `requests` are used up. In milliseconds. */
  readonly forMs: number;
  /** Whole requests as they go over the wire. Used in turn, again and again, or each once. */
  readonly requests: readonly string[];
  readonly once: boolean;
  /** The status that every answer must have. */
  readonly expected: number;
  /** Send back every answer's body. */
  readonly collect: boolean;
}

export type Report =
  | {
      readonly type: "done";
      readonly answers: number;
      readonly elapsedMs: number;
      /** Of an answer, from the first byte sent to the last one received. */
      readonly p50Ms: number;
      readonly p99Ms: number;
      readonly bodies: readonly string[];
    }
  | { readonly type: "failed"; readonly message: string };

const headEnd = Buffer.from("\r\n\r\n");

/** One connection that sends, waits, and sends the next. */
class Lane {
  readonly #socket: Socket;
  #received: Buffer = Buffer.alloc(0);
  #settle: { resolve(body: string): void; reject(error: Error): void } | undefined;
  readonly #expected: number;
  readonly #collect: boolean;

  private constructor(socket: Socket, volley: Volley) {
    this.#socket = socket;
    this.#expected = volley.expected;
    this.#collect = volley.collect;
    const lost = (error?: Error) =>
      this.#settle?.reject(error ?? new Error("the server closed the connection"));
    socket.on("data", (chunk: NonSharedBuffer) => this.#take(chunk));
    socket.on("error", lost);
    socket.on("close", () => lost());
  }

  static open(volley: Volley): Promise<Lane> {
    return new Promise((resolve, reject) => {
      const socket = connect({ host: "127.0.0.1", port: volley.port, noDelay: true });
      socket.once("error", reject);
      socket.once("connect", () => resolve(new Lane(socket, volley)));
    });
  }

  /** Resolves to the answer's body if bodies are collected, else to nothing. */
  ask(request: string): Promise<string> {
    return new Promise((resolve, reject) => {
      this.#settle = { resolve, reject };
      this.#socket.write(request, "latin1");
    });
  }

  close(): void {
    this.#settle = undefined;
    this.#socket.destroy();
  }

  #take(chunk: Buffer): void {
    this.#received = this.#received.length === 0 ? chunk : Buffer.concat([this.#received, chunk]);
    const end = this.#received.indexOf(headEnd);
    if (end < 0) return;
    const head = this.#received.toString("latin1", 0, end);
    const status = Number(head.slice(9, 12));
    const length = status === 204 ? 0 : Number(/\r\ncontent-length: *(\d+)/i.exec(head)?.[1]);
    if (Number.isNaN(length)) {
      this.#settle?.reject(new Error(`an answer without a length:\n${head}`));
      return;
    }
    const whole = end + headEnd.length + length;
    if (this.#received.length < whole) return;
    const body = () => this.#received.toString("utf8", end + headEnd.length, whole);
    const wrong =
      status === this.#expected
        ? undefined
        : new Error(`status ${status}, not ${this.#expected}: ${body().slice(0, 300)}`);
    const settle = this.#settle;
    const text = this.#collect ? body() : "";
    this.#received = Buffer.alloc(0);
    if (wrong) settle?.reject(wrong);
    else settle?.resolve(text);
  }
}

async function fire(volley: Volley): Promise<Report> {
  const lanes = await Promise.all(
    Array.from({ length: volley.connections }, () => Lane.open(volley)),
  );
  const times: number[] = [];
  const bodies: string[] = [];
  let next = 0;
  const began = performance.now();
  const end = began + volley.forMs;
  const run = async (lane: Lane) => {
    for (;;) {
      if (volley.once && next >= volley.requests.length) return;
      const request = volley.requests[next++ % volley.requests.length] ?? "";
      const start = performance.now();
      if (start > end) return;
      const body = await lane.ask(request);
      times.push(performance.now() - start);
      if (volley.collect) bodies.push(body);
    }
  };
  try {
    await Promise.all(lanes.map((lane) => run(lane)));
  } finally {
    for (const lane of lanes) lane.close();
  }
  const elapsedMs = performance.now() - began;
  const sorted = Float64Array.from(times).toSorted();
  const at = (share: number) => sorted[Math.floor(sorted.length * share)] ?? 0;
  return {
    type: "done",
    answers: times.length,
    elapsedMs,
    p50Ms: at(0.5),
    p99Ms: at(0.99),
    bodies,
  };
}

process.on("message", (volley: Volley) => {
  fire(volley).then(
    (report) => process.send?.(report),
    (error: unknown) => process.send?.({ type: "failed", message: String(error) } satisfies Report),
  );
});
process.on("disconnect", () => process.exit(0));
