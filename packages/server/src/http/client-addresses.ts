import type { IncomingHttpHeaders } from "node:http";
import { type ClientAddress, parseAddress, peerAddress } from "../model/client-address.ts";
import type { TrustedProxies } from "./trusted-proxies.ts";

/** The header in which a proxy names its client. Only one is ever read: most proxies hand on the other as it came. */
export type ForwardedHeader = "x-forwarded-for" | "forwarded";

export interface ClientAddressesOptions {
  /** Proxies that may name their client. Default: none may. */
  readonly trustedProxies?: TrustedProxies;
  /** Default: `x-forwarded-for`. */
  readonly header?: ForwardedHeader;
  /** Called once, if no proxy is trusted and a request names another client. */
  readonly onIgnored?: () => void;
}

/** More than any chain of proxies has. */
const maxHops = 32;

/** Says which client a request comes from: its peer, or the one that trusted proxies name. */
export class ClientAddresses {
  readonly #trusted: TrustedProxies | undefined;
  readonly #header: ForwardedHeader;
  readonly #onIgnored: () => void;
  #ignored = false;

  constructor(options: ClientAddressesOptions = {}) {
    this.#trusted = options.trustedProxies;
    this.#header = options.header ?? "x-forwarded-for";
    this.#onIgnored = options.onIgnored ?? (() => {});
  }

  /** True if a request named another client while no proxy is trusted: there seems to be one in front. */
  get ignored(): boolean {
    return this.#ignored;
  }

  /**
   * The peer's address. If that is a trusted proxy, the right-most address in its
   * header that is not one, because what stands left of that may be anybody's word.
   */
  of(request: {
    readonly socket: { readonly remoteAddress?: string | undefined };
    readonly headers: IncomingHttpHeaders;
  }): ClientAddress {
    const peer = peerAddress(request.socket.remoteAddress);
    if (!this.#trusted) {
      if (!this.#ignored) this.#notice(request.headers);
      return peer;
    }
    const given = request.headers[this.#header];
    if (given === undefined || !this.#trusts(peer)) return peer;
    return this.#walk(peer, String(given));
  }

  #walk(peer: ClientAddress, header: string): ClientAddress {
    let client = peer;
    let end = header.length;
    for (let hop = 0; hop < maxHops && end > 0; hop++) {
      const comma = this.#startOf(header, end);
      const named = end - comma > maxElement ? undefined : this.#read(header.slice(comma + 1, end));
      // A proxy that names nobody, or nonsense, is as far as we can see.
      if (named === undefined) return client;
      client = named;
      if (!this.#trusts(client)) return client;
      end = comma;
    }
    return client;
  }

  /** The comma before the element that ends at `end`: in `Forwarded`, none that is within quotes. -1 if there is none. */
  #startOf(header: string, end: number): number {
    let comma = header.lastIndexOf(",", end - 1);
    if (this.#header === "x-forwarded-for") return comma;
    let quotes = quotesIn(header, comma + 1, end);
    while (quotes % 2 === 1 && comma >= 0) {
      const before = comma > 0 ? header.lastIndexOf(",", comma - 1) : -1;
      quotes += quotesIn(header, before + 1, comma);
      comma = before;
    }
    return comma;
  }

  #read(element: string): ClientAddress | undefined {
    if (this.#header === "x-forwarded-for") return addressIn(element.trim());
    // An escape, or a quote too many, could hide where a quoted text ends.
    if (element.includes("\\") || quotesIn(element, 0, element.length) % 2 === 1) return undefined;
    const pairs = (element.match(/(?:"[^"]*"|[^;"])+/g) ?? []).map((pair) => pair.trim());
    const named = pairs.filter((pair) => /^for=/i.test(pair));
    const [only] = named;
    return named.length === 1 && only !== undefined
      ? addressIn(only.slice("for=".length).replace(/^"([^"\\]*)"$/, "$1"))
      : undefined;
  }

  #trusts(address: ClientAddress): boolean {
    return this.#trusted?.include(address) ?? false;
  }

  #notice(headers: IncomingHttpHeaders): void {
    if (headers["x-forwarded-for"] === undefined && headers["forwarded"] === undefined) return;
    this.#ignored = true;
    this.#onIgnored();
  }
}

function quotesIn(text: string, from: number, to: number): number {
  let quotes = 0;
  for (let at = text.indexOf('"', from); at >= 0 && at < to; at = text.indexOf('"', at + 1))
    quotes++;
  return quotes;
}

/** In characters; a longer element names nobody. */
const maxElement = 512;

/** `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1`, `[2001:db8::1]`, `[2001:db8::1]:80` */
function addressIn(text: string): ClientAddress | undefined {
  const bracketed = /^\[([^\]]{1,64})\](?::\d{1,5})?$/.exec(text)?.[1];
  if (bracketed !== undefined) return bracketed.includes(":") ? parseAddress(bracketed) : undefined;
  return parseAddress(/^([\d.]{7,15}):\d{1,5}$/.exec(text)?.[1] ?? text);
}
