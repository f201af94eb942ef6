import { type IncomingMessage, type ServerResponse, STATUS_CODES } from "node:http";
import type { Socket } from "node:net";
import type { FastifyReply } from "fastify";
import { parseRequestTarget } from "../model/request-target.ts";
import { isDatabaseError } from "../model/server-error.ts";
import { titleOf, unavailable, WireError } from "../model/wire-error.ts";
import type { Reply } from "../routes/endpoint.ts";
import { maxMinorVersion } from "../routes/microversion.ts";
import { afterAnswers } from "./answers-under-way.ts";
import { cacheHeaders, rawCacheHeaders } from "./common-headers.ts";
import { anyTargetOf } from "./target-of.ts";

const versionHeaders = Array.from(
  { length: maxMinorVersion + 1 },
  (_, minor) => `key-manager 1.${minor}`,
);

/** Longer bodies cost more to copy than a write of their own. */
const maxJoinedBytes = 4_096;

/**
 * Sends what a handler answered, past Fastify, which would look at each header and body to find out what is known here.
 *
 * @throws TypeError, and nothing is sent, if a header has what no header may have
 */
export function sendReply({ raw, request }: FastifyReply, answer: Reply): void {
  const { status, bytes, json } = answer;
  const headers = ["x-openstack-request-id", request.id, ...rawCacheHeaders];
  const version = versionHeaders[request.minorVersion];
  if (version !== undefined) headers.push("openstack-api-version", version);
  for (const name in answer.headers) headers.push(name, answer.headers[name] ?? "");
  if (json !== undefined) headers.push("content-type", "application/json; charset=utf-8");
  const body = bytes ?? (json === undefined ? "" : JSON.stringify(json));
  if (status !== 204) headers.push("content-length", String(Buffer.byteLength(body)));
  raw.writeHead(status, headers);
  // Node.js joins head and body to one write if the body is a string.
  if (bytes && bytes.length <= maxJoinedBytes) raw.end(bytes.toString("latin1"), "latin1");
  else raw.end(body);
}

/** Answers with what an error means on the wire; what is not meant for the caller is 500 without a word of it. */
export function sendError(reply: FastifyReply, error: unknown): void {
  const meant = asWireError(error);
  addVersion(reply);
  void reply
    .code(meant.status)
    .headers(meant.headers)
    .type("application/json")
    .send(JSON.stringify(errorDocument(anyTargetOf(reply.request).isIdentity, meant)));
}

/** Barbican's, but Keystone's for what is Keystone's. */
function errorDocument(isIdentity: boolean, { status, description }: WireError): object {
  const title = titleOf(status);
  if (isIdentity) return { error: { code: status, title, message: description } };
  return { code: status, title, description };
}

const clientErrors: Readonly<Record<string, 408 | 431>> = {
  ERR_HTTP_REQUEST_TIMEOUT: 408,
  HPE_HEADER_OVERFLOW: 431,
};

/**
 * Answers what Node.js could not read as a request, after the answers to the requests before it, and closes the connection.
 */
export function sendClientError(error: NodeJS.ErrnoException, socket: Socket): void {
  if (error.code === "ECONNRESET" || socket.destroyed) return;
  afterAnswers(socket, () => refuseConnection(error, socket));
}

function refuseConnection(error: NodeJS.ErrnoException, socket: Socket): void {
  const status = clientErrors[error.code ?? ""] ?? 400;
  const body = JSON.stringify(
    errorDocument(false, new WireError(status, "The request is malformed.")),
  );
  const headers = {
    ...cacheHeaders,
    connection: "close",
    "content-type": "application/json",
    "content-length": String(body.length),
  };
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  if (socket.writable)
    socket.write(`HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\n${lines.join("")}\r\n${body}`);
  socket.destroy(error);
}

/** Answers an `Expect` header other than `100-continue`, which Node.js would answer without the common headers. */
export function refuseExpectation(request: IncomingMessage, response: ServerResponse): void {
  const { isIdentity } = parseRequestTarget(request.url ?? "", request.method ?? "");
  const body = JSON.stringify(
    errorDocument(isIdentity, new WireError(417, "The request is malformed.")),
  );
  const headers = { "content-type": "application/json", "content-length": body.length };
  response.writeHead(417, { ...cacheHeaders, ...headers }).end(body);
}

export function asWireError(error: unknown): WireError {
  if (error instanceof WireError) return error;
  if (isDatabaseError(error)) return unavailable("The database is not available.");
  const status = (error as { readonly statusCode?: unknown }).statusCode;
  if (status === 503) return unavailable("The server is stopping.");
  if (typeof status === "number" && status >= 400 && status < 500)
    return new WireError(status, "The request is malformed.");
  return new WireError(500, "Something went wrong here. Please contact the administrator.");
}

/** True if the body is longer than its route lets one be; it was not read, or not to its end. */
export function isBodyTooLarge(error: unknown): boolean {
  return (error as { readonly statusCode?: unknown }).statusCode === 413;
}

function addVersion(reply: FastifyReply): void {
  const version = versionHeaders[reply.request.minorVersion];
  if (version === undefined) return;
  void reply.header("openstack-api-version", version);
}
