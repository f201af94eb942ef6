import type { HttpClient } from "../../http/client.ts";
import { type Document, jsonObject } from "../../http/document.ts";
import { beforeSending } from "../../http/may-have-taken-effect.ts";
import type { HttpResponse } from "../../http/send.ts";
import { untilAborted } from "../../http/until-aborted.ts";
import { findEndpoint } from "../../keystone/catalog.ts";
import type { IdentityToken } from "../../keystone/identity-token.ts";
import { Keystone } from "../../keystone/keystone.ts";
import type { Caller } from "../../model/caller.ts";
import { KeyManagerError } from "../../model/errors.ts";
import {
  type BarbicanOptions,
  baseOf,
  checkBarbicanOptions,
  httpClientOf,
  type Microversion,
} from "./options.ts";
import { refusal } from "./refusal.ts";
import { discoverMicroversion } from "./versions.ts";

/** What every call of the client accepts. */
export interface BarbicanCallOptions {
  readonly signal?: AbortSignal | undefined;
}

/** One request to `/v1/…`. */
export interface BarbicanCall extends BarbicanCallOptions {
  readonly method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  /** Below `/v1`, unencoded. */
  readonly path: readonly string[];
  readonly query?: Readonly<Record<string, string | number | undefined>> | undefined;
  readonly json?: object | undefined;
  readonly raw?: { readonly contentType: string; readonly bytes: Uint8Array } | undefined;
  /** Default `application/json`. */
  readonly accept?: string | undefined;
  readonly expect: readonly number[];
  /** Default: true for GET, PUT and DELETE. */
  readonly repeatable?: boolean | undefined;
  /** The body holds a secret: it is zeroed afterwards, and no error repeats what the server says of it. */
  readonly carriesSecret?: boolean | undefined;
}

/** What a call is made with: the caller's identity token, and our own service's beside it. */
interface Tokens {
  readonly caller: IdentityToken;
  readonly service: IdentityToken | undefined;
}

/**
 * Speaks to Barbican for many callers: finds the endpoint, presents the caller's
 * identity token, and obtains a fresh one, once, if it is refused.
 */
export class BarbicanConnection {
  readonly #options: BarbicanOptions;
  readonly #http: HttpClient;
  readonly #keystone: Keystone;
  readonly #microversions = new Map<string, Promise<Microversion>>();

  constructor(options: BarbicanOptions) {
    checkBarbicanOptions(options);
    this.#options = options;
    this.#http = httpClientOf(options);
    this.#keystone = new Keystone({ http: this.#http, now: options.now });
  }

  /** @throws `KeyManagerError`, whenever the status is not among the expected ones. */
  async call(caller: Caller, call: BarbicanCall): Promise<HttpResponse> {
    const tokens = await beforeSending(this.#tokens(caller, call.signal));
    try {
      return await this.#send(tokens, call);
    } catch (error) {
      if (!(error instanceof KeyManagerError) || error.code !== "unauthenticated") throw error;
      const fresh = await beforeSending(this.#renewed(caller, tokens, call.signal));
      if (sameTokens(fresh, tokens)) throw error;
      return await this.#send(fresh, call);
    }
  }

  /** A call whose answer is a JSON object. */
  async document(caller: Caller, call: BarbicanCall): Promise<Document> {
    return jsonObject(nameOf(call), await this.call(caller, call));
  }

  /** The version that calls are made with. */
  async microversion(caller: Caller, signal?: AbortSignal): Promise<Microversion> {
    return this.#microversionAt(await this.endpoint(caller, signal), signal);
  }

  /** The root URL of the API for a caller, without `/v1`. */
  async endpoint(caller: Caller, signal?: AbortSignal): Promise<string> {
    return this.#baseFor(await this.#keystone.token(caller, signal));
  }

  /** The caller's token, which identifies it to the key manager. */
  identify(caller: Caller, signal?: AbortSignal): Promise<IdentityToken> {
    return this.#keystone.token(caller, signal);
  }

  async #send(tokens: Tokens, call: BarbicanCall): Promise<HttpResponse> {
    const base = this.#baseFor(tokens.caller);
    const url = urlOf(base, call);
    const microversion = await beforeSending(this.#microversionAt(base, call.signal));
    const body =
      call.json === undefined
        ? call.raw?.bytes
        : new TextEncoder().encode(JSON.stringify(call.json));
    const headers: Record<string, string> = {
      accept: call.accept ?? "application/json",
      "openstack-api-version": `key-manager ${microversion}`,
    };
    if (body !== undefined) headers["content-type"] = call.raw?.contentType ?? "application/json";
    const what = nameOf(call);
    try {
      return await lendTokens(tokens, (tokenHeaders) =>
        this.#http.call(
          {
            what,
            method: call.method,
            url,
            headers: { ...headers, ...tokenHeaders },
            body,
            expect: call.expect,
            repeatable: call.repeatable ?? ["GET", "PUT", "DELETE"].includes(call.method),
            signal: call.signal,
          },
          (unexpected) =>
            refusal(what, unexpected, {
              carriedSecret: call.carriesSecret === true,
              tokens: Object.values(tokenHeaders),
            }),
        ),
      );
    } finally {
      if (call.carriesSecret === true && call.json !== undefined) body?.fill(0);
    }
  }

  async #tokens(caller: Caller, signal: AbortSignal | undefined): Promise<Tokens> {
    const { serviceCaller } = this.#options;
    const [token, service] = await Promise.all([
      this.#keystone.token(caller, signal),
      serviceCaller === undefined || serviceCaller === caller
        ? undefined
        : this.#keystone.token(serviceCaller, signal),
    ]);
    return { caller: token, service };
  }

