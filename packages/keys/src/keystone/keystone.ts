import { createHmac, randomBytes } from "node:crypto";
import type { HttpClient } from "../http/client.ts";
import { jsonObject } from "../http/document.ts";
import { requestIdIn } from "../http/request-id.ts";
import type { HttpResponse } from "../http/send.ts";
import { untilAborted } from "../http/until-aborted.ts";
import { type Caller, checkedText, checkedToken, type KeystoneCaller } from "../model/caller.ts";
import { KeyManagerError } from "../model/errors.ts";
import { serviceUrl } from "../model/service-url.ts";
import { type IdentityToken, identityTokenOf } from "./identity-token.ts";
import { lendTokenRequest } from "./token-request.ts";

export interface KeystoneOptions {
  readonly http: HttpClient;
  readonly now?: (() => Date) | undefined;
}

/** A token this close to its end is renewed first, so that it does not end on the way. */
const renewBeforeMs = 60_000;

/** Callers with a cached token; the least recently used one is dropped first. */
const maxCallers = 1_000;

/** What Keystone means by a status. A status in no row is `bad_response`: never success. */
const meaning = new Map<number, KeyManagerError["code"]>([
  [400, "invalid_argument"],
  [401, "unauthenticated"],
  [403, "forbidden"],
  [404, "invalid_argument"], // no Keystone v3 at that URL; a wrong password is a 401
  [429, "unavailable"],
  [500, "unavailable"],
  [502, "unavailable"],
  [503, "unavailable"],
  [504, "unavailable"],
]);

const advice = new Map<number, string>([
  [
    400,
    "Keystone cannot process the credentials: check that user, domains and scope belong together",
  ],
  [401, "Keystone rejects the credentials: check user, password or secret, domains and project"],
  [
    403,
    "Keystone refuses the credentials: check whether the user or project is disabled, or the token may not be rescoped",
  ],
  [404, "no Keystone v3 answers at this URL: check authUrl"],
]);

/**
 * Obtains identity tokens, and keeps one for each distinct credential.
 *
 * Tokens are kept under a keyed digest of the whole credential, so no caller is
 * ever given another's; concurrent first uses share one request.
 */
export class Keystone {
  readonly #http: HttpClient;
  readonly #now: () => Date;
  readonly #digestKey = randomBytes(32);
  readonly #tokens = new Map<string, Promise<IdentityToken>>();

  constructor(options: KeystoneOptions) {
    this.#http = options.http;
    this.#now = options.now ?? (() => new Date());
  }

