import { HttpClient } from "../../http/client.ts";
import { fetchSend, nodeSend, type TlsOptions } from "../../http/send.ts";
import type { EndpointInterface } from "../../keystone/catalog.ts";
import type { Caller } from "../../model/caller.ts";
import { KeyManagerError } from "../../model/errors.ts";
import { refuseUnknownOptions, suggestion } from "../../model/options.ts";
import { serviceUrl } from "../../model/service-url.ts";

/** Versions of the API that this client speaks; see {@link BarbicanOptions.microversion}. */
export type Microversion = "1.0" | "1.1" | "1.2";

/** Where Barbican is, and how long to wait for it. */
export interface BarbicanOptions {
  /** Barbican's URL; a trailing `/v1` is accepted. Default: from each caller's catalog. */
  readonly endpoint?: string | undefined;
  /** Region of the catalog's endpoint. Default: whichever comes first. */
  readonly region?: string | undefined;
  /** Interface of the catalog's endpoint. Default `public`. */
  readonly interface?: EndpointInterface | undefined;
  /** For Barbican and Keystone alike. Default: the platform's certificates. */
  readonly tls?: TlsOptions | undefined;
  /** Of one attempt of one request, in milliseconds. Default 30,000. */
  readonly timeoutMs?: number | undefined;
  /** Further attempts, with jitter, of a request that is safe to repeat. Default 3. */
  readonly retries?: number | undefined;
  /** How long Barbican may take to generate a key, in milliseconds. Default 60,000. */
  readonly orderTimeoutMs?: number | undefined;
  /** Default: the newest of 1.0, 1.1 and 1.2 that the server has, asked once. With 1.0, listed objects do not show their consumers. */
  readonly microversion?: Microversion | undefined;
  /** Whose token goes along as `X-Service-Token`, so that a caller's token may expire in a long operation. */
  readonly serviceCaller?: Caller | undefined;
  /** Told of what went wrong without failing the call. Default: a process warning. */
  readonly warn?: ((message: string) => void) | undefined;
  /** Replaces the platform's HTTP client; `tls` then is this function's business. */
  readonly fetch?: typeof globalThis.fetch | undefined;
  /** Default: the system's clock. */
  readonly now?: (() => Date) | undefined;
  /** Waits between two looks at an order and before a repeated request. Default: the system's timer. */
  readonly sleep?: ((ms: number, signal?: AbortSignal) => Promise<void>) | undefined;
  /** From 0 to 1: spreads repeated requests. Default `Math.random`. */
  readonly random?: (() => number) | undefined;
}

export const barbicanOptionNames = [
  "endpoint",
  "region",
  "interface",
  "tls",
  "timeoutMs",
  "retries",
  "orderTimeoutMs",
  "microversion",
  "serviceCaller",
  "warn",
  "fetch",
  "now",
  "sleep",
  "random",
] as const satisfies readonly (keyof BarbicanOptions)[];

/** What the platform's timers can count to: 24 days. */
const maxTimerMs = 2_147_483_647;

/** @throws `invalid_argument` */
export function checkBarbicanOptions(options: BarbicanOptions): void {
  refuseUnknownOptions("barbican", options, barbicanOptionNames);
  for (const name of ["timeoutMs", "orderTimeoutMs"] as const) {
    const value = options[name];
    if (value !== undefined && !(Number.isSafeInteger(value) && value > 0 && value <= maxTimerMs)) {
      throw invalid(`${name} must be a number of milliseconds from 1 to ${maxTimerMs}`);
    }
  }
  if (
    options.retries !== undefined &&
    !(Number.isSafeInteger(options.retries) && options.retries >= 0)
  ) {
    throw invalid("retries must be a number of attempts, 0 or more");
  }
  if (options.endpoint !== undefined) baseOf(options.endpoint);
  refuseUnlessOneOf("microversion", options.microversion, ["1.0", "1.1", "1.2"]);
  refuseUnlessOneOf("interface", options.interface, ["public", "internal", "admin"]);
}

function refuseUnlessOneOf(
  option: string,
  value: string | undefined,
  known: readonly string[],
): void {
  if (value === undefined || known.includes(value)) return;
  throw invalid(`${option} "${value}"${suggestion(value, known)}`);
}

/** The URL under which `/v1/…` is, without a slash at its end. */
export function baseOf(endpoint: string): string {
  return serviceUrl("barbican: endpoint", endpoint).replace(/\/v1$/, "");
}

export function httpClientOf(options: BarbicanOptions): HttpClient {
  return new HttpClient({
    send: options.fetch === undefined ? nodeSend(options.tls) : fetchSend(options.fetch),
    timeoutMs: options.timeoutMs ?? 30_000,
    retries: options.retries ?? 3,
    sleep: options.sleep,
    random: options.random,
  });
}

function invalid(reason: string): KeyManagerError {
  return new KeyManagerError("invalid_argument", `barbican: ${reason}`);
}
