import type { AccessRule } from "../access-rules.ts";

/** The only domain that built-in identity has. Keystone's own bootstrap names it so, and clients take it for granted. */
export const defaultDomain = { id: "default", name: "Default" } as const;

/** Keystone compares names of domains without regard to case. */
export function isDefaultDomainName(name: string): boolean {
  return name.toLowerCase() === defaultDomain.name.toLowerCase();
}

/** Ids are 32 hex digits, as Keystone makes them. Times are milliseconds since 1970. */
export interface UserRecord {
  readonly id: string;
  /** Unique. */
  readonly name: string;
  /** See {@link PasswordHasher}. */
  readonly passwordHash: string;
  readonly enabled: boolean;
  readonly createdAtMs: number;
}

/** A stored project. */
export interface ProjectRecord {
  readonly id: string;
  /** Unique. */
  readonly name: string;
  readonly description: string;
  readonly enabled: boolean;
  readonly createdAtMs: number;
}

/** A user has a role on a project. */
export interface Assignment {
  readonly userId: string;
  readonly projectId: string;
  /** In lower case. */
  readonly role: string;
}

/** A second secret of a user, for one project, with some of the user's roles there. */
export interface ApplicationCredentialRecord {
  readonly id: string;
  /** Unique among the user's. */
  readonly name: string;
  readonly description: string;
  readonly userId: string;
  readonly projectId: string;
  readonly secretHash: string;
  readonly roles: readonly string[];
  /** True lets it make further application credentials. */
  readonly unrestricted: boolean;
  /** Undefined: it may be used for anything its roles allow. */
  readonly accessRules: readonly AccessRule[] | undefined;
  readonly expiresAtMs: number | undefined;
  readonly createdAtMs: number;
}

/** A login that lasts. The token itself is not kept. */
export interface TokenRecord {
  /** SHA-256 of the token, base64url. */
  readonly hash: string;
  readonly userId: string;
  /** Undefined: unscoped. */
  readonly projectId: string | undefined;
  readonly methods: readonly string[];
  /** Name this token, and the one it was got with, in logs. */
  readonly auditIds: readonly string[];
  readonly applicationCredentialId: string | undefined;
  readonly issuedAtMs: number;
  readonly expiresAtMs: number;
}

/** What a token is issued for: the stored half of what was proven. */
export type TokenBasis =
  | { readonly method: "password"; readonly passwordHash: string }
  /** Another token, by its hash. */
  | { readonly method: "token"; readonly hash: string }
  | { readonly method: "application_credential"; readonly secretHash: string };

/** What an application credential is made with. */
export interface ApplicationCredentialBasis {
  /** Hash of the caller's token, which is scoped to the project and has all the roles. */
  readonly tokenHash: string;
  /** How many the user may have. */
  readonly maxPerUser: number;
}

/** A token with all that decides what it is worth at this moment. */
export interface TokenContext {
  readonly token: TokenRecord;
  readonly user: UserRecord;
  readonly project: ProjectRecord | undefined;
  /** What the user has on the project now, without implied roles. */
  readonly roles: readonly string[];
  readonly applicationCredential: ApplicationCredentialRecord | undefined;
}
