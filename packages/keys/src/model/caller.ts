import { isUtf8 } from "node:buffer";
import { KeyManagerError } from "./errors.ts";
import { refuseUnknownOptions } from "./options.ts";
import { SecretBytes } from "./secret-bytes.ts";
import { serviceUrl } from "./service-url.ts";

/** A Keystone domain, by id or by name. */
export type DomainReference = { readonly id: string } | { readonly name: string };

/** A Keystone user, by id or by name within a domain. */
export type UserReference =
  | { readonly id: string }
  | { readonly name: string; readonly domain: DomainReference };

/** What an identity token is asked to be good for. Barbican serves tokens of a project only. */
export type Scope =
  | { readonly type: "project"; readonly id: string }
  | { readonly type: "project"; readonly name: string; readonly domain: DomainReference }
  | { readonly type: "domain"; readonly domain: DomainReference }
  | { readonly type: "trust"; readonly id: string }
  | { readonly type: "unscoped" };

/** Names a project directly, for backends inside this process (`memory`, `fixed`), which have no identity service. */
export interface ProjectCaller {
  readonly type: "project";
  readonly projectId: string;
  readonly userId: string;
}

/** Credentials for Keystone v3 (https://docs.openstack.org/api-ref/identity/v3/). */
export type KeystoneCaller =
  | {
      readonly type: "password";
      readonly authUrl: string;
      readonly user: UserReference;
      readonly password: SecretBytes;
      readonly scope: Scope;
    }
  | {
      readonly type: "token";
      /** Undefined: the token is presented as it is, and cannot be renewed or rescoped. */
      readonly authUrl: string | undefined;
      readonly token: SecretBytes;
      readonly scope: Scope;
    }
  | {
      readonly type: "application_credential";
      readonly authUrl: string;
      readonly credential:
        | { readonly id: string }
        | { readonly name: string; readonly user: UserReference };
      readonly secret: SecretBytes;
    };

/** The identity that a call acts for. The first argument of every call; nothing is shared between callers. */
export type Caller = KeystoneCaller | ProjectCaller;

/** The flat form that `OS_*` variables and clouds.yaml have as well, in camel case. */
export interface KeystoneOptions {
  /** Default: derived from the other fields. */
  readonly authType?: "password" | "token" | "application_credential" | undefined;
  /** Keystone's URL; `/v3` is added where it is missing. */
  readonly authUrl?: string | undefined;
  readonly username?: string | undefined;
  readonly userId?: string | undefined;
  /** Default of both `user…` and `project…` domain, if neither id nor name is given: the domain with the id `default`. */
  readonly userDomainId?: string | undefined;
  readonly userDomainName?: string | undefined;
  readonly password?: string | SecretBytes | undefined;
  readonly token?: string | SecretBytes | undefined;
  readonly applicationCredentialId?: string | undefined;
  readonly applicationCredentialName?: string | undefined;
  readonly applicationCredentialSecret?: string | SecretBytes | undefined;
  readonly projectId?: string | undefined;
  readonly projectName?: string | undefined;
  readonly projectDomainId?: string | undefined;
  readonly projectDomainName?: string | undefined;
  readonly domainId?: string | undefined;
  readonly domainName?: string | undefined;
  readonly trustId?: string | undefined;
}

/** Every name that {@link KeystoneOptions} has. */
export const keystoneOptionNames = [
  "authType",
  "authUrl",
  "username",
  "userId",
  "userDomainId",
  "userDomainName",
  "password",
  "token",
  "applicationCredentialId",
  "applicationCredentialName",
  "applicationCredentialSecret",
  "projectId",
  "projectName",
  "projectDomainId",
  "projectDomainName",
  "domainId",
  "domainName",
  "trustId",
] as const satisfies readonly (keyof KeystoneOptions)[];

/**
 * Checks Keystone credentials and gives them their type.
 *
 * @throws `invalid_argument` that names what is missing or contradicts itself.
 */
