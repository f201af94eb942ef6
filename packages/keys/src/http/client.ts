import { setTimeout as platformSleep } from "node:timers/promises";
import { KeyManagerError } from "../model/errors.ts";
import {
  markWithoutEffect,
  mayHaveTakenEffect,
  promisesNoEffect,
} from "./may-have-taken-effect.ts";
import type { HttpResponse, Send } from "./send.ts";
import { transportFailure } from "./transport-failure.ts";
import { aborted } from "./until-aborted.ts";

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
   * Resolves with a response of an expected status. If a DELETE is repeated and
   * its object then is gone (`not_found`), that counts as one: the first
   * attempt's reply was lost, not the deletion.
   *
   * @param toError what the service means by a status that was not expected.
   * @throws `unavailable` if no whole response came in time, or the caller aborted.
   */
  async call(
    call: HttpCall,
    toError: (response: HttpResponse) => KeyManagerError,
  ): Promise<HttpResponse> {
    for (let attempt = 0, mayBeDone = false; ; attempt++) {
      const outcome = await this.#attempt(call);
      if (!(outcome instanceof Error) && call.expect.includes(outcome.status)) return outcome;
      const error = outcome instanceof Error ? outcome : errorOf(outcome, toError);
      if (!(outcome instanceof Error) && mayBeDone && error.code === "not_found") return outcome;
      const again =
        call.repeatable &&
        attempt < this.#retries &&
        !isAborted(call) &&
        (outcome instanceof Error || transient.has(outcome.status));
      if (!again) throw error;
      mayBeDone ||= call.method === "DELETE" && mayHaveTakenEffect(error);
      await this.#pause(call, attempt, outcome instanceof Error ? undefined : outcome);
    }
  }

  async #attempt(call: HttpCall): Promise<HttpResponse | KeyManagerError> {
    if (isAborted(call)) return markWithoutEffect(aborted(call.what, call.signal));
    const timeout = AbortSignal.timeout(this.#timeoutMs);
    const signal = call.signal === undefined ? timeout : AbortSignal.any([call.signal, timeout]);
    try {
      return await this.#send({ ...call, body: call.body, signal });
    } catch (thrown) {
      if (isAborted(call)) return aborted(call.what, call.signal);
      const failure = transportFailure(thrown);
      const reason = timeout.aborted ? `no answer within ${this.#timeoutMs} ms` : failure.reason;
      const error = new KeyManagerError(
        "unavailable",
        `${call.what}: ${call.url.origin}: ${reason}`,
        { cause: failure.cause },
      );
      return failure.neverSent ? markWithoutEffect(error) : error;
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

function errorOf(
  response: HttpResponse,
  toError: (response: HttpResponse) => KeyManagerError,
): KeyManagerError {
  const error = toError(response);
  return promisesNoEffect(response.status) ? markWithoutEffect(error) : error;
}

function isAborted({ signal }: HttpCall): boolean {
  return signal?.aborted === true;
}
