import { type PublicUrl, parsePublicUrl } from "../../config/public-url.ts";
import { didYouMean } from "../../model/did-you-mean.ts";
import type { IdentityStore } from "./identity-store.ts";
import type { LoginLimiterOptions } from "./login-limiter.ts";
import type { PasswordHasherOptions } from "./password-hasher.ts";

/**
 * What the audit record keeps of identity. It never holds what a client claimed
 * to be called: people type passwords into the wrong field.
 */
export type IdentityEvent =
  | {
      readonly type: "login";
      readonly outcome: "success";
      readonly method: "password" | "token" | "application_credential";
      readonly userId: string;
      readonly projectId?: string;
      /** Names the token that was issued, without being one. */
      readonly auditId?: string;
      readonly address: string;
      readonly requestId: string;
    }
  | {
      /** Refused logins of one method, user and network, in a minute. */
      readonly type: "login";
      readonly outcome: "refused";
      readonly method: "password" | "token" | "application_credential";
      /** Absent if there is no such user. */
      readonly userId?: string;
      /** Of the first; `several` where too many addresses failed to name each. */
      readonly address: string;
      /** Of the first. */
      readonly requestId: string;
      /** How many there were. Default: 1. */
      readonly times?: number;
    }
  | {
      /** A change, or an attempt: of a user, project, role, credential or token. */
      readonly type: "change";
      /** Method and address pattern: `DELETE /v3/users/:user`. */
      readonly action: string;
      /** The status that was answered. */
      readonly status: number;
      readonly userId: string;
      readonly projectId?: string;
      /** Of what the address names, or what was made. */
      readonly objectId?: string;
      readonly address: string;
      readonly requestId: string;
    };

/** The store of users, the address for clients, and limits. */
export interface BuiltinIdentityOptions {
  readonly store: IdentityStore;
  /**
   * The address that clients reach this server under, without `/v3`: what the
   * catalog names, never a request's `Host`. A function if it is known later,
   * when a port has been taken; see `parsePublicUrl`.
   */
  readonly publicUrl: string | (() => PublicUrl);
  /** Default: `RegionOne`, which clients expect by default. */
  readonly region?: string;
  /** How long an identity token lives. Default: 3,600, as Keystone's. */
  readonly tokenSeconds?: number;
  /** For how long after its expiry a token still serves a trusted service that relays it. Default: 172,800 (two days), as Keystone's. */
  readonly expiredGraceSeconds?: number;
  /**
   * How long a token that was looked up is believed without asking the database
   * again, and so how long a revocation by *another* node goes unnoticed; one by
   * this process counts at once. Default: 5; 0 asks every time.
   */
  readonly tokenCacheSeconds?: number;
  /** Default: 20,000. */
  readonly maxCachedTokens?: number;
  /** Roles of which a service token needs one. Default: `["service"]`. */
  readonly serviceTokenRoles?: readonly string[];
  readonly passwords?: PasswordHasherOptions;
  readonly logins?: LoginLimiterOptions;
  /**
   * Awaited before the answer. Refused logins are collected and reported once a minute
   * and at `close`, so that strangers do not fill the record; those that were
   * turned away unseen are not reported at all. Default: none.
   */
  readonly audit?: (event: IdentityEvent) => Promise<void>;
  /** Erases what is kept for a project that is about to be deleted. Default: nothing is. */
  readonly eraseProject?: (projectId: string) => Promise<void>;
  /** Default: the system's clock. */
  readonly nowMs?: () => number;
}

const known = [
  "store",
  "publicUrl",
  "region",
  "tokenSeconds",
  "expiredGraceSeconds",
  "tokenCacheSeconds",
  "maxCachedTokens",
  "serviceTokenRoles",
  "passwords",
  "logins",
  "audit",
  "eraseProject",
  "nowMs",
] as const satisfies readonly (keyof BuiltinIdentityOptions)[];

/** @throws TypeError naming the option that is misspelled or out of range. */
export function validateBuiltinOptions(options: BuiltinIdentityOptions): void {
  for (const name of Object.keys(options)) {
    if (!known.some((option) => option === name)) {
      throw new TypeError(`built-in identity: unknown option "${name}"${didYouMean(name, known)}`);
    }
  }
  publicUrlOf(options);
  for (const [name, least] of [
    ["tokenSeconds", 1],
    ["expiredGraceSeconds", 0],
    ["tokenCacheSeconds", 0],
    ["maxCachedTokens", 1],
  ] as const) {
    const value = options[name];
    if (value !== undefined && (!Number.isInteger(value) || value < least)) {
      throw new TypeError(`built-in identity: ${name} must be a whole number from ${least} on`);
    }
  }
}

/** Where clients reach this server. @throws TypeError */
export function publicUrlOf({
  publicUrl,
}: Pick<BuiltinIdentityOptions, "publicUrl">): () => PublicUrl {
  if (typeof publicUrl === "function") return publicUrl;
  try {
    const url = parsePublicUrl(publicUrl);
    return () => url;
  } catch (cause) {
    throw new TypeError(`built-in identity: publicUrl ${(cause as Error).message}`, { cause });
  }
}
