import { KeyManagerError, type KeyManagerErrorCode } from "../../errors.ts";
import { type Document, errorObject } from "../../http/document.ts";
import type { HttpResponse } from "../../http/send.ts";

/** What a status outside the expected ones means. A status in no row is `bad_response`: never success. */
const meaning = new Map<number, KeyManagerErrorCode>([
  [400, "invalid_argument"],
  [401, "unauthenticated"],
  [403, "forbidden"],
  [404, "not_found"],
  [409, "conflict"],
  [413, "invalid_argument"],
  [429, "unavailable"],
  [500, "unavailable"],
  [502, "unavailable"],
  [503, "unavailable"],
  [504, "unavailable"],
]);

const advice = new Map<number, string>([
  [401, "Barbican does not accept the identity token, nor a fresh one"],
  [403, "Barbican's policy does not let this caller: which roles has he in the project?"],
  [413, "the payload is larger than Barbican accepts"],
]);

/**
 * The error that an unexpected answer of Barbican stands for.
 *
 * @param carriedSecret the request had a secret in its body, so that what
 * Barbican says, which may quote it, is not repeated.
 */
export function refusal(
  what: string,
  response: HttpResponse,
  carriedSecret: boolean,
): KeyManagerError {
  const { status } = response;
  const body = errorObject(response);
  const said = typeof body?.["description"] === "string" ? body["description"] : "";
  const code = codeOf(status, said, body);
  const requestId = response.headers.get("x-openstack-request-id");
  const reason = [
    `status ${status}`,
    carriedSecret ? propertyIn(said) : said.slice(0, 300).replace(/\.+$/, ""),
    (code === "quota_exceeded" ? "delete what is not needed, or ask for more" : undefined) ??
      advice.get(status) ??
      (status >= 300 && status < 400 ? "a redirect, which is never followed" : ""),
    code === "bad_response" && status === 404
      ? "this is not Barbican's own 404: check the endpoint"
      : "",
    requestId === undefined ? "" : `(${requestId})`,
  ].filter((part) => part !== "");
  return new KeyManagerError(code, `${what}: ${reason.join(": ").replace(": (", " (")}`);
}

function codeOf(status: number, said: string, body: Document | undefined): KeyManagerErrorCode {
  // A proxy's or a wrong path's 404 must not pass for "that key is gone": Barbican's own names the object.
  if (status === 404 && (body?.["code"] !== 404 || said === "")) return "bad_response";
  if (status === 403 && /\bquota\b.*\breached\b/i.test(said)) return "quota_exceeded";
  return meaning.get(status) ?? "bad_response";
}

function propertyIn(said: string): string {
  const property = /Invalid property: '([a-z_]{1,40})'/.exec(said)?.[1];
  return property === undefined ? "" : `the property ${property} is not valid`;
}
