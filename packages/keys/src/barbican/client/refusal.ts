import { type Document, errorObject } from "../../http/document.ts";
import { requestIdIn } from "../../http/request-id.ts";
import type { HttpResponse } from "../../http/send.ts";
import { KeyManagerError, type KeyManagerErrorCode } from "../../model/errors.ts";

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
  [401, "Barbican rejects the token, and no new token could be obtained"],
  [403, "Barbican's policy forbids it: check the caller's roles in the project"],
  [413, "the payload is larger than Barbican accepts"],
  [429, "too many requests: try again later"],
  [500, "Barbican failed: see its log, and try again later"],
  [502, "the proxy in front of Barbican got no answer from it: try again later"],
  [503, "Barbican or its Keystone is not available: try again later"],
  [504, "the proxy in front of Barbican got no answer from it: try again later"],
]);

/** What the refused request held that no error may repeat. */
export interface RequestSecrets {
  /** It had a secret in its body, so that nothing that Barbican says of it, which may quote it, is repeated. */
  readonly carriedSecret: boolean;
  /** The identity tokens in its headers. */
  readonly tokens: readonly string[];
}

/** The error that an unexpected answer of Barbican stands for. */
export function refusal(
  what: string,
  response: HttpResponse,
  { carriedSecret, tokens }: RequestSecrets,
): KeyManagerError {
  const { status } = response;
  const body = errorObject(response);
  const said = typeof body?.["description"] === "string" ? body["description"] : "";
  const code = codeOf(status, said, body);
  const quotable = !tokens.some((token) => said.includes(token));
  const reason = [
    `status ${status}`,
    carriedSecret ? propertyIn(said) : quotable ? quoted(said) : "",
    adviceOf(status, code),
    requestIdIn(response),
  ].filter((part) => part !== "");
  return new KeyManagerError(code, `${what}: ${reason.join(": ").replace(": (", " (")}`);
}

function codeOf(status: number, said: string, body: Document | undefined): KeyManagerErrorCode {
  const isBarbicans = body?.["code"] === status;
  // Barbican's router answers a call that this version does not have so, without a word.
  if ((status === 404 || status === 405) && isBarbicans && said === "") return "unsupported";
  // A proxy's 404 must not pass for "that key is gone": Barbican's own names the object.
  if (status === 404 && !isBarbicans) return "bad_response";
  if (status === 403 && /quota (has been )?(reached|exceeded)/i.test(said)) return "quota_exceeded";
  return meaning.get(status) ?? "bad_response";
}

function adviceOf(status: number, code: KeyManagerErrorCode): string {
  if (code === "quota_exceeded") return "delete what the project does not need, or raise its quota";
  if (code === "unsupported") return "this Barbican has no such call: is it too old?";
  if (status >= 300 && status < 400) {
    return "a redirect, which is never followed: give the endpoint that it leads to";
  }
  if (code === "bad_response") return "this is no answer of Barbican's: check the endpoint";
  return advice.get(status) ?? "";
}

/** Without control characters, which would forge lines of a log. */
function quoted(said: string): string {
  return said
    .slice(0, 300)
    .replace(/\p{Cc}+/gu, " ")
    .replace(/\.+$/, "");
}

function propertyIn(said: string): string {
  const property = /Invalid property: '([a-z_]{1,40})'/.exec(said)?.[1];
  return property === undefined ? "" : `the property ${property} is not valid`;
}