  /**
   * The caller's identity token, from memory unless it is about to expire.
   *
   * @throws `unauthenticated` if Keystone does not accept the credentials,
   * `invalid_argument` if the caller has none or no Keystone answers at `authUrl`.
   */
  async token(caller: Caller, signal?: AbortSignal): Promise<IdentityToken> {
    const key = this.#keyOf(asKeystoneCaller(caller));
    const kept = this.#tokens.get(key);
    if (kept !== undefined) {
      const token = await untilAborted("authenticate", kept, signal);
      if (!this.#endsSoon(token)) {
        this.#keep(key, kept);
        return token;
      }
      if (this.#tokens.get(key) === kept) this.#tokens.delete(key);
    }
    const pending = this.#tokens.get(key) ?? this.#obtain(key, asKeystoneCaller(caller));
    return untilAborted("authenticate", pending, signal);
  }

  /** Drops a token that a service has refused, so that the next call obtains another. */
  async forget(caller: Caller, refused: IdentityToken): Promise<void> {
    const key = this.#keyOf(asKeystoneCaller(caller));
    const kept = this.#tokens.get(key);
    if (
      kept !== undefined &&
      (await kept.catch(() => refused)) === refused &&
      this.#tokens.get(key) === kept
    ) {
      this.#tokens.delete(key);
    }
  }

  #obtain(key: string, caller: KeystoneCaller): Promise<IdentityToken> {
    const pending = this.#authenticate(caller);
    this.#keep(key, pending);
    pending.catch(() => {
      if (this.#tokens.get(key) === pending) this.#tokens.delete(key);
    });
    return pending;
  }

  #keep(key: string, token: Promise<IdentityToken>): void {
    this.#tokens.delete(key);
    this.#tokens.set(key, token);
    if (this.#tokens.size <= maxCallers) return;
    for (const oldest of this.#tokens.keys()) {
      this.#tokens.delete(oldest);
      break;
    }
  }

  async #authenticate(caller: KeystoneCaller): Promise<IdentityToken> {
    checkSecrets(caller);
    if (caller.type === "token" && caller.authUrl === undefined) return presentedAsIs(caller);
    // A caller that keystoneCaller did not make has not been checked.
    const authUrl = serviceUrl("authenticate: authUrl", caller.authUrl ?? "");
    if (caller.type === "token" && caller.scope.type === "unscoped") {
      return this.#lookUp(caller, authUrl);
    }
    const what = `authenticate at ${authUrl}`;
    const response = await lendTokenRequest(caller, (body) =>
      this.#http.call(
        {
          what,
          method: "POST",
          url: new URL(`${authUrl}/auth/tokens`),
          headers: { "content-type": "application/json", accept: "application/json" },
          body,
          expect: [201],
          repeatable: true,
        },
        (unexpected) => refusal(what, unexpected),
      ),
    );
    const value = response.headers.get("x-subject-token");
    if (value === undefined || value === "") {
      throw new KeyManagerError(
        "bad_response",
        `${what}: the answer lacks the header X-Subject-Token`,
      );
    }
    return identityTokenOf(what, value, jsonObject(what, response));
  }

  /** A token that is to be used with the scope it has: Keystone is asked only what it is good for. */
  async #lookUp(
    caller: KeystoneCaller & { readonly type: "token" },
    authUrl: string,
  ): Promise<IdentityToken> {
    const what = `authenticate at ${authUrl}`;
    return caller.token.useText(async (token) => {
      const response = await this.#http.call(
        {
          what,
          method: "GET",
          url: new URL(`${authUrl}/auth/tokens`),
          headers: { "x-auth-token": token, "x-subject-token": token, accept: "application/json" },
          expect: [200],
          repeatable: true,
        },
        (unexpected) => refusal(what, unexpected),
      );
      return identityTokenOf(what, token, jsonObject(what, response));
    });
  }

  #endsSoon(token: IdentityToken): boolean {
    return (
      token.expires !== undefined && token.expires.getTime() - this.#now().getTime() < renewBeforeMs
    );
  }

  #keyOf(caller: KeystoneCaller): string {
    const { secret, ...rest } = partsOf(caller);
    const digest = createHmac("sha256", this.#digestKey).update(JSON.stringify(rest)).update("\0");
    secret.use((bytes) => digest.update(bytes));
    return digest.digest("base64");
  }
}

function partsOf(caller: KeystoneCaller) {
  switch (caller.type) {
    case "password":
      return { ...caller, password: undefined, secret: caller.password };
    case "token":
      return { ...caller, token: undefined, secret: caller.token };
    case "application_credential":
      return caller;
  }
}

function checkSecrets(caller: KeystoneCaller): void {
  switch (caller.type) {
    case "password":
      checkedText("authenticate: password", caller.password);
      return;
    case "token":
      checkedToken(caller.token);
      return;
    case "application_credential":
      checkedText("authenticate: applicationCredentialSecret", caller.secret);
      return;
  }
}

const keystoneCallerTypes = ["password", "token", "application_credential"];

function asKeystoneCaller(caller: Caller): KeystoneCaller {
  // A program in plain JavaScript may have forgotten it.
  const type = (caller as Caller | null | undefined)?.type;
  if (type !== undefined && keystoneCallerTypes.includes(type)) return caller as KeystoneCaller;
  throw new KeyManagerError(
    "invalid_argument",
    type === "project"
      ? 'authenticate: a caller of type "project" has no credentials: make one with keystoneCaller'
      : "authenticate: caller is missing: create one with keystoneCaller",
  );
}

function presentedAsIs(caller: KeystoneCaller & { readonly type: "token" }): IdentityToken {
  return {
    value: caller.token,
    expires: undefined,
    userId: undefined,
    projectId: undefined,
    roles: [],
    catalog: [],
  };
}

function refusal(what: string, response: HttpResponse): KeyManagerError {
  // What Keystone says is left out: its 400 quotes the request, password included.
  const reason = advice.get(response.status);
  return new KeyManagerError(
    meaning.get(response.status) ?? "bad_response",
    [`${what}: status ${response.status}`, reason, requestIdIn(response)]
      .filter((part) => part !== undefined && part !== "")
      .join(": ")
      .replace(": (", " ("),
  );
}
