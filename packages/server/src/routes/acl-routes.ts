import type { AclChange, AclService, StoredAcl } from "../services/acls.ts";
import { type ApiRequest, actionsOn, json, type KeyManagerEndpoint } from "./api.ts";
import { Fields, jsonObject } from "./body.ts";

/** The read ACL of secrets or of containers. */
export function aclRoutes(
  kind: "secret" | "container",
  acls: AclService,
): readonly KeyManagerEndpoint[] {
  const collection = `${kind}s` as const;
  const on = actionsOn(`${kind} ACL`);
  const noun = `${kind === "secret" ? "Secret" : "Container"}ACL(s)`;
  const refTo = ({ refs }: ApiRequest, id: string) => ({
    acl_ref: `${refs.to(collection, id)}/acl`,
  });
  return [
    {
      path: `/v1/${collection}/:id/acl`,
      target: `${kind} ACL`,
      methods: {
        GET: on({
          rule: `${kind}_acls:get`,
          noun: `${noun} retrieval`,
          audit: "refusals",
          run: ({ permit, target }) => ({
            status: 200,
            json: aclDocument(acls.get(permit, target)),
          }),
        }),
        PUT: on({
          rule: `${kind}_acls:put_patch`,
          noun: `${noun} creation`,
          audit: "write",
          accepts: json,
          parse: (request) => parseAclChange(request),
          run: async ({ request, permit, target, input }) => {
            await acls.replace(permit, target, input);
            return { status: 200, json: refTo(request, target.id) };
          },
        }),
        PATCH: on({
          rule: `${kind}_acls:put_patch`,
          noun: `${noun} update`,
          audit: "write",
          accepts: json,
          parse: (request) => parseAclChange(request),
          run: async ({ request, permit, target, input }) => {
            await acls.merge(permit, target, input);
            return { status: 200, json: refTo(request, target.id) };
          },
        }),
        DELETE: on({
          rule: `${kind}_acls:delete`,
          noun: `${noun} deletion`,
          audit: "write",
          run: async ({ permit, target }) => {
            await acls.remove(permit, target);
            return { status: 200, json: null }; // clients parse the body
          },
        }),
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
function parseAclChange(request: ApiRequest): AclChange {
  const fields = new Fields(jsonObject(request, "ACL"), "ACL");
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
