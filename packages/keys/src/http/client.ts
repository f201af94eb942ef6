import { setTimeout as platformSleep } from "node:timers/promises";
import { KeyManagerError } from "../errors.ts";
import { markNeverSent } from "./never-sent.ts";
import type { HttpResponse, Send } from "./send.ts";

/** One call of a service's API. */
export interface HttpCall {
  /** `createKey`, `GET secrets/…`: what errors call it. Never a secret, never a query with one. */
  readonly what: string;
  readonly method: "GET" | "HEAD" | "POST" | "PUT" | "PATCH" | "DELETE";
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: Uint8Array | undefined;
  /** The statuses that mean success. Any other is failure. */
  readonly expect: readonly number[];
  /** True if doing it twice is the same as doing it once, so that it may be retried. */
  readonly repeatable: boolean;
  readonly signal?: AbortSignal | undefined;
}

export interface HttpClientOptions {
  readonly send: Send;
  /** Of one attempt, in milliseconds. */
  readonly timeoutMs: number;
  /** Further attempts of a repeatable call after the first. */
  readonly retries: number;
  readonly sleep?: ((ms: number, signal?: AbortSignal) => Promise<void>) | undefined;
  /** In [0, 1), for jitter. */
  readonly random?: (() => number) | undefined;
}

/** Statuses after which the same call may succeed in a moment. */
const transient = new Set([429, 502, 503, 504]);
const firstDelayMs = 100;
const maxDelayMs = 5_000;

/** Calls with a deadline for each attempt, and with retries, with jitter, where that is safe. */
export class HttpClient {
  readonly #send: Send;
  readonly #timeoutMs: number;
  readonly #retries: number;
  readonly #sleep: (ms: number, signal?: AbortSignal) => Promise<void>;
  readonly #random: () => number;

  constructor(options: HttpClientOptions) {
    this.#send = options.send;
    this.#timeoutMs = options.timeoutMs;
    this.#retries = options.retries;
    this.#sleep =
      options.sleep ??
      (async (ms, signal) => {
        await platformSleep(ms, undefined, signal === undefined ? {} : { signal });
      });
    this.#random = options.random ?? Math.random;
  }

  /**
   * Resolves with a response of an expected status. A 404 to a repeated DELETE
   * counts as one: the first attempt's reply was lost, not the deletion.
   *
   * @param toError what the service means by a status that was not expected.
   * @throws `unavailable` if no whole response came in time, or the caller aborted.
   */
  async call(
    call: HttpCall,
    toError: (response: HttpResponse) => KeyManagerError,
  ): Promise<HttpResponse> {
    for (let attempt = 0; ; attempt++) {
      const outcome = await this.#attempt(call);
      if (!(outcome instanceof Error)) {
        if (call.expect.includes(outcome.status)) return outcome;
        if (attempt > 0 && call.method === "DELETE" && outcome.status === 404) return outcome;
      }
      const again =
        call.repeatable &&
        attempt < this.#retries &&
        !isAborted(call) &&
        (outcome instanceof Error || transient.has(outcome.status));
      if (!again) throw outcome instanceof Error ? outcome : toError(outcome);
      await this.#pause(call, attempt, outcome instanceof Error ? undefined : outcome);
    }
  }

  async #attempt(call: HttpCall): Promise<HttpResponse | KeyManagerError> {
    if (isAborted(call)) return markNeverSent(aborted(call.what, call.signal));
    const timeout = AbortSignal.timeout(this.#timeoutMs);
    const signal = call.signal === undefined ? timeout : AbortSignal.any([call.signal, timeout]);
    try {
      return await this.#send({ ...call, body: call.body, signal });
    } catch (cause) {
      if (isAborted(call)) return aborted(call.what, call.signal);
      const reason = timeout.aborted ? `no answer within ${this.#timeoutMs} ms` : reasonOf(cause);
      const error = new KeyManagerError(
        "unavailable",
        `${call.what}: ${call.url.origin}: ${reason}`,
        { cause },
      );
      return unconnected.has(codeOf(cause)) ? markNeverSent(error) : error;
    }
  }

  async #pause(call: HttpCall, attempt: number, response: HttpResponse | undefined): Promise<void> {
    const backOffMs =
      Math.min(maxDelayMs, firstDelayMs * 2 ** attempt) * (0.5 + this.#random() / 2);
    const askedMs = Number(response?.headers.get("retry-after") ?? 0) * 1_000;
    const delayMs = Number.isFinite(askedMs)
      ? Math.max(backOffMs, Math.min(askedMs, maxDelayMs))
      : backOffMs;
    await this.#sleep(delayMs, call.signal).catch(() => {
      throw aborted(call.what, call.signal);
    });
  }
}

/** What a call whose signal fired rejects with. */
export function aborted(what: string, signal: AbortSignal | undefined): KeyManagerError {
  return new KeyManagerError("unavailable", `${what}: aborted by the caller`, {
    cause: signal?.reason,
  });
}

const hints = new Map([
  ["ECONNREFUSED", "nothing listens there: is the service up, and the URL right?"],
  ["ENOTFOUND", "no such host: check the URL"],
  ["ECONNRESET", "the connection was closed before the answer came"],
  [
    "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
    "its certificate is not trusted: name its CA with tls.caFile",
  ],
  ["DEPTH_ZERO_SELF_SIGNED_CERT", "its certificate is self-signed: name it with tls.caFile"],
  ["SELF_SIGNED_CERT_IN_CHAIN", "its certificate is not trusted: name its CA with tls.caFile"],
  ["CERT_HAS_EXPIRED", "its certificate has expired"],
  ["ERR_TLS_CERT_ALTNAME_INVALID", "its certificate is for another host"],
]);

/** Failures to reach the service at all. */
const unconnected = new Set([...hints.keys()].filter((code) => code !== "ECONNRESET"));

function reasonOf(cause: unknown): string {
  const code = codeOf(cause);
  return hints.get(code) ?? (cause instanceof Error ? cause.message : "no answer");
}

function codeOf(cause: unknown): string {
  if (!(cause instanceof Error)) return "";
  if ("code" in cause && typeof cause.code === "string") return cause.code;
  return codeOf(cause.cause);
}

function isAborted({ signal }: HttpCall): boolean {
  return signal?.aborted === true;
}