export function keystoneCaller(options: KeystoneOptions): KeystoneCaller {
  refuseUnknownOptions("keystone credentials", options, keystoneOptionNames);
  const type = options.authType ?? guessType(options);
  switch (type) {
    case "password":
      return {
        type,
        authUrl: identityUrl(options.authUrl),
        user: userOf(options),
        password: secret("password", options.password),
        scope: scopeOf(options),
      };
    case "token":
      return {
        type,
        authUrl: options.authUrl === undefined ? undefined : identityUrl(options.authUrl),
        token: checkedToken(secret("token", options.token)),
        scope: scopeOf(options),
      };
    case "application_credential":
      return {
        type,
        authUrl: identityUrl(options.authUrl),
        credential:
          options.applicationCredentialId === undefined
            ? {
                name: required(
                  "applicationCredentialId, or applicationCredentialName with a user,",
                  options.applicationCredentialName,
                ),
                user: userOf(options),
              }
            : { id: options.applicationCredentialId },
        secret: secret("applicationCredentialSecret", options.applicationCredentialSecret),
      };
  }
}

/**
 * A program in plain JavaScript may pass no caller; then nothing is returned.
 *
 * @throws `invalid_argument`
 */
export function refuseNobody(caller: Caller | null | undefined): void {
  if (caller?.type !== undefined) return;
  throw new KeyManagerError("invalid_argument", "caller is missing: every call needs one");
}

function guessType(options: KeystoneOptions): NonNullable<KeystoneOptions["authType"]> {
  if (options.applicationCredentialSecret !== undefined) return "application_credential";
  return options.token === undefined ? "password" : "token";
}

function identityUrl(text: string | undefined): string {
  const url = serviceUrl("keystone credentials: authUrl", required("authUrl", text));
  return url.endsWith("/v3") ? url : `${url}/v3`;
}

function userOf(options: KeystoneOptions): UserReference {
  if (options.userId !== undefined) return { id: options.userId };
  return {
    name: required("username, or userId,", options.username),
    domain: domainOf(options.userDomainId, options.userDomainName),
  };
}

function scopeOf(options: KeystoneOptions): Scope {
  const scopes: Scope[] = [];
  if (options.trustId !== undefined) scopes.push({ type: "trust", id: options.trustId });
  if (options.projectId !== undefined) scopes.push({ type: "project", id: options.projectId });
  else if (options.projectName !== undefined) {
    const domain = domainOf(options.projectDomainId, options.projectDomainName);
    scopes.push({ type: "project", name: options.projectName, domain });
  }
  if (options.domainId !== undefined || options.domainName !== undefined) {
    scopes.push({ type: "domain", domain: domainOf(options.domainId, options.domainName) });
  }
  if (scopes.length > 1) {
    throw invalid(
      `more than one scope (${scopes.map((scope) => scope.type).join(", ")}): give one of them`,
    );
  }
  return scopes[0] ?? { type: "unscoped" };
}

function domainOf(id: string | undefined, name: string | undefined): DomainReference {
  if (id !== undefined) return { id };
  return name === undefined ? { id: "default" } : { name };
}

function secret(name: string, value: string | SecretBytes | undefined): SecretBytes {
  if (value === undefined || value.length === 0) throw invalid(`${name} is missing`);
  return checkedText(name, typeof value === "string" ? SecretBytes.fromText(value) : value);
}

/** @throws `invalid_argument` if the bytes are not what a JSON text can hold. */
export function checkedText(name: string, value: SecretBytes): SecretBytes {
  if (value.use(isUtf8)) return value;
  throw invalid(`${name} is not UTF-8 text`);
}

/** @throws `invalid_argument` if the bytes are not what an HTTP header can hold. */
export function checkedToken(value: SecretBytes): SecretBytes {
  if (value.use((bytes) => bytes.every((byte) => byte > 0x20 && byte < 0x7f))) return value;
  throw invalid(
    "token contains a space, a line break or another character that tokens cannot contain",
  );
}

function required(name: string, value: string | undefined): string {
  if (value === undefined || value === "") throw invalid(`${name} is missing`);
  return value;
}

function invalid(reason: string): KeyManagerError {
  return new KeyManagerError("invalid_argument", `keystone credentials: ${reason}`);
}
