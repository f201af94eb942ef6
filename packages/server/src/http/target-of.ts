import type { IncomingMessage } from "node:http";
import {
  MalformedTarget,
  parseRequestTarget,
  type RequestTarget,
} from "../model/request-target.ts";

const parsed = Symbol("target");

type WithTarget = IncomingMessage & { [parsed]?: RequestTarget | MalformedTarget };

/** What carries a request: Node.js' own object is where its target is kept. */
interface Carried {
  readonly raw: IncomingMessage;
}

/** Parses a request's target, once, and returns what the router gets to see of it: the canonical form. */
export function rewriteTarget(raw: IncomingMessage): string {
  const target = parseRequestTarget(raw.url ?? "", raw.method ?? "");
  (raw as WithTarget)[parsed] = target;
  return target instanceof MalformedTarget ? nowhere : target.url;
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
