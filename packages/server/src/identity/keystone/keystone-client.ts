import { setTimeout as sleep } from "node:timers/promises";
import { Agent, request } from "undici";
import { IdentityError } from "../identity-error.ts";
import type { ValidatedToken } from "../validated-token.ts";
import {
  type KeystoneIdentityOptions,
  keystoneUrl,
  type ServiceCredentials,
} from "./keystone-options.ts";
import { parseTokenBody } from "./token-body.ts";

/**
 * Speaks with one Keystone: gets this server a token of its own and asks about others'.
 *
 * https://docs.openstack.org/api-ref/identity/v3/#authentication-and-token-management
 */
export class KeystoneClient {
  readonly #url: string;
  readonly #credentials: ServiceCredentials;
  readonly #agent: Agent;
  readonly #timeoutMs: number;
  readonly #retries: number;
  readonly #nowMs: () => number;
  readonly #delay: (milliseconds: number) => Promise<unknown>;
  readonly #random: () => number;
  #getting: Promise<OwnToken> | undefined;
  #own: OwnToken | undefined;

  constructor(options: KeystoneIdentityOptions) {
    this.#url = keystoneUrl(options.authUrl);
    this.#credentials = options.credentials;
    this.#timeoutMs = options.timeoutMs ?? 5_000;
    this.#retries = options.retries ?? 2;
    this.#nowMs = options.nowMs ?? Date.now;
    this.#delay = options.delay ?? sleep;
    this.#random = options.random ?? Math.random;
    this.#agent = new Agent({
      connections: options.maxConnections ?? 16,
      maxResponseSize: maxBodyBytes,
      connect: {
        timeout: this.#timeoutMs,
        minVersion: "TLSv1.2",
        ...(options.ca !== undefined && { ca: options.ca }),
      },
    });
  }

  /**
   * What Keystone says of a token; undefined if it does not know it (any more).
   *
   * @param allowExpired true for the token that a trusted service relays in the
   *   middle of a long job: Keystone then vouches for it for its own grace time.
   * @throws IdentityError `unavailable`
   */
  async validate(
    token: string,
    { allowExpired }: { readonly allowExpired: boolean },
  ): Promise<ValidatedToken | undefined> {
    const path = `/auth/tokens?nocatalog${allowExpired ? "&allow_expired=1" : ""}`;
    const ask = async (own: OwnToken) =>
      await this.#send("GET", path, {
        "x-auth-token": own.token,
        "x-subject-token": token,
        // Without it Keystone does not know the tokens of application credentials that have access rules.
        "openstack-identity-access-rules": "1",
      });
    let own = await this.#ownToken();
    let answer = await ask(own);
    if (answer.status === 401) {
      // Ours was revoked, or Keystone lost its keys. A new one helps at once or not at all.
      own = await this.#renew(own);
      answer = await ask(own);
    }
    if (answer.status === 200) return parseTokenBody(answer.body);
    if (notKnown.has(answer.status)) return undefined;
    if (answer.status === 401 || answer.status === 403) {
      throw new IdentityError(
        "unavailable",
        `keystone: status ${answer.status}: this server's own user may not validate tokens; give it a role that may (service or admin) on its project`,
        { retryAfterSeconds: 30 },
      );
    }
    throw unexpected("GET /v3/auth/tokens", answer.status);
  }

  async close(): Promise<void> {
    await this.#agent.destroy();
  }

  async #ownToken(): Promise<OwnToken> {
    const own = await this.#shared();
    if (own.expiresAtMs - this.#nowMs() > renewBeforeMs) return own;
    return await this.#renew(own);
  }

  /** Those who come while a token is being got wait for the same one; a failure is not kept. */
  #shared(): Promise<OwnToken> {
    this.#getting ??= this.#authenticate().then(
      (own) => {
        this.#own = own;
        return own;
      },
      (error: unknown) => {
        this.#getting = undefined;
        throw error;
      },
    );
    return this.#getting;
  }

  /** Gets a token in place of `stale`, unless another request has done so or is doing so. */
  #renew(stale: OwnToken): Promise<OwnToken> {
    if (this.#own === stale) {
      this.#own = undefined;
      this.#getting = undefined;
    }
    return this.#shared();
  }

  async #authenticate(): Promise<OwnToken> {
    const answer = await this.#send(
      "POST",
      "/auth/tokens?nocatalog",
      { "content-type": "application/json" },
      JSON.stringify(authenticationBody(this.#credentials)),
    );
    if (answer.status === 401 || answer.status === 403 || answer.status === 404) {
      throw new IdentityError(
        "unavailable",
        `keystone: status ${answer.status}: it refuses this server's own credentials; correct them in the configuration`,
        { retryAfterSeconds: 30 },
      );
    }
    if (answer.status !== 201 || answer.token === undefined) {
      throw unexpected("POST /v3/auth/tokens", answer.status);
    }
    return { token: answer.token, expiresAtMs: parseTokenBody(answer.body).expiresAtMs };
  }

  async #send(
    method: "GET" | "POST",
    path: string,
    headers: Record<string, string>,
    body?: string,
  ): Promise<Answer> {
    for (let attempt = 0; ; attempt++) {
      let failure: unknown;
      try {
        const answer = await this.#sendOnce(method, path, headers, body);
        if (answer.status < 500 && answer.status !== 429) return answer;
        failure = unexpected(`${method} /v3/auth/tokens`, answer.status);
      } catch (error) {
        failure = error;
      }
      // Who waited for the whole time-out already waited long enough.
      const timedOut = failure instanceof Error && failure.name === "TimeoutError";
      if (timedOut || attempt >= this.#retries) {
        if (failure instanceof IdentityError) throw failure;
        throw new IdentityError("unavailable", "keystone: no answer", { cause: failure });
      }
      await this.#delay(firstDelayMs * 2 ** attempt * (0.5 + this.#random() / 2));
    }
  }

  async #sendOnce(
    method: "GET" | "POST",
    path: string,
    headers: Record<string, string>,
    body?: string,
  ): Promise<Answer> {
    const response = await request(`${this.#url}${path}`, {
      method,
      headers: { accept: "application/json", "user-agent": "chatelaine", ...headers },
      ...(body !== undefined && { body }),
      dispatcher: this.#agent,
      signal: AbortSignal.timeout(this.#timeoutMs),
    });
    const token = response.headers["x-subject-token"];
    return {
      status: response.statusCode,
      token: typeof token === "string" ? token : undefined,
      body: await response.body.text(),
    };
  }
}

interface OwnToken {
  readonly token: string;
  readonly expiresAtMs: number;
}

interface Answer {
  readonly status: number;
  readonly token: string | undefined;
  readonly body: string;
}

/** Statuses of Keystone, and of proxies in front of it, for an invalid token. */
const notKnown: ReadonlySet<number> = new Set([400, 404, 413, 414, 431]);
const renewBeforeMs = 60_000;
const firstDelayMs = 100;
const maxBodyBytes = 1_048_576;

function unexpected(what: string, status: number): IdentityError {
  return new IdentityError("unavailable", `keystone: ${what}: status ${status}`);
}

function authenticationBody(credentials: ServiceCredentials): object {
  if (credentials.type === "application_credential") {
    const { id, secret } = credentials;
    return {
      auth: {
        identity: { methods: ["application_credential"], application_credential: { id, secret } },
      },
    };
  }
  const { username, password, projectName } = credentials;
  const user = { name: username, domain: { name: credentials.userDomainName ?? "Default" } };
  return {
    auth: {
      identity: { methods: ["password"], password: { user: { ...user, password } } },
      scope: {
        project: {
          name: projectName,
          domain: { name: credentials.projectDomainName ?? "Default" },
        },
      },
    },
  };
}
