import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { Accept } from "../routes/accept.ts";
import { parseMicroversion } from "../routes/microversion.ts";
import { documentQuality } from "../routes/negotiation.ts";
import type { Refs } from "../routes/refs.ts";
import { versionDocument } from "../routes/version-routes.ts";
import { apiDocument } from "./api-document.ts";
import { routedMethods, targetOf } from "./target-of.ts";

export interface PublicOptions {
  readonly refs: Refs;
  /** This package's version, for `GET /?build`. */
  readonly build: string;
  /** Resolves while the server can do its work; the message of a rejection may be shown to anyone. */
  readonly ready: () => Promise<void>;
  /** In Prometheus' format; absent to serve none. */
  readonly metrics?: () => Promise<{ readonly contentType: string; readonly text: string }>;
  /** The version document of built-in identity, if that is served under /v3. */
  readonly identityVersion?: () => object;
}

/** What is served without identity, by GET alone: the version list, health, readiness, metrics, and what there is at all. */
export function publicRoutes(app: FastifyInstance, options: PublicOptions): void {
  only(app, "/", (request, reply) => versions(options, request, reply));
  only(app, "/healthcheck", (request, reply) => {
    const accept = Accept.parse(request.headers.accept);
    const json = "application/json";
    if (accept.names(json) && accept.quality(json) >= accept.quality("text/plain"))
      return reply.send({ detailed: false, reasons: [] });
    return text(reply, 200, "OK");
  });
  only(app, "/readiness", async (_request, reply) => {
    try {
      await options.ready();
    } catch {
      return text(reply.header("retry-after", "1"), 503, "not ready: the database does not answer");
    }
    return text(reply, 200, "ready");
  });
  const { metrics } = options;
  if (metrics)
    only(app, "/metrics", async (_request, reply) => {
      const found = await metrics();
      return reply.type(found.contentType).send(found.text);
    });
  const document = apiDocument({
    url: () => options.refs.base,
    served: (path) => {
      if (path === "/metrics") return metrics !== undefined;
      return options.identityVersion !== undefined || !path.startsWith("/v3");
    },
  });
  only(app, "/chatelaine/v1/openapi.json", async (_request, reply) =>
    reply.type("application/json").send(await document()),
  );
}

type PublicHandler = (request: FastifyRequest, reply: FastifyReply) => unknown;

/** A path with GET alone; errors are plain text here, as in Barbican's version application. */
function only(app: FastifyInstance, url: string, get: PublicHandler): void {
  app.route({ method: "GET", url, handler: get });
  const method = routedMethods.filter((name) => name !== "GET");
  answersUnread(app, { method, url }, (_request, reply) =>
    text(reply.header("allow", "GET"), 405, "method not allowed"),
  );
}

/** A route that answers before the body is read: 1,000 half bodies of strangers would fill the memory. */
export function answersUnread(
  app: FastifyInstance,
  route: { readonly method: string | string[]; readonly url: string },
  answer: (request: FastifyRequest, reply: FastifyReply) => FastifyReply,
): void {
  const handler = async (request: FastifyRequest, reply: FastifyReply) => answer(request, reply);
  app.route({ ...route, onRequest: handler, handler });
}

function versions(options: PublicOptions, request: FastifyRequest, reply: FastifyReply): unknown {
  const version = parseMicroversion(request.headers["openstack-api-version"] as string | undefined);
  if (version.type === "malformed") return text(reply, 400, "OpenStack-API-Version is malformed");
  if (version.type === "unsupported") return text(reply, 406, "the API version is not supported");
  if (new URLSearchParams(targetOf(request).query).has("build"))
    return reply.send({ build: options.build });
  const accept = Accept.parse(request.headers.accept);
  if (wantsHome(accept)) return reply.code(302).header("location", options.refs.to("")).send();
  if (documentQuality(accept) === 0) return text(reply, 406, "only application/json is available");
  void reply.header("openstack-api-version", `key-manager 1.${version.minor}`);
  const document = versionDocument(options.refs, version.minor);
  // For clients whose auth_url has no version. The key manager is last, because Castellan takes the last one for it.
  const identity = options.identityVersion ? [options.identityVersion()] : [];
  return reply
    .code(300)
    .send({ versions: version.minor === 0 ? { values: [...identity, document] } : [document] });
}

/** True if the client names JSON Home, and wants it more than the document. */
function wantsHome(accept: Accept): boolean {
  const home = "application/json-home";
  return accept.names(home) && accept.quality(home) > accept.quality("application/json");
}

function text(reply: FastifyReply, status: number, line: string): FastifyReply {
  return reply.code(status).type("text/plain; charset=UTF-8").send(line);
}
