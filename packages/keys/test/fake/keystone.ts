import { randomUUID } from "node:crypto";
import type { Reply, Seen } from "./cloud.ts";

export interface Identity {
  readonly userId: string;
  readonly projectId: string;
}

/** The part of Keystone v3 that gives out and describes tokens. */
export class FakeKeystone {
  authUrl = "";
  /** Of the key manager, in the catalog. */
  endpoint = "";
  hasCatalogEntry = true;
  now: () => number = () => Date.now();
  tokenLifetimeMs = 3_600_000;
  /** How many tokens have been given out. */
  issued = 0;
  readonly #tokens = new Map<string, Identity & { readonly expires: number }>();

  reset(): void {
    this.now = () => Date.now();
    this.tokenLifetimeMs = 3_600_000;
    this.issued = 0;
    this.hasCatalogEntry = true;
    this.#tokens.clear();
  }

  /** Undefined for a token that nobody issued, or that has ended. */
  identify(token: string | undefined): Identity | undefined {
    const known = this.#tokens.get(token ?? "");
    return known === undefined || known.expires <= this.now() ? undefined : known;
  }

  /** From now on no token is good. */
  revokeAll(): void {
    this.#tokens.clear();
  }

  issue(identity: Identity): string {
    this.issued += 1;
    const token = `gAAAA-${randomUUID()}`;
    this.#tokens.set(token, { ...identity, expires: this.now() + this.tokenLifetimeMs });
    return token;
  }

  handle({ method, path, headers, body }: Seen): Reply {
    if (path !== "/v3/auth/tokens") return { status: 404, json: { error: { code: 404 } } };
    if (method === "GET") {
      const token = headers["x-subject-token"] ?? "";
      return this.identify(headers["x-auth-token"]) === undefined
        ? unauthorized
        : this.#describe(200, token);
    }
    const identity = identityOf(JSON.parse(body.toString("utf8")) as TokenRequest, (token) =>
      this.identify(token),
    );
    if (identity === undefined) return unauthorized;
    return this.#describe(201, this.issue(identity));
  }

  #describe(status: number, token: string): Reply {
    const known = this.#tokens.get(token);
    if (known === undefined) return { status: 404 };
    const endpoints = [
      { interface: "internal", region_id: "one", region: "one", url: "http://internal.invalid" },
      { interface: "public", region_id: "one", region: "one", url: this.endpoint },
    ];
    return {
      status,
      headers: { "x-subject-token": token },
      json: {
        token: {
          methods: ["password"],
          expires_at: new Date(known.expires).toISOString(),
          issued_at: new Date(this.now()).toISOString(),
          user: { id: known.userId, name: known.userId, domain: { id: "default" } },
          project: { id: known.projectId, name: known.projectId, domain: { id: "default" } },
          roles: [{ id: "1", name: "member" }],
          catalog: !this.hasCatalogEntry
            ? []
            : [{ type: "key-manager", name: "barbican", endpoints }],
        },
      },
    };
  }
}

interface TokenRequest {
  readonly auth: {
    readonly identity: {
      readonly methods: readonly string[];
      readonly password?: { readonly user: { readonly name: string; readonly password: string } };
      readonly token?: { readonly id: string };
      readonly application_credential?: { readonly id: string; readonly secret: string };
    };
    readonly scope?: { readonly project?: { readonly id?: string; readonly name?: string } };
  };
}

/** Everybody's password is "<name>'s password". */
function identityOf(
  { auth }: TokenRequest,
  identify: (token: string) => Identity | undefined,
): Identity | undefined {
  const { password, token, application_credential: application } = auth.identity;
  const projectId = auth.scope?.project?.id ?? auth.scope?.project?.name ?? "a";
  if (password !== undefined) {
    const { name } = password.user;
    return password.user.password === `${name}'s password`
      ? { userId: name, projectId }
      : undefined;
  }
  if (application !== undefined) {
    return application.secret === "application secret"
      ? { userId: application.id, projectId: "a" }
      : undefined;
  }
  const known = identify(token?.id ?? "");
  return known === undefined ? undefined : { userId: known.userId, projectId };
}

const unauthorized: Reply = {
  status: 401,
  json: { error: { code: 401, message: "The request you have made requires authentication." } },
};
