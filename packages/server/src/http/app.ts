import { randomUUID } from "node:crypto";
import fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from "fastify";
import type { Identity } from "../identity/identity.ts";
import { IdentityError } from "../identity/identity-error.ts";
import { maxJsonBytes } from "../model/body-limits.ts";
import type { ClientAddress } from "../model/client-address.ts";
import type { Principal } from "../model/principal.ts";
import { MalformedTarget, type RequestTarget } from "../model/request-target.ts";
import { WireError } from "../model/wire-error.ts";
import type { ApiRequest, KeyManagerApi, KeyManagerEndpoint } from "../routes/api.ts";
import type { Gate, Reply } from "../routes/endpoint.ts";
import { parseMicroversion } from "../routes/microversion.ts";
import { barbicanPageSizes, type PageSizes, Query } from "../routes/query.ts";
import { tooLarge } from "../routes/too-large.ts";
import { noteAnswer } from "./answers-under-way.ts";
import type { ClientAddresses } from "./client-addresses.ts";
import { cacheHeaders } from "./common-headers.ts";
import { dispatcher } from "./dispatch.ts";
import { awaitsContinue, heedExpectations } from "./expect-continue.ts";
import { identityRefusal } from "./identity-refusal.ts";
import { answersUnread, type PublicOptions, publicRoutes } from "./public-routes.ts";
import { refusalOfHead } from "./request-head.ts";
import type { RequestLog } from "./request-log.ts";
import { isBodyTooLarge, sendClientError, sendError, sendReply } from "./send.ts";
import { anyTargetOf, methodOf, rewriteTarget, routedMethods, targetOf } from "./target-of.ts";
import { type Certificate, tlsOptions } from "./tls.ts";

export interface AppOptions extends PublicOptions {
  readonly identity: Identity;
  /** Everything behind identity. */
  readonly endpoints: readonly KeyManagerEndpoint[];
  /** Loads what requests name, and asks the policy about it. */
  readonly gate: Gate<KeyManagerApi>;
  readonly log: RequestLog;
  readonly clients: ClientAddresses;
  readonly tls?: Certificate;
  /** A body beyond this is refused with 413 before anything reads it. In bytes. Default 1 MiB. */
  readonly maxBodyBytes?: number;
  /** See {@link ApiRequest.maxPayloadBytes}. In bytes. Default 20,000, as Barbican. */
  readonly maxPayloadBytes?: number;
  /** Default 10 and 100, as Barbican. */
  readonly pageSizes?: PageSizes;
  /** A request must have arrived whole in this time. In milliseconds. Default 30,000. */
  readonly requestTimeoutMs?: number;
}

/** What a request is served with. */
type Served = Pick<AppOptions, "refs" | "maxPayloadBytes" | "maxBodyBytes" | "pageSizes">;

declare module "fastify" {
  interface FastifyRequest {
    /** The pattern of the path; empty for what is served without identity. */
    route: string;
    /** Where the request comes from; empty before anything is known of it. */
    client: ClientAddress | "";
    /** Set once identity has agreed; nothing else may say who asks. */
    principal: Principal | null;
    /** Minor API version; -1 while unknown. */
    minorVersion: number;
  }
}

/**
 * Makes the HTTP application: one dispatcher for all endpoints, so that the order of refusals is the same everywhere: 401,
 * version, then as {@link dispatcher} has it.
 */
