import { IdentityApiError } from "../identity-api-error.ts";
import { type Answer, type AuthenticatedCall, type Route, requireSelf } from "./route.ts";

/**
 * What users may do about themselves.
 * https://docs.openstack.org/api-ref/identity/v3/#users
 */
export const userRoutes: readonly Route[] = [
  { method: "GET", path: "/v3/users/:user", access: "token", handle: showUser },
  { method: "POST", path: "/v3/users/:user/password", access: "token", handle: changePassword },
  { method: "GET", path: "/v3/users/:user/projects", access: "token", handle: listProjectsOf },
];

async function showUser({ parts, caller, parameters }: AuthenticatedCall): Promise<Answer> {
  const id = parameters["user"] ?? "";
  requireSelf(caller, id);
  const user = await parts.store.findUser({ id });
  if (!user) throw new IdentityApiError("not_found", `Could not find user: ${id}.`);
  return { status: 200, document: { user: parts.documents.user(user) } };
}

/** Ends all of the user's tokens, the one it is done with included. */
async function changePassword(call: AuthenticatedCall): Promise<Answer> {
  const { parts, caller, parameters, request } = call;
  requireSelf(caller, parameters["user"] ?? "", { orAdmin: false });
  const body = call.body().get("user");
  const userId = caller.user.id;
  const password = body.get("password").text();
  const original = body.get("original_password").text();
  // As strictly limited as a login: a stolen token must not be a way to guess the password.
  const { address, requestId } = request;
  const proof = { userId, password: original, address, requestId };
  const provenHash = await parts.login.provePassword(proof);
  await parts.administration.changePassword(userId, password, provenHash);
  return { status: 204 };
}

async function listProjectsOf({ parts, caller, parameters }: AuthenticatedCall): Promise<Answer> {
  const userId = parameters["user"] ?? "";
  requireSelf(caller, userId);
  const theirs = new Set(
    (await parts.store.listAssignments({ userId })).map(({ projectId }) => projectId),
  );
  const projects = (await parts.store.listProjects()).filter(({ id }) => theirs.has(id));
  return {
    status: 200,
    document: parts.documents.list(
      "projects",
      projects.map((project) => parts.documents.project(project)),
      `/users/${userId}/projects`,
    ),
  };
}
