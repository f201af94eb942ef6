import { IdentityApiError } from "../identity-api-error.ts";
import { type Assignment, defaultDomain, isDefaultDomainName } from "../records.ts";
import type { Body } from "./body.ts";
import { roleId } from "./documents.ts";
import type { Answer, AuthenticatedCall, Route } from "./route.ts";
import { domainDocument } from "./token-routes.ts";

const roleOfUser = "/v3/projects/:project/users/:user/roles/:role";

/**
 * Users, projects and roles, for an admin: what `openstack user|project|role …` calls.
 * https://docs.openstack.org/api-ref/identity/v3/
 */
export const administrationRoutes: readonly Route[] = [
  { method: "GET", path: "/v3/domains", access: "token", handle: listDomains },
  { method: "GET", path: "/v3/domains/:domain", access: "token", handle: showDomain },
  { method: "GET", path: "/v3/users", access: "admin", handle: listUsers },
  { method: "POST", path: "/v3/users", access: "admin", handle: createUser },
  { method: "PATCH", path: "/v3/users/:user", access: "admin", handle: updateUser },
  { method: "DELETE", path: "/v3/users/:user", access: "admin", handle: deleteUser },
  { method: "GET", path: "/v3/projects", access: "admin", handle: listProjects },
  { method: "POST", path: "/v3/projects", access: "admin", handle: createProject },
  { method: "GET", path: "/v3/projects/:project", access: "token", handle: showProject },
  { method: "PATCH", path: "/v3/projects/:project", access: "admin", handle: updateProject },
  { method: "DELETE", path: "/v3/projects/:project", access: "admin", handle: deleteProject },
  { method: "GET", path: "/v3/roles", access: "token", handle: listRoles },
  { method: "GET", path: "/v3/roles/:role", access: "token", handle: showRole },
  { method: "GET", path: "/v3/role_assignments", access: "admin", handle: listAssignments },
  { method: "PUT", path: roleOfUser, access: "admin", handle: grant },
  { method: "GET", path: roleOfUser, access: "admin", handle: check },
  { method: "DELETE", path: roleOfUser, access: "admin", handle: revoke },
];

async function listDomains({ parts, query }: AuthenticatedCall): Promise<Answer> {
  const name = query.get("name");
  const domains =
    name === null || isDefaultDomainName(name) ? [domainDocument(parts.documents.identityUrl)] : [];
  return { status: 200, document: parts.documents.list("domains", domains, "/domains") };
}

async function showDomain({ parts, parameters }: AuthenticatedCall): Promise<Answer> {
  if (parameters["domain"] !== defaultDomain.id) {
    throw new IdentityApiError("not_found", `Could not find domain: ${parameters["domain"]}.`);
  }
  return { status: 200, document: { domain: domainDocument(parts.documents.identityUrl) } };
}

async function listUsers({ parts, query }: AuthenticatedCall): Promise<Answer> {
  const users = (await parts.administration.listUsers()).filter(named(query));
  return {
    status: 200,
    document: parts.documents.list(
      "users",
      users.map((user) => parts.documents.user(user)),
      "/users",
    ),
  };
}

async function createUser(call: AuthenticatedCall): Promise<Answer> {
  const body = call.body().get("user");
  refuseOtherDomain(body);
  const user = await call.parts.administration.createUser({
    name: body.get("name").text(),
    password: body.get("password").text(),
    enabled: body.get("enabled").boolean(true),
  });
  return { status: 201, objectId: user.id, document: { user: call.parts.documents.user(user) } };
}

async function updateUser(call: AuthenticatedCall): Promise<Answer> {
  const { parts, parameters } = call;
  const id = await userId(call);
  const body = call.body().get("user");
  refuseOtherThan(body, ["name", "email", "description"]);
  if (body.has("password")) {
    await parts.administration.setPassword(id, body.get("password").text());
  }
  if (body.has("enabled")) {
    await parts.administration.setUserEnabled(id, body.get("enabled").boolean(true));
  }
  const user = await parts.administration.findUser(parameters["user"] ?? "");
  return { status: 200, document: { user: parts.documents.user(user) } };
}

async function deleteUser(call: AuthenticatedCall): Promise<Answer> {
  await call.parts.administration.deleteUser(await userId(call));
  return { status: 204 };
}

async function listProjects({ parts, query }: AuthenticatedCall): Promise<Answer> {
  const projects = (await parts.administration.listProjects()).filter(named(query));
  return {
    status: 200,
    document: parts.documents.list(
      "projects",
      projects.map((project) => parts.documents.project(project)),
      "/projects",
    ),
  };
}

async function createProject(call: AuthenticatedCall): Promise<Answer> {
  const body = call.body().get("project");
  refuseOtherDomain(body);
  const project = await call.parts.administration.createProject({
    name: body.get("name").text(),
    description: body.get("description").optionalText() ?? "",
    enabled: body.get("enabled").boolean(true),
  });
  return {
    status: 201,
    objectId: project.id,
    document: { project: call.parts.documents.project(project) },
  };
}

/** For an admin, and for the owner of a token of the project. */
async function showProject({ parts, caller, parameters }: AuthenticatedCall): Promise<Answer> {
  const id = parameters["project"] ?? "";
  if (!caller.roles.includes("admin") && caller.project?.id !== id) {
    throw new IdentityApiError(
      "forbidden",
      "You are not authorized to perform the requested action.",
    );
  }
  const project = await parts.store.findProject({ id });
  if (!project) throw new IdentityApiError("not_found", `Could not find project: ${id}.`);
  return { status: 200, document: { project: parts.documents.project(project) } };
}

