import type { RequestTarget } from "../../../model/request-target.ts";
import type { Administration } from "../administration.ts";
import type { ApplicationCredentials } from "../application-credentials.ts";
import type { IdentityEvent } from "../builtin-options.ts";
import { IdentityApiError } from "../identity-api-error.ts";
import type { IdentityStore } from "../identity-store.ts";
import type { Login } from "../login.ts";
import type { LiveToken, TokenKeeper } from "../token-keeper.ts";
import type { Body } from "./body.ts";
import type { Documents } from "./documents.ts";

/** A request as any HTTP server can hand it over. */
export interface ApiRequest {
  readonly method: string;
  /** Its path begins with `/v3`. */
  readonly target: RequestTarget;
  /** `X-Auth-Token`. */
  readonly token: string | undefined;
  /** `X-Subject-Token`. */
  readonly subjectToken: string | undefined;
  /** As it came; the HTTP server bounds its length. */
  readonly body: Uint8Array;
  /** Of the client: what failures to log in are counted under. */
  readonly address: string;
  readonly requestId: string;
}

/** What a route answers, whatever HTTP server carries it. */
export interface ApiResponse {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  /** Empty for none. */
  readonly body: string;
}

/** What a handler is given. */
export interface Call {
  readonly request: ApiRequest;
  readonly query: URLSearchParams;
  readonly parameters: Readonly<Record<string, string>>;
  readonly parts: KeystoneApiParts;
  /** @throws IdentityApiError `bad_request` */
  body(): Body;
}

export interface AuthenticatedCall extends Call {
  readonly caller: LiveToken;
}

/** What a handler answers: a status, an optional JSON document, and further headers. */
export interface Answer {
  readonly status: number;
  readonly document?: object;
  readonly headers?: Readonly<Record<string, string>>;
  /** Of what was made, for the audit record. */
  readonly objectId?: string;
}

/** `open`: no token needed; `token`: any valid token; `admin`: one with the role admin, on whichever project. */
export type Route = {
  readonly method: string;
  /** Segments; `:name` takes any one. */
  readonly path: string;
} & (
  | { readonly access: "open"; readonly handle: (call: Call) => Promise<Answer> }
  | {
      readonly access: "token" | "admin";
      readonly handle: (call: AuthenticatedCall) => Promise<Answer>;
    }
);

export interface KeystoneApiParts {
  readonly store: IdentityStore;
  readonly login: Login;
  readonly tokens: TokenKeeper;
  readonly administration: Administration;
  readonly applicationCredentials: ApplicationCredentials;
  readonly documents: Documents;
  readonly audit: (event: IdentityEvent) => Promise<void>;
}

/** @throws IdentityApiError `forbidden` */
export function requireAdmin(caller: LiveToken): void {
  if (!caller.roles.includes("admin")) {
    throw new IdentityApiError(
      "forbidden",
      "You are not authorized to perform the requested action.",
    );
  }
}

/** @throws IdentityApiError `forbidden` unless the caller is this user, or, if `orAdmin`, an admin. */
export function requireSelf(caller: LiveToken, userId: string, { orAdmin = true } = {}): void {
  if (caller.user.id === userId) return;
  if (orAdmin) return requireAdmin(caller);
  throw new IdentityApiError(
    "forbidden",
    "You are not authorized to perform the requested action.",
  );
}
