import { IdentityApiError } from "../identity-api-error.ts";
import { type Body, readAccessRules } from "./body.ts";
import { roleId } from "./documents.ts";
import { type Answer, type AuthenticatedCall, type Route, requireSelf } from "./route.ts";

const path = "/v3/users/:user/application_credentials";

/** https://docs.openstack.org/api-ref/identity/v3/#application-credentials */
export const applicationCredentialRoutes: readonly Route[] = [
  { method: "GET", path, access: "token", handle: list },
  { method: "POST", path, access: "token", handle: create },
  { method: "GET", path: `${path}/:id`, access: "token", handle: show },
  { method: "DELETE", path: `${path}/:id`, access: "token", handle: remove },
];

async function list({ parts, caller, parameters, query }: AuthenticatedCall): Promise<Answer> {
  const userId = owner(parameters);
  requireSelf(caller, userId);
  const name = query.get("name");
  const records = await parts.applicationCredentials.list(userId);
  const shown = records.filter((record) => name === null || record.name === name);
  return {
    status: 200,
    document: parts.documents.list(
      "application_credentials",
      shown.map((record) => parts.documents.applicationCredential(record)),
      `/users/${userId}/application_credentials`,
    ),
  };
}

async function create(call: AuthenticatedCall): Promise<Answer> {
  const { parts, caller, parameters } = call;
  requireSelf(caller, owner(parameters), { orAdmin: false });
  const body = call.body().get("application_credential");
  const roles = body.get("roles");
  const { record, secret } = await parts.applicationCredentials.create(caller, {
    name: body.get("name").text(),
    description: body.get("description").optionalText() ?? "",
    secret: body.get("secret").optionalText(),
    roles: roles.present && roles.list().length > 0 ? readRoles(roles, caller.roles) : undefined,
    unrestricted: body.get("unrestricted").boolean(false),
    accessRules: readAccessRules(body.get("access_rules")),
    expiresAtMs: readTime(body.get("expires_at").optionalText()),
  });
  return {
    status: 201,
    objectId: record.id,
    document: {
      application_credential: parts.documents.applicationCredential(record, secret),
    },
  };
}

async function show({ parts, caller, parameters }: AuthenticatedCall): Promise<Answer> {
  requireSelf(caller, owner(parameters));
  const record = await parts.applicationCredentials.find(owner(parameters), parameters["id"] ?? "");
  return {
    status: 200,
    document: { application_credential: parts.documents.applicationCredential(record) },
  };
}

async function remove({ parts, caller, parameters }: AuthenticatedCall): Promise<Answer> {
  requireSelf(caller, owner(parameters));
  await parts.applicationCredentials.delete(caller, owner(parameters), parameters["id"] ?? "");
  return { status: 204 };
}

function owner(parameters: Readonly<Record<string, string>>): string {
  return parameters["user"] ?? "";
}

/** Roles by name, or by id among those that the caller has. */
function readRoles(roles: Body, own: readonly string[]): readonly string[] {
  return roles.list().map((role) => {
    if (role.has("name")) return role.get("name").text().toLowerCase();
    const id = role.get("id").text();
    const name = own.find((candidate) => roleId(candidate) === id);
    if (name === undefined) throw new IdentityApiError("not_found", `Could not find role: ${id}.`);
    return name;
  });
}

/** Keystone's times carry no zone and mean UTC. */
function readTime(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const milliseconds = Date.parse(/(?:Z|[+-]\d\d:?\d\d)$/i.test(text) ? text : `${text}Z`);
  if (Number.isNaN(milliseconds)) {
    throw new IdentityApiError("bad_request", "expires_at must be an ISO 8601 time.");
  }
  return milliseconds;
}
