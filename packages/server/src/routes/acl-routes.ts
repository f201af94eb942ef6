import type { AclChange, AclService, StoredAcl } from "../services/acls.ts";
import { Fields, jsonBody } from "./body.ts";
import type { Call, Route } from "./route.ts";

/** The read ACL of secrets or of containers. */
export function aclRoutes(
  collection: "secrets" | "containers",
  acls: AclService,
  find: (id: string) => Promise<unknown>,
): readonly Route[] {
  const set = async (call: Call, how: "replace" | "merge") => {
    const id = call.params["id"] ?? "";
    await acls[how](call.principal, id, () => parseAclChange(call));
    return { status: 200, json: { acl_ref: `${call.refs.to(collection, id)}/acl` } };
  };
  return [
    {
      path: `/v1/${collection}/:id/acl`,
      exists: (call) => find(call.params["id"] ?? ""),
      handlers: {
        GET: async (call) => ({
          status: 200,
          json: aclDocument(await acls.get(call.principal, call.params["id"] ?? "")),
        }),
        PUT: (call) => set(call, "replace"),
        PATCH: (call) => set(call, "merge"),
        DELETE: async (call) => {
          await acls.remove(call.principal, call.params["id"] ?? "");
          return { status: 200, json: null }; // clients parse the body
        },
      },
    },
  ];
}

function aclDocument(acl: StoredAcl | undefined): object {
  if (!acl) return { read: { "project-access": true } };
  const { users, projectAccess, created, updated } = acl;
  return { read: { "project-access": projectAccess, users, created, updated } };
}

/** `{"read": {"users": […], "project-access": …}}`, every member optional. */
function parseAclChange(call: Call): AclChange {
  const fields = new Fields(jsonBody(call, "ACL"), "ACL");
  fields.only(["read"]);
  const read = fields.raw("read");
  if (read === undefined) return {};
  if (typeof read !== "object" || read === null || Array.isArray(read))
    throw fields.error("read is not of type 'object'", "read");
  const inner = new Fields(read as Record<string, unknown>, "ACL");
  inner.only(["users", "project-access"]);
  const projectAccess = inner.raw("project-access");
  if (projectAccess !== undefined && typeof projectAccess !== "boolean")
    throw inner.error("project-access is not of type 'boolean'", "project-access");
  const users = parseUsers(inner);
  return { ...(users && { users }), ...(projectAccess !== undefined && { projectAccess }) };
}

function parseUsers(inner: Fields): readonly string[] | undefined {
  const users: unknown = inner.raw("users");
  if (users === undefined) return undefined;
  if (!Array.isArray(users)) throw inner.error("users is not of type 'array'", "users");
  return users.map((user: unknown) => {
    if (typeof user !== "string" || user.includes("\0") || Array.from(user).length > 255)
      throw inner.error("a user is not a text of up to 255 characters", "users");
    return user;
  });
}