export function createApp(options: AppOptions): FastifyInstance {
  const requestTimeoutMs = options.requestTimeoutMs ?? 30_000;
  const maxBodyBytes = options.maxBodyBytes ?? 1_048_576;
  const maxPayloadBytes = options.maxPayloadBytes ?? 20_000;
  const limits = {
    maxHeaderSize: 32_768,
    // Node.js would answer without the form of all errors: refusalOfHead does it.
    requireHostHeader: false,
    headersTimeout: requestTimeoutMs,
    // Node.js looks for who is late only every 30 s by default.
    connectionsCheckingInterval: Math.min(1_000, requestTimeoutMs),
  };
  const app = fastify({
    bodyLimit: maxBodyBytes,
    requestTimeout: requestTimeoutMs,
    exposeHeadRoutes: false,
    genReqId: requestIds(),
    // The router sees the canonical path only; anything else here reads targetOf.
    rewriteUrl: rewriteTarget,
    clientErrorHandler: sendClientError,
    routerOptions: {
      maxParamLength: 1_024,
      // Parsed by those who need it, and with what is given twice refused.
      querystringParser: () => ({}),
    },
    frameworkErrors: (error, request, reply) => {
      options.log.finished(request, error.statusCode ?? 400, 0);
      void reply.headers({ ...cacheHeaders, "x-openstack-request-id": request.id });
      sendError(reply, new WireError(error.statusCode ?? 400, "The request is malformed."));
    },
    ...(options.tls && {
      https: { ...tlsOptions(options.tls), ...limits },
    }),
    ...(!options.tls && { http: limits }),
  }) as unknown as FastifyInstance;
  heedExpectations(app);
  app.decorateRequest("route", "");
  app.decorateRequest("client", "");
  app.decorateRequest("principal", null);
  app.decorateRequest("minorVersion", -1);
  app.removeAllContentTypeParsers();
  app.addContentTypeParser("*", { parseAs: "buffer" }, (_request, body, done) => done(null, body));
  app.addHook("onRequest", (request, reply, done) => {
    void reply.headers(cacheHeaders).header("x-openstack-request-id", request.id);
    request.client = options.clients.of(request);
    const { raw } = reply;
    noteAnswer(raw);
    const began = performance.now();
    // Not by Fastify's onResponse, which costs as much as the line.
    raw.on("close", () => {
      // Where the client has left, what it asked for may be done all the same.
      const status = raw.headersSent ? raw.statusCode : clientLeft;
      options.log.finished(request, status, performance.now() - began);
    });
    const target = anyTargetOf(request);
    const refusal = refusalOfHead(request.raw);
    if (target instanceof MalformedTarget) refuseTarget(reply, target);
    else if (refusal) sendError(reply, refusal);
    // Here, not in a handler: handlers run after the body was read, and a stranger's body is not worth its memory.
    else if (request.is404) void refuseUnknownPath(request, reply);
    else done();
  });
  const bodyTooLarge = (request: FastifyRequest): WireError => {
    const limit = request.routeOptions.bodyLimit;
    return anyTargetOf(request).isIdentity
      ? new WireError(413, `The request body is too large: it may have ${limit} bytes.`)
      : tooLarge("The request body", { maxPayloadBytes, maxBodyBytes: limit });
  };
  const fail = (error: unknown, request: FastifyRequest, reply: FastifyReply) => {
    options.log.failed(request, error);
    sendError(reply, isBodyTooLarge(error) ? bodyTooLarge(request) : error);
  };
  app.setErrorHandler(fail);
  const respond = async (
    answer: (request: FastifyRequest) => Promise<Reply>,
    request: FastifyRequest,
    reply: FastifyReply,
  ) => {
    try {
      sendReply(reply, await answer(request));
    } catch (error) {
      fail(error, request, reply);
    }
  };

  const authenticate = authenticator(options.identity, fail);
  const refuseUnknownPath = async (request: FastifyRequest, reply: FastifyReply) => {
    // Anonymous callers do not learn what exists behind identity, not even by a wrong path.
    if (targetOf(request).isKeyManager && !(await authenticate(request, reply))) return;
    sendError(reply, new WireError(404, ""));
  };
  /** Refuses a body that no route takes while the client still waits to be told to send it. */
  const admitBody = (request: FastifyRequest, reply: FastifyReply, done: () => void) => {
    const { headers, raw } = request;
    const inVain = Number(headers["content-length"]) > maxJsonBytes(maxPayloadBytes);
    if (headers.expect !== undefined && inVain && awaitsContinue(raw))
      sendError(reply, tooLarge("The request body", { maxPayloadBytes, maxBodyBytes }));
    else done();
  };
  for (const endpoint of options.endpoints) {
    const answer = answererOf(endpoint, options.gate, {
      refs: options.refs,
      maxPayloadBytes,
      maxBodyBytes,
      pageSizes: options.pageSizes ?? barbicanPageSizes,
    });
    app.route({
      method: [...routedMethods],
      url: endpoint.path,
      // Promises are made where something is waited for, and nowhere else: each request would pay for them.
      onRequest: (request, reply, done) => {
        request.route = endpoint.path;
        const agreed = authenticate(request, reply);
        if (agreed === true) admitBody(request, reply, done);
        else if (agreed !== false) void onceAgreed(agreed, () => admitBody(request, reply, done));
      },
      handler: (request, reply) => {
        void respond(answer, request, reply);
      },
    });
  }
  publicRoutes(app, options);
  answersUnread(app, { method: "OPTIONS", url: "*" }, (_request, reply) => reply.code(200).send());
  return app;
}