  /** A 401 does not say which of the two tokens was refused. */
  async #renewed(
    caller: Caller,
    refused: Tokens,
    signal: AbortSignal | undefined,
  ): Promise<Tokens> {
    const { serviceCaller } = this.#options;
    await this.#keystone.forget(caller, refused.caller);
    if (serviceCaller !== undefined && refused.service !== undefined) {
      await this.#keystone.forget(serviceCaller, refused.service);
    }
    return this.#tokens(caller, signal);
  }

  #baseFor(token: IdentityToken): string {
    if (this.#options.endpoint !== undefined) return baseOf(this.#options.endpoint);
    if (token.expires === undefined) {
      throw new KeyManagerError(
        "invalid_argument",
        "barbican: endpoint is missing: the caller's token has no service catalog, because authUrl is not set",
      );
    }
    const wanted = {
      serviceType: "key-manager",
      interface: this.#options.interface ?? "public",
      region: this.#options.region,
    };
    return baseOf(findEndpoint(token.catalog, wanted).href);
  }

  async #microversionAt(base: string, signal: AbortSignal | undefined): Promise<Microversion> {
    if (this.#options.microversion !== undefined) return this.#options.microversion;
    let asked = this.#microversions.get(base);
    if (asked === undefined) {
      const asking = discoverMicroversion(this.#http, base);
      this.#microversions.set(base, asking);
      asking.catch(() => {
        if (this.#microversions.get(base) === asking) this.#microversions.delete(base);
      });
      asked = asking;
    }
    return untilAborted("GET API versions", asked, signal);
  }
}

function sameTokens(a: Tokens, b: Tokens): boolean {
  return (
    a.caller.value.equals(b.caller.value) &&
    (a.service === undefined || (b.service?.value.equals(a.service.value) ?? false))
  );
}

function lendTokens<T>(
  { caller, service }: Tokens,
  send: (headers: Readonly<Record<string, string>>) => Promise<T>,
): Promise<T> {
  return caller.value.useText((token) =>
    service === undefined
      ? send({ "x-auth-token": token })
      : service.value.useText((serviceToken) =>
          send({ "x-auth-token": token, "x-service-token": serviceToken }),
        ),
  );
}

function urlOf(base: string, call: BarbicanCall): URL {
  // A URL drops such segments, and would then name another resource: the secret instead of its datum.
  if (call.path.some((segment) => /^\.{0,2}$/.test(segment))) {
    throw new KeyManagerError(
      "invalid_argument",
      `${nameOf(call)}: an id or key is empty, "." or ".."`,
    );
  }
  const url = new URL(`${base}/v1/${call.path.map(encodeURIComponent).join("/")}`);
  for (const [name, value] of Object.entries(call.query ?? {})) {
    if (value !== undefined) url.searchParams.set(name, String(value));
  }
  return url;
}

/** `GET secrets/…`: ids are no secrets, and queries are left out. */
function nameOf(call: BarbicanCall): string {
  return `${call.method} ${call.path.join("/")}`;
}
