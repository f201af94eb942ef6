import { isIP } from "node:net";
import { parseAddress } from "../model/client-address.ts";
import { refuseUntrimmed } from "./plain-text.ts";

declare const checked: unique symbol;

/** An address or host name to listen on, in its shortest form, without a port or brackets. */
export type ListenHost = string & { readonly [checked]: true };

/** @throws TypeError with the reason, which says what to write instead */
export function parseListenHost(text: string): ListenHost {
  refuseUntrimmed(text);
  if (isIP(text)) return (text.includes("%") ? text : parseAddress(text)) as ListenHost;
  if (text === "*")
    throw new TypeError("must be an address: use 0.0.0.0 (IPv4) or :: for every address");
  if (/^[a-z][a-z\d+.-]*:\/\//i.test(text))
    throw new TypeError("must be an address, not a URL: set publicUrl to the URL of the clients");
  refuseBrackets(text);
  refusePort(text);
  const name = URL.parse(`http://${text}`)?.hostname ?? "";
  if (!isHostName(name) || /[/?#@\\]|:$/.test(text))
    throw new TypeError("must be an IP address or a host name");
  // `127.1`, `0` and `0x7f.1` are addresses to some programs.
  if (isIP(name)) throw new TypeError(`must be an address in full: write ${name}`);
  return name as ListenHost;
}

/** True if requests are accepted on every address of the host; such an address is useless for clients. */
export function isEveryAddress(host: string): boolean {
  return host === "0.0.0.0" || host === "::";
}

/** True for a name in lower case whose labels have letters, digits, `-` and `_` only: not for `*.example.com` or `a;b`. */
export function isHostName(name: string): boolean {
  return hostName.test(name);
}

const hostName = /^(?=.{1,253}$)[a-z\d_](?:[a-z\d_-]{0,62})(?:\.[a-z\d_][a-z\d_-]{0,62})*\.?$/;

function refuseBrackets(text: string): void {
  const [, address = "", port] = /^\[([^\]]*)\](?::(\d{1,5}))?$/.exec(text) ?? [];
  if (!isIP(address)) return;
  const other = port === undefined ? "" : `, and listen.port: ${port}`;
  throw new TypeError(`must be an address without brackets: write ${address}${other}`);
}

function refusePort(text: string): void {
  const [, host, port] = /^([^:[\]]+):(\d{1,5})$/.exec(text) ?? [];
  if (host === undefined || port === undefined) return;
  throw new TypeError(`must not have a port: write ${host}, and listen.port: ${port}`);
}
