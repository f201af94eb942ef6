import { IdentityError } from "../../identity-error.ts";
import { plausibleToken } from "../../validated-token.ts";
import { IdentityApiError } from "../identity-api-error.ts";
import { defaultDomain } from "../records.ts";
import type { LiveToken } from "../token-keeper.ts";
import { readAuthBody } from "./auth-body.ts";
import type { Answer, AuthenticatedCall, Call, Route } from "./route.ts";

/** https://docs.openstack.org/api-ref/identity/v3/#authentication-and-token-management */
export const tokenRoutes: readonly Route[] = [
  { method: "GET", path: "/v3", access: "open", handle: showVersion },
  { method: "POST", path: "/v3/auth/tokens", access: "open", handle: issueToken },
  { method: "GET", path: "/v3/auth/tokens", access: "token", handle: showToken },
  { method: "DELETE", path: "/v3/auth/tokens", access: "token", handle: revokeToken },
  { method: "GET", path: "/v3/auth/catalog", access: "token", handle: showCatalog },
  { method: "GET", path: "/v3/auth/projects", access: "token", handle: listOwnProjects },
  { method: "GET", path: "/v3/auth/domains", access: "token", handle: listOwnDomains },
];

async function showVersion({ parts }: Call): Promise<Answer> {
  return { status: 200, document: { version: parts.documents.version() } };
}

async function issueToken(call: Call): Promise<Answer> {
  const { request, parts } = call;
  const { proof, project } = readAuthBody(call.body());
  const { address, requestId } = request;
  const { token, live } = await parts.login.login({ proof, project, address, requestId });
  return {
    status: 201,
    headers: { "x-subject-token": token },
    document: parts.documents.token(live, { withCatalog: !call.query.has("nocatalog") }),
  };
}

async function showToken(call: AuthenticatedCall): Promise<Answer> {
  const subject = await findSubject(call);
  return {
    status: 200,
    headers: { "x-subject-token": call.request.subjectToken ?? "" },
    document: call.parts.documents.token(subject, {
      withCatalog: !call.query.has("nocatalog"),
    }),
  };
}

async function revokeToken(call: AuthenticatedCall): Promise<Answer> {
  const subject = await findSubject(call);
  await call.parts.tokens.revoke(subject.token.hash);
  return { status: 204, objectId: subject.token.auditIds[0] ?? "" };
}

/** Whose token it is may look at it and end it; so may an admin, and a service look. */
async function findSubject({
  request,
  query,
  parts,
  caller,
}: AuthenticatedCall): Promise<LiveToken> {
  let subject: LiveToken | undefined;
  try {
    const allowExpired = query.get("allow_expired") === "1" && caller.roles.includes("service");
    subject = await parts.tokens.find(plausibleToken(request.subjectToken), { allowExpired });
  } catch (error) {
    if (!(error instanceof IdentityError) || error.code !== "invalid_token") throw error;
  }
  const trusted =
    caller.roles.includes("admin") ||
    (caller.roles.includes("service") && request.method !== "DELETE");
  // To others a token that is not theirs does not exist.
  if (!subject || (subject.user.id !== caller.user.id && !trusted)) {
    throw new IdentityApiError("not_found", "Could not find the token.");
  }
  return subject;
}

async function showCatalog({ parts, caller }: AuthenticatedCall): Promise<Answer> {
  const catalog = caller.project ? parts.documents.catalog() : [];
  return { status: 200, document: parts.documents.list("catalog", catalog, "/auth/catalog") };
}

async function listOwnProjects({ parts, caller }: AuthenticatedCall): Promise<Answer> {
  const assignments = await parts.store.listAssignments({ userId: caller.user.id });
  const mine = new Set(assignments.map(({ projectId }) => projectId));
  const projects = await parts.store.listProjects();
  const shown = projects.filter(({ id, enabled }) => enabled && mine.has(id));
  return {
    status: 200,
    document: parts.documents.list(
      "projects",
      shown.map((project) => parts.documents.project(project)),
      "/auth/projects",
    ),
  };
}

/** No token is ever scoped to a domain. */
async function listOwnDomains({ parts }: AuthenticatedCall): Promise<Answer> {
  return { status: 200, document: parts.documents.list("domains", [], "/auth/domains") };
}

/** The domain's document, which other routes need too. */
export function domainDocument(identityUrl: string): object {
  return {
    ...defaultDomain,
    description: "The domain of all users and projects",
    enabled: true,
    tags: [],
    options: {},
    links: { self: `${identityUrl}/domains/${defaultDomain.id}` },
  };
}
