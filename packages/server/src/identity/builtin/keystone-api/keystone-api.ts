import { IdentityError } from "../../identity-error.ts";
import { refusal } from "../../refusal.ts";
import { plausibleToken } from "../../validated-token.ts";
import { IdentityApiError, type IdentityApiErrorCode } from "../identity-api-error.ts";
import type { LiveToken } from "../token-keeper.ts";
import { administrationRoutes } from "./administration-routes.ts";
import { applicationCredentialRoutes } from "./application-credential-routes.ts";
import { Body } from "./body.ts";
import {
  type Answer,
  type ApiRequest,
  type ApiResponse,
  type Call,
  type KeystoneApiParts,
  type Route,
  requireAdmin,
} from "./route.ts";
import { tokenRoutes } from "./token-routes.ts";
import { userRoutes } from "./user-routes.ts";

/**
 * The part of Keystone's v3 API that clients of a key server need, under `/v3`:
 * logging in and out, the catalog, one's own projects, password and application
 * credentials; and for an admin users, projects and roles.
 *
 * https://docs.openstack.org/api-ref/identity/v3/
 */
export class KeystoneApi {
  readonly #parts: KeystoneApiParts;

  constructor(parts: KeystoneApiParts) {
    this.#parts = parts;
  }

  /** The whole surface, for a reviewer. */
  static readonly routes: readonly Route[] = [
    ...tokenRoutes,
    ...userRoutes,
    ...applicationCredentialRoutes,
    ...administrationRoutes,
  ];

  /** What a list of versions says of this interface. */
  version(): object {
    return this.#parts.documents.version();
  }

  /**
   * Answers one request. What a client does wrong is an answer too; rejects only
   * with what the store rejects with.
   */
  async handle(request: ApiRequest): Promise<ApiResponse> {
    try {
      return render(await this.#answer(request), request);
    } catch (error) {
      if (error instanceof IdentityApiError) return this.#refuse(error, request);
      if (error instanceof IdentityError) return refusal(error, this.#parts.documents.identityUrl);
      throw error;
    }
  }

  async #answer(request: ApiRequest): Promise<Answer> {
    const method = request.method === "HEAD" ? "GET" : request.method;
    const { segments } = request.target;
    const found = KeystoneApi.routes.flatMap((route) => {
      const parameters = match(route.path, segments);
      return parameters ? [{ route, parameters }] : [];
    });
    if (found.length === 0)
      throw new IdentityApiError("not_found", "There is nothing under this address.");
    const chosen = found.find(({ route }) => route.method === method);
    if (!chosen) {
      const allow = [...new Set(found.map(({ route }) => route.method))].toSorted().join(", ");
      return {
        ...errorAnswer(405, "Method Not Allowed", `Allowed: ${allow}.`),
        headers: { allow },
      };
    }
    const query = new URLSearchParams(request.target.query);
    if ([...query.values()].some((value) => value.includes("\0")))
      throw new IdentityApiError("bad_request", "A query parameter is not text.");
    const { route, parameters } = chosen;
    const call: Call = {
      request,
      query,
      parameters,
      parts: this.#parts,
      body: () => Body.parse(request.body),
    };
    if (route.access === "open") return await route.handle(call);
    const caller = await this.#parts.tokens.find(plausibleToken(request.token));
    if (!caller) throw new IdentityError("invalid_token", "identity token: unknown or expired");
    // What an application credential with access rules may do here its rules would have to name; none can yet.
    if (caller.applicationCredential?.accessRules) {
      throw new IdentityError(
        "invalid_token",
        "identity token: its access rules do not cover this",
      );
    }
    const handle = async () => {
      if (route.access === "admin") requireAdmin(caller);
      return await route.handle({ ...call, caller });
    };
    if (route.method === "GET") return await handle();
    const record = (status: number, objectId: string | undefined) =>
      this.#record(route, call, caller, status, objectId);
    try {
      const answer = await handle();
      await record(answer.status, answer.objectId);
      return answer;
    } catch (error) {
      if (error instanceof IdentityApiError) await record(statuses[error.code][0], undefined);
      throw error;
    }
  }

  async #record(
    route: Route,
    { request, parameters, parts }: Call,
    caller: LiveToken,
    status: number,
    made: string | undefined,
  ): Promise<void> {
    const named = Object.values(parameters).filter((id) => /^[0-9a-f]{32}$/.test(id));
    const objectId = made ?? named.join("/");
    await parts.audit({
      type: "change",
      action: `${route.method} ${route.path}`,
      status,
      userId: caller.user.id,
      ...(caller.project && { projectId: caller.project.id }),
      ...(objectId !== "" && { objectId }),
      address: request.address,
      requestId: request.requestId,
    });
  }

  #refuse(error: IdentityApiError, request: ApiRequest): ApiResponse {
    const [status, title] = statuses[error.code];
    const headers = {
      ...(status === 401 && {
        "www-authenticate": `Keystone uri="${this.#parts.documents.identityUrl}"`,
      }),
      ...(error.retryAfterSeconds !== undefined && {
        "retry-after": String(error.retryAfterSeconds),
      }),
    };
    return render({ ...errorAnswer(status, title, error.message), headers }, request);
  }
}

const statuses: Readonly<Record<IdentityApiErrorCode, readonly [number, string]>> = {
  bad_request: [400, "Bad Request"],
  unauthorized: [401, "Unauthorized"],
  forbidden: [403, "Forbidden"],
  not_found: [404, "Not Found"],
  conflict: [409, "Conflict"],
  too_many: [429, "Too Many Requests"],
};

function errorAnswer(status: number, title: string, message: string): Answer {
  return { status, document: { error: { code: status, message, title } } };
}

/** A HEAD is answered as the GET would be, without the document. */
function render(answer: Answer, request: ApiRequest): ApiResponse {
  const withBody = answer.document !== undefined && request.method !== "HEAD";
  return {
    status: answer.status,
    headers: {
      ...(answer.document && { "content-type": "application/json" }),
      ...answer.headers,
    },
    body: withBody ? JSON.stringify(answer.document) : "",
  };
}

function match(pattern: string, given: readonly string[]): Record<string, string> | undefined {
  const wanted = pattern.slice(1).split("/");
  if (wanted.length !== given.length) return undefined;
  const parameters: Record<string, string> = {};
  for (const [index, part] of wanted.entries()) {
    const segment = given[index] ?? "";
    if (part.startsWith(":")) parameters[part.slice(1)] = segment;
    else if (part !== segment) return undefined;
  }
  return parameters;
}
