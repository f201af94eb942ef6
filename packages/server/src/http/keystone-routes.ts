import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import type { KeystoneApi } from "../identity/builtin/keystone-api/keystone-api.ts";
import { refuseCompressed } from "../routes/content-encoding.ts";
import { methodOf, routedMethods, targetOf } from "./target-of.ts";

/** In bytes. A login has a few hundred. */
const maxBodyBytes = 65_536;

/** Serves built-in identity under `/v3`, beside the key server's own routes. */
export function keystoneRoutes(app: FastifyInstance, api: KeystoneApi): void {
  const handler = (request: FastifyRequest, reply: FastifyReply) => answer(api, request, reply);
  for (const url of ["/v3", "/v3/*"]) {
    app.route({ method: [...routedMethods], url, bodyLimit: maxBodyBytes, handler });
  }
}

async function answer(
  api: KeystoneApi,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<FastifyReply> {
  const { headers } = request;
  if (request.body !== undefined) refuseCompressed(headers["content-encoding"]);
  const response = await api.handle({
    method: methodOf(request),
    target: targetOf(request),
    token: single(headers["x-auth-token"]),
    subjectToken: single(headers["x-subject-token"]),
    body: Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0),
    address: request.client,
    requestId: request.id,
  });
  void reply.code(response.status).headers(response.headers);
  return response.body === "" ? reply.send() : reply.send(response.body);
}

function single(header: string | string[] | undefined): string | undefined {
  return Array.isArray(header) ? header[0] : header;
}
