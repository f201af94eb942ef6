import type { IncomingMessage } from "node:http";
import { WireError } from "../model/wire-error.ts";

/**
 * Refuses a head that two programs could read differently, or whose body would be stored as something else than what was
 * sent: RFC 9112, sections 3.2 and 6.1. Node.js checks the rest.
 *
 * @returns the refusal, 400 or 415; undefined for nearly every request
 */
export function refusalOfHead(request: IncomingMessage): WireError | undefined {
  const hosts = countOf(request.rawHeaders, "host");
  // HTTP/1.0 has no such header.
  if (hosts > 1 || (hosts === 0 && request.httpVersion !== "1.0"))
    return new WireError(400, `The request is malformed: it has ${hosts} Host headers, not one.`);
  const coding = request.headers["transfer-encoding"];
  if (coding !== undefined && coding.trim().toLowerCase() !== "chunked")
    return new WireError(
      415,
      "Transfer encoding is not supported: send the body uncompressed, with a Content-Length or chunked.",
    );
  return undefined;
}

function countOf(rawHeaders: readonly string[], name: string): number {
  let count = 0;
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const header = rawHeaders[at];
    if (header?.length === name.length && header.toLowerCase() === name) count++;
  }
  return count;
}