async function updateProject(call: AuthenticatedCall): Promise<Answer> {
  const id = await projectId(call);
  const body = call.body().get("project");
  refuseOtherThan(body, ["name", "description"]);
  if (body.has("enabled")) {
    await call.parts.administration.setProjectEnabled(id, body.get("enabled").boolean(true));
  }
  const project = await call.parts.administration.findProject(id);
  return { status: 200, document: { project: call.parts.documents.project(project) } };
}

async function deleteProject(call: AuthenticatedCall): Promise<Answer> {
  await call.parts.administration.deleteProject(await projectId(call));
  return { status: 204 };
}

async function listRoles(call: AuthenticatedCall): Promise<Answer> {
  const { parts, query } = call;
  const roles = (await roleNames(call)).map((name) => ({ name })).filter(named(query));
  return {
    status: 200,
    document: parts.documents.list(
      "roles",
      roles.map(({ name }) => parts.documents.role(name)),
      "/roles",
    ),
  };
}

async function showRole(call: AuthenticatedCall): Promise<Answer> {
  return { status: 200, document: { role: call.parts.documents.role(await roleName(call)) } };
}

async function listAssignments({ parts, query }: AuthenticatedCall): Promise<Answer> {
  const user = query.get("user.id");
  const project = query.get("scope.project.id");
  const role = query.get("role.id");
  const assignments = await parts.store.listAssignments({
    ...(user !== null && { userId: user }),
    ...(project !== null && { projectId: project }),
  });
  const shown = assignments.filter(
    (assignment) => role === null || roleId(assignment.role) === role,
  );
  const names = query.has("include_names") ? await namesOf(parts) : undefined;
  return {
    status: 200,
    document: parts.documents.list(
      "role_assignments",
      shown.map((assignment) => ({
        ...parts.documents.assignment(assignment),
        ...names?.(assignment),
      })),
      "/role_assignments",
    ),
  };
}

async function grant(call: AuthenticatedCall): Promise<Answer> {
  const { administration } = call.parts;
  await administration.grantRole(await userId(call), await projectId(call), await roleName(call));
  return { status: 204 };
}

async function check(call: AuthenticatedCall): Promise<Answer> {
  const role = await roleName(call);
  const assignments = await call.parts.store.listAssignments({
    userId: await userId(call),
    projectId: await projectId(call),
  });
  if (!assignments.some((assignment) => assignment.role === role)) {
    throw new IdentityApiError("not_found", "The user does not have that role there.");
  }
  return { status: 204 };
}

async function revoke(call: AuthenticatedCall): Promise<Answer> {
  const { administration } = call.parts;
  await administration.revokeRole(await userId(call), await projectId(call), await roleName(call));
  return { status: 204 };
}

/** Addresses name by id only, so that a user called like another's id is not taken for him. */
async function userId({ parts, parameters }: AuthenticatedCall): Promise<string> {
  const id = parameters["user"] ?? "";
  if (await parts.store.findUser({ id })) return id;
  throw new IdentityApiError("not_found", `Could not find user: ${id}.`);
}

async function projectId({ parts, parameters }: AuthenticatedCall): Promise<string> {
  const id = parameters["project"] ?? "";
  if (await parts.store.findProject({ id })) return id;
  throw new IdentityApiError("not_found", `Could not find project: ${id}.`);
}

async function roleName(call: AuthenticatedCall): Promise<string> {
  const id = call.parameters["role"] ?? "";
  const name = (await roleNames(call)).find((candidate) => roleId(candidate) === id);
  if (name === undefined) throw new IdentityApiError("not_found", `Could not find role: ${id}.`);
  return name;
}

/** The roles of the two rule sets, and every role that was granted. A role exists once it is granted. */
async function roleNames({ parts }: AuthenticatedCall): Promise<readonly string[]> {
  const given = (await parts.store.listAssignments({})).map(({ role }) => role);
  return [...new Set([...knownRoles, ...given])].toSorted();
}

const knownRoles = [
  "admin",
  "manager",
  "member",
  "reader",
  "service",
  "creator",
  "observer",
  "audit",
  "key-manager:service-admin",
];

async function namesOf(
  parts: AuthenticatedCall["parts"],
): Promise<(assignment: Assignment) => object> {
  const users = new Map((await parts.store.listUsers()).map(({ id, name }) => [id, name]));
  const projects = new Map((await parts.store.listProjects()).map(({ id, name }) => [id, name]));
  const domain = defaultDomain;
  return ({ userId: user, projectId: project, role }) => ({
    role: { id: roleId(role), name: role },
    user: { id: user, name: users.get(user), domain },
    scope: { project: { id: project, name: projects.get(project), domain } },
  });
}

function named(query: URLSearchParams): (item: { readonly name: string }) => boolean {
  const name = query.get("name");
  return (item) => name === null || item.name === name;
}

function refuseOtherDomain(body: Body): void {
  if (!body.has("domain_id") || body.get("domain_id").text() === defaultDomain.id) return;
  throw new IdentityApiError("bad_request", "There is one domain only, default.");
}

/** Names do not change: the audit record and clouds.yaml files refer to them. */
function refuseOtherThan(body: Body, fixed: readonly string[]): void {
  const asked = fixed.find((name) => body.has(name));
  if (asked !== undefined) throw new IdentityApiError("forbidden", `${asked} cannot be changed.`);
}
