import type { IncomingMessage } from "node:http";
import {
  MalformedTarget,
  parseRequestTarget,
  type RequestTarget,
} from "../model/request-target.ts";

const parsed = Symbol("target");

const sentMethod = Symbol("method");

type WithTarget = IncomingMessage & {
  [parsed]?: RequestTarget | MalformedTarget;
  [sentMethod]?: string;
};

/** The methods that paths which answer everything are routed by. */
export const routedMethods = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "TRACE"] as const;

const routed: ReadonlySet<string> = new Set([...routedMethods, "OPTIONS"]);

/** What carries a request: Node.js' own object is where its target is kept. */
interface Carried {
  readonly raw: IncomingMessage;
}

/**
 * Parses a request's target, once, and returns what the router gets to see of it: the canonical form. The router takes
 * each method that it does not know for TRACE, which every path has and refuses: routes for all of them take 3 MiB.
 * {@link methodOf} has the method itself.
 */
export function rewriteTarget(raw: IncomingMessage): string {
  if (raw.method !== undefined && !routed.has(raw.method)) {
    (raw as WithTarget)[sentMethod] = raw.method;
    raw.method = "TRACE";
  }
  const target = parseRequestTarget(raw.url ?? "", raw.method ?? "");
  (raw as WithTarget)[parsed] = target;
  return target instanceof MalformedTarget ? nowhere : target.url;
}

/** The method that a request was sent with; Fastify's own is the one that it was routed by. */
export function methodOf({ raw }: Carried): string {
  return (raw as WithTarget)[sentMethod] ?? raw.method ?? "";
}

/** No route has this path. */
const nowhere = "/malformed";

/** What {@link rewriteTarget} found. */
export function anyTargetOf({ raw }: Carried): RequestTarget | MalformedTarget {
  const target = (raw as WithTarget)[parsed];
  if (!target) throw new Error("request target: it was not parsed before the request was routed");
  return target;
}

/** The same, where a malformed one has been refused already. */
export function targetOf(request: Carried): RequestTarget {
  const target = anyTargetOf(request);
  if (target instanceof MalformedTarget)
    throw new Error("request target: a malformed one was routed");
  return target;
}