/** UUIDs of which the last twelve digits count: no two processes have the same, and a request costs no random bytes. */
function requestIds(): () => string {
  const process = `req-${randomUUID().slice(0, 24)}`;
  let requests = 0;
  return () => process + (requests++).toString(16).padStart(12, "0");
}

function refuseTarget(reply: FastifyReply, { status, reason }: MalformedTarget): void {
  sendError(reply, new WireError(status, `The request target is malformed: ${reason}.`));
}

async function onceAgreed(agreed: Promise<boolean>, goOn: () => void): Promise<void> {
  if (await agreed) goOn();
}

/** Refuses whom identity does not know, and a version that is not served; true if the request may go on. */
function authenticator(
  identity: Identity,
  fail: (error: unknown, request: FastifyRequest, reply: FastifyReply) => void,
) {
  return (request: FastifyRequest, reply: FastifyReply): boolean | Promise<boolean> => {
    const { headers } = request;
    const token = single(headers["x-auth-token"]) ?? single(headers["x-storage-token"]);
    const serviceToken = single(headers["x-service-token"]);
    const tokens = {
      ...(token !== undefined && { token }),
      ...(serviceToken !== undefined && { serviceToken }),
    };
    const known = identity.known?.(tokens, request.id);
    if (known) return admit(known, request, reply);
    const askedFor = { method: methodOf(request), target: targetOf(request) };
    return identity.authenticate(tokens, request.id, askedFor).then(
      (principal) => admit(principal, request, reply),
      (error: unknown) => {
        if (error instanceof IdentityError)
          sendError(reply, identityRefusal(error, identity.wwwAuthenticateUri));
        else fail(error, request, reply);
        return false;
      },
    );
  };
}

/** False, with an answer, for a version that is not served. */
function admit(principal: Principal, request: FastifyRequest, reply: FastifyReply): boolean {
  const version = parseMicroversion(single(request.headers["openstack-api-version"]));
  if (version.type !== "ok") {
    sendError(reply, versionRefusal(version.type));
    return false;
  }
  request.principal = request.client ? { ...principal, address: request.client } : principal;
  request.minorVersion = version.minor;
  return true;
}

function versionRefusal(type: "malformed" | "unsupported"): WireError {
  if (type === "unsupported")
    return new WireError(406, "The API version is not supported: ask for key-manager 1.0 to 1.2.");
  return new WireError(
    400,
    "OpenStack-API-Version cannot be read: send key-manager X.Y, or key-manager latest.",
  );
}

/** What the log and the metrics have for a request whose client left before it was answered, as nginx has it. */
const clientLeft = 499;

const noBody = Buffer.alloc(0);

/** Makes what answers the requests of one endpoint, from the request as Fastify has it. */
function answererOf(
  endpoint: KeyManagerEndpoint,
  gate: Gate<KeyManagerApi>,
  { refs, maxPayloadBytes, maxBodyBytes, pageSizes }: Required<Served>,
): (request: FastifyRequest) => Promise<Reply> {
  const dispatch = dispatcher(endpoint, gate);
  const parametersOf = parameterReader(endpoint.path);
  return (request) => {
    if (!request.principal) throw new Error("a route was reached without identity");
    const target = targetOf(request);
    const parsed: ApiRequest = {
      params: parametersOf(target),
      query: new Query(target.query, pageSizes),
      headers: request.headers,
      body: Buffer.isBuffer(request.body) ? request.body : noBody,
      minorVersion: request.minorVersion,
      maxPayloadBytes,
      maxBodyBytes,
      refs,
    };
    return dispatch(methodOf(request), parsed, request.principal);
  };
}

/** Reads a route's parameters from the segments that access rules were compared with, not from the router. */
function parameterReader(pattern: string): (target: RequestTarget) => ApiRequest["params"] {
  const names = pattern.slice(1).split("/");
  if (!pattern.includes("/:")) return () => ({});
  return ({ segments }) => {
    const found: Record<string, string> = {};
    for (const [index, name] of names.entries())
      if (name.startsWith(":")) found[name.slice(1)] = segments[index] ?? "";
    return found;
  };
}

function single(header: string | string[] | undefined): string | undefined {
  return Array.isArray(header) ? header[0] : header;
}
