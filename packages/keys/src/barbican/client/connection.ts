import type { Caller } from "../../caller.ts";
import { KeyManagerError } from "../../errors.ts";
import type { HttpClient } from "../../http/client.ts";
import { type Document, jsonObject } from "../../http/document.ts";
import { beforeSending } from "../../http/never-sent.ts";
import type { HttpResponse } from "../../http/send.ts";
import { findEndpoint } from "../../keystone/catalog.ts";
import type { IdentityToken } from "../../keystone/identity-token.ts";
import { Keystone } from "../../keystone/keystone.ts";
import {
  type BarbicanOptions,
  baseOf,
  checkBarbicanOptions,
  httpClientOf,
  type Microversion,
} from "../options.ts";
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
    const token = await beforeSending(this.#keystone.token(caller, call.signal));
    try {
      return await this.#send(caller, token, call);
    } catch (error) {
      if (!(error instanceof KeyManagerError) || error.code !== "unauthenticated") throw error;
      const fresh = await beforeSending(this.#renewed(caller, token, call.signal));
      if (fresh === token) throw error;
      return await this.#send(caller, fresh, call);
    }
  }

  /** A call whose answer is a JSON object. */
  async document(caller: Caller, call: BarbicanCall): Promise<Document> {
    return jsonObject(nameOf(call), await this.call(caller, call));
  }

  /** The version that calls are made with. */
  async microversion(caller: Caller, signal?: AbortSignal): Promise<Microversion> {
    return this.#microversionAt(this.#baseFor(await this.#keystone.token(caller, signal)));
  }

  /** The root URL of the API for a caller, without `/v1`. */
  async endpoint(caller: Caller, signal?: AbortSignal): Promise<string> {
    return this.#baseFor(await this.#keystone.token(caller, signal));
  }

  /** The caller's identity token: who he is to the key manager. */
  identify(caller: Caller, signal?: AbortSignal): Promise<IdentityToken> {
    return this.#keystone.token(caller, signal);
  }

  async #send(caller: Caller, token: IdentityToken, call: BarbicanCall): Promise<HttpResponse> {
    const base = this.#baseFor(token);
    const what = nameOf(call);
    const url = new URL(`${base}/v1/${call.path.map(encodeURIComponent).join("/")}`);
    for (const [name, value] of Object.entries(call.query ?? {})) {
      if (value !== undefined) url.searchParams.set(name, String(value));
    }
    const body =
      call.json === undefined
        ? call.raw?.bytes
        : new TextEncoder().encode(JSON.stringify(call.json));
    const headers: Record<string, string> = {
      accept: call.accept ?? "application/json",
      "openstack-api-version": `key-manager ${await beforeSending(this.#microversionAt(base))}`,
    };
    if (body !== undefined) headers["content-type"] = call.raw?.contentType ?? "application/json";
    try {
      return await this.#withTokens(caller, token, call.signal, (tokenHeaders) =>
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
          (unexpected) => refusal(what, unexpected, call.carriesSecret === true),
        ),
      );
    } finally {
      if (call.carriesSecret === true && call.json !== undefined) body?.fill(0);
    }
  }

  async #withTokens<T>(
    caller: Caller,
    token: IdentityToken,
    signal: AbortSignal | undefined,
    send: (headers: Record<string, string>) => Promise<T>,
  ): Promise<T> {
    const { serviceCaller } = this.#options;
    if (serviceCaller === undefined || serviceCaller === caller) {
      return token.value.useText((text) => send({ "x-auth-token": text }));
    }
    const service = await beforeSending(this.#keystone.token(serviceCaller, signal));
    return token.value.useText((text) =>
      service.value.useText((serviceText) =>
        send({ "x-auth-token": text, "x-service-token": serviceText }),
      ),
    );
  }

  /** A 401 does not say which of the two tokens was refused. */
  async #renewed(
    caller: Caller,
    token: IdentityToken,
    signal: AbortSignal | undefined,
  ): Promise<IdentityToken> {
    await this.#keystone.forget(caller, token);
    const { serviceCaller } = this.#options;
    if (serviceCaller !== undefined) {
      await this.#keystone.forget(serviceCaller, await this.#keystone.token(serviceCaller, signal));
    }
    return this.#keystone.token(caller, signal);
  }

  #baseFor(token: IdentityToken): string {
    if (this.#options.endpoint !== undefined) return baseOf(this.#options.endpoint);
    if (token.expires === undefined) {
      throw new KeyManagerError(
        "invalid_argument",
        "barbican: the caller's token came without a catalog (no authUrl), so the endpoint must be given",
      );
    }
    const wanted = {
      serviceType: "key-manager",
      interface: this.#options.interface ?? "public",
      region: this.#options.region,
    };
    return baseOf(findEndpoint(token.catalog, wanted).href);
  }

  #microversionAt(base: string): Promise<Microversion> {
    if (this.#options.microversion !== undefined)
      return Promise.resolve(this.#options.microversion);
    const known = this.#microversions.get(base);
    if (known !== undefined) return known;
    const asked = discoverMicroversion(this.#http, base);
    this.#microversions.set(base, asked);
    asked.catch(() => this.#microversions.delete(base));
    return asked;
  }
}

/** `GET secrets/…`: ids are no secrets, and queries are left out. */
function nameOf(call: BarbicanCall): string {
  return `${call.method} ${call.path.join("/")}`;
}
