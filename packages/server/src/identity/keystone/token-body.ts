import type { AccessRule } from "../access-rules.ts";
import { IdentityError } from "../identity-error.ts";
import type { ValidatedToken } from "../validated-token.ts";

/**
 * Reads Keystone's answer to a token validation. The fields that are needed must be there
 * in the right form; what it does not know it ignores.
 *
 * https://docs.openstack.org/api-ref/identity/v3/#validate-and-show-information-for-token
 *
 * @throws IdentityError `unavailable` for anything else, for then Keystone is not what answered.
 */
export function parseTokenBody(text: string): ValidatedToken {
  let document: unknown;
  try {
    document = JSON.parse(text);
  } catch (cause) {
    throw malformed("no JSON", cause);
  }
  const token = object(object(document, "token")["token"], "token");
  const user = object(token["user"], "user");
  const userName = user["name"];
  const expiresAtMs = Date.parse(nonEmpty(token["expires_at"], "expires_at"));
  if (Number.isNaN(expiresAtMs)) throw malformed("expires_at is no time");
  const project = token["project"] === undefined ? undefined : object(token["project"], "project");
  const domain = project?.["domain"];
  const credential = token["application_credential"];
  return {
    expiresAtMs,
    userId: nonEmpty(user["id"], "user.id"),
    userName: typeof userName === "string" ? userName : undefined,
    projectId: project && nonEmpty(project["id"], "project.id"),
    domainId:
      domain === undefined ? undefined : nonEmpty(object(domain, "domain")["id"], "domain.id"),
    roles: list(token["roles"] ?? [], "roles").map((role) =>
      nonEmpty(object(role, "role")["name"], "role.name"),
    ),
    accessRules:
      credential === undefined
        ? undefined
        : accessRules(object(credential, "application_credential")["access_rules"]),
  };
}

function accessRules(value: unknown): readonly AccessRule[] | undefined {
  if (value === undefined || value === null) return undefined;
  return list(value, "access_rules").map((item) => {
    const rule = object(item, "access_rule");
    return {
      service: nonEmpty(rule["service"], "access_rule.service"),
      path: nonEmpty(rule["path"], "access_rule.path"),
      method: nonEmpty(rule["method"], "access_rule.method"),
    };
  });
}

function object(value: unknown, name: string): Record<string, unknown> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw malformed(`${name} is no object`);
  }
  return value as Record<string, unknown>;
}

function list(value: unknown, name: string): readonly unknown[] {
  if (!Array.isArray(value)) throw malformed(`${name} is no list`);
  return value;
}

function nonEmpty(value: unknown, name: string): string {
  if (typeof value !== "string" || value === "") throw malformed(`${name} is no text`);
  return value;
}

function malformed(reason: string, cause?: unknown): IdentityError {
  return new IdentityError("unavailable", `keystone: unreadable answer: ${reason}`, { cause });
}
