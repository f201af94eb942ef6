import { isHostName } from "./listen-host.ts";
import { refuseFlawed } from "./plain-text.ts";

declare const checked: unique symbol;

/**
 * An http or https URL in its one canonical form, ASCII without line breaks, so that it may go into a header, a document or
 * the log as it is: an international host name is in punycode, the scheme's own port and slashes at the end are left out.
 * It has no user, password, query or fragment. Only `parseHttpUrl` makes one.
 */
export type HttpUrl = string & { readonly [checked]: true };

/** In characters. A ref adds about 60, and one in a request may have 2,048. */
const maxLength = 512;

/** @throws TypeError with the reason ("must be …"); nothing of the text is in it, because a password may be */
export function parseHttpUrl(text: string): HttpUrl {
  refuseFlawed(text);
  if (/[\s\\]/.test(text)) throw new TypeError("must not contain spaces or backslashes");
  // The parser of URLs repairs what is not there: `http:x` and `http:///x` are `http://x` to it.
  const url = /^https?:\/\/[^/]/i.test(text) ? URL.parse(text) : null;
  if (!url) throw new TypeError("must be an http or https URL, such as https://keys.example.com");
  if (/^[^/]*\/\/[^/?#]*@/.test(text))
    throw new TypeError("must not have a user or a password: every client would see them");
  if (/[?#]/.test(text)) throw new TypeError("must not have a query or a fragment");
  // The parser of URLs takes a wildcard, or two URLs with `;` between them, for a name.
  if (!isHostName(url.hostname) && !/^\[.*\]$/.test(url.hostname))
    throw new TypeError("must have a host name of letters, digits and hyphens, or an IP address");
  if (url.port === "0") throw new TypeError("must not have port 0: no client can connect to it");
  const path = url.pathname.replace(/\/+$/, "");
  if (url.origin.length + path.length > maxLength)
    throw new TypeError(`must have at most ${maxLength} characters`);
  return (url.origin + path) as HttpUrl;
}
