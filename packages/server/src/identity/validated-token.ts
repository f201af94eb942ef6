import type { Principal } from "../model/principal.ts";
import type { AccessRule } from "./access-rules.ts";
import { IdentityError } from "./identity-error.ts";

/** What an identity service says of a token that it knows. */
export interface ValidatedToken {
  readonly expiresAtMs: number;
  readonly userId: string;
  readonly userName: string | undefined;
  /** Undefined for tokens that are unscoped, or scoped to a domain or the system. */
  readonly projectId: string | undefined;
  /** The project's domain. */
  readonly domainId: string | undefined;
  readonly roles: readonly string[];
  /** Undefined: the token may be used for anything. */
  readonly accessRules: readonly AccessRule[] | undefined;
}

/** @throws IdentityError `no_project` */
export function principalOf(
  token: Pick<ValidatedToken, "userId" | "userName" | "projectId" | "domainId" | "roles">,
  requestId: string,
  serviceRoles: readonly string[] | undefined,
): Principal {
  if (token.projectId === undefined) {
    throw new IdentityError("no_project", "identity token: not scoped to a project");
  }
  return {
    userId: token.userId,
    ...(token.userName !== undefined && { userName: token.userName }),
    projectId: token.projectId,
    ...(token.domainId !== undefined && { domainId: token.domainId }),
    roles: token.roles,
    ...(serviceRoles && { serviceRoles }),
    requestId,
  };
}

/** In characters. Keystone's own are 180–255, signed ones about 1,000; a longer one is not a token. */
export const maxTokenLength = 3_072;

/**
 * The token itself if it could be one.
 * @throws IdentityError `invalid_token` for one that is missing, too long, or
 *   holds anything but printable ASCII (which no header could carry on).
 */
export function plausibleToken(token: string | undefined, what = "identity token"): string {
  if (token === undefined || token === "") {
    throw new IdentityError("invalid_token", `${what}: missing`);
  }
  if (token.length > maxTokenLength) {
    throw new IdentityError("invalid_token", `${what}: longer than ${maxTokenLength} characters`);
  }
  if (!/^[\x21-\x7e]+$/.test(token)) {
    throw new IdentityError("invalid_token", `${what}: characters that no token has`);
  }
  return token;
}
