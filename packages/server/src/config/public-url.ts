import { parseAddress } from "../model/client-address.ts";
import { type HttpUrl, parseHttpUrl } from "./http-url.ts";
import { isEveryAddress, type ListenHost } from "./listen-host.ts";

declare const checked: unique symbol;

/**
 * An address under which clients reach this server: scheme, host and port, perhaps a path; never with `/v1` or `/v3`, which
 * every ref has itself. Only this module makes one.
 */
export type PublicUrl = HttpUrl & { readonly [checked]: "public" };

/** @throws TypeError with the reason ("must be …"); nothing of a user or password is in it */
export function parsePublicUrl(text: string): PublicUrl {
  const url = parseHttpUrl(text);
  const { hostname, pathname } = new URL(url);
  const version = /\/v\d[\d.]*$/i.exec(pathname)?.[0];
  if (version !== undefined)
    throw new TypeError(
      `must not end in ${version}, which the server adds: write ${url.slice(0, -version.length)}`,
    );
  const address = hostname.replace(/^\[(.*)\]$/, "$1");
  // ::ffff:0.0.0.0 is 0.0.0.0, too.
  if (isEveryAddress(parseAddress(address) ?? address))
    throw new TypeError(
      `must name one address: ${hostname} is for listen.host; write the name that clients use`,
    );
  return url as PublicUrl;
}

/** The address that follows from where the server listens, for want of a better one. @throws TypeError for a link-local host */
export function urlOfListener(scheme: "http" | "https", host: ListenHost, port: number): PublicUrl {
  if (host.includes("%"))
    throw new TypeError("must be set: an address with a zone (%) means nothing to clients");
  const shown = isEveryAddress(host) ? "localhost" : host;
  const name = shown.includes(":") ? `[${shown}]` : shown;
  // Port 0 is replaced by the actual port before clients see it.
  const { origin } = new URL(`${scheme}://${name}:${port}`);
  return origin as PublicUrl;
}
