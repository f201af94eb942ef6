import type { IncomingMessage, ServerResponse } from "node:http";
import type { Server } from "node:net";
import type { FastifyInstance } from "fastify";
import { refuseExpectation } from "./send.ts";
import { serversOf } from "./servers-of.ts";

const waiting = new WeakSet<IncomingMessage>();

/** True if the client sends its body only after `100 Continue`, and has not been told to. */
export function awaitsContinue(request: IncomingMessage): boolean {
  return waiting.has(request);
}

/**
 * Answers `Expect` headers. `100 Continue` is sent when something begins to read the body, not before: a body that is
 * refused by the head of its request (401, 413 …) is not worth sending. Node.js closes the connection after a final answer
 * without it. RFC 9110, section 10.1.1.
 */
export function heedExpectations(app: FastifyInstance): void {
  heed(app.server);
  app.addHook("onListen", (done) => {
    for (const server of serversOf(app)) if (server !== app.server) heed(server);
    done();
  });
}

function heed(server: Server): void {
  server.on("checkExpectation", refuseExpectation);
  server.on("checkContinue", (request: IncomingMessage, response: ServerResponse) => {
    continueWhenRead(request, response);
    server.emit("request", request, response);
  });
}

function continueWhenRead(request: IncomingMessage, response: ServerResponse): void {
  const onListener = (event: string | symbol) => {
    if (event !== "data" && event !== "readable") return;
    request.off("newListener", onListener);
    waiting.delete(request);
    if (!response.headersSent) response.writeContinue();
  };
  waiting.add(request);
  request.on("newListener", onListener);
}
