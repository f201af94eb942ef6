import type { FastifyRequest } from "fastify";
import { MalformedTarget } from "../model/request-target.ts";
import type { Metrics } from "../observe/metrics.ts";
import { asWireError } from "./send.ts";
import { anyTargetOf, methodOf } from "./target-of.ts";

/** Takes one JSON line's members; the destination adds time and level. */
export interface Log {
  info(members: object, message: string): void;
  error(members: object, message: string): void;
}

/** One line a request, with its id and no secret: never a header, a body or a query. */
export class RequestLog {
  readonly #log: Log;
  readonly #metrics: Metrics;

  constructor(log: Log, metrics: Metrics) {
    this.#log = log;
    this.#metrics = metrics;
  }

  finished(request: FastifyRequest, status: number, elapsedMs: number): void {
    const route = request.route || (request.routeOptions?.url ?? "none");
    const method = methodOf(request);
    this.#metrics.request(method, route, status, elapsedMs / 1000);
    const { principal, client } = request;
    const target = anyTargetOf(request);
    this.#log.info(
      {
        requestId: request.id,
        client: client || undefined,
        method,
        ...(target instanceof MalformedTarget
          ? { malformed: target.reason }
          : { path: target.path }),
        status,
        ms: Math.round(elapsedMs * 1000) / 1000,
        userId: principal?.userId,
        projectId: principal?.projectId,
      },
      "request",
    );
  }

  /** An error that is not the caller's: its text stays here. */
  failed(request: FastifyRequest, error: unknown): void {
    if (asWireError(error).status < 500) return;
    const { message, stack } = error instanceof Error ? error : new Error(String(error));
    this.#log.error({ requestId: request.id, error: message, stack }, "request failed");
  }
}
