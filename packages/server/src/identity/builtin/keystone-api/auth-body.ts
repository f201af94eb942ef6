import { IdentityApiError } from "../identity-api-error.ts";
import type { Named, Proof } from "../login.ts";
import type { Body } from "./body.ts";

/**
 * Reads the body of `POST /v3/auth/tokens`.
 *
 * https://docs.openstack.org/api-ref/identity/v3/#authentication-and-token-management
 *
 * @throws IdentityApiError `bad_request` for what is no such body; `unauthorized`, as
 *   Keystone has it, for a method or a scope that this server does not offer.
 */
export function readAuthBody(body: Body): {
  readonly proof: Proof;
  readonly project: Named | undefined;
} {
  const auth = body.get("auth");
  return { proof: readProof(auth.get("identity")), project: readScope(auth.get("scope")) };
}

function readProof(identity: Body): Proof {
  const methods = identity
    .get("methods")
    .list()
    .map((method) => method.text());
  const [method] = methods;
  if (methods.length !== 1 || method === undefined) throw unsupported("method");
  switch (method) {
    case "password": {
      const user = identity.get("password").get("user");
      return { method, user: readNamed(user), password: user.get("password").text() };
    }
    case "token":
      return { method, token: identity.get("token").get("id").text() };
    case "application_credential": {
      const credential = identity.get("application_credential");
      const secret = credential.get("secret").text();
      if (credential.has("id")) {
        return { method, credential: { id: credential.get("id").name() }, secret };
      }
      const named = {
        name: credential.get("name").name(),
        user: readNamed(credential.get("user")),
      };
      return { method, credential: named, secret };
    }
    default:
      throw unsupported("method");
  }
}

function readScope(scope: Body): Named | undefined {
  if (!scope.present || isUnscoped(scope)) return undefined;
  if (scope.has("project")) return readNamed(scope.get("project"));
  throw unsupported("scope");
}

/** Keystone takes both `"unscoped"` and `{"unscoped": {}}`. */
function isUnscoped(scope: Body): boolean {
  if (scope.has("unscoped")) return true;
  try {
    return scope.text() === "unscoped";
  } catch {
    return false;
  }
}

function readNamed(body: Body): Named {
  if (body.has("id")) return { id: body.get("id").name() };
  const name = body.get("name").name();
  const domain = body.get("domain");
  if (domain.has("id")) return { name, domain: { id: domain.get("id").name() } };
  return { name, domain: { name: domain.get("name").name() } };
}

function unsupported(what: string): IdentityApiError {
  return new IdentityApiError(
    "unauthorized",
    `Attempted to authenticate with an unsupported ${what}. This server knows password, token and application_credential, unscoped or with a project.`,
  );
}
