import { BlockList } from "node:net";
import { type ClientAddress, parseAddress } from "../model/client-address.ts";

/** Addresses and networks of proxies that may name their client. */
export class TrustedProxies {
  readonly #list = new BlockList();
  readonly #texts: readonly string[];

  private constructor(texts: readonly string[]) {
    this.#texts = texts;
    for (const text of texts) this.#add(text);
  }

  /**
   * Undefined for an empty list.
   *
   * @param texts addresses, and networks such as `10.0.0.0/8`
   * @throws TypeError naming the text that is neither
   */
  static of(texts: readonly string[]): TrustedProxies | undefined {
    return texts.length === 0 ? undefined : new TrustedProxies(texts);
  }

  include(address: ClientAddress): boolean {
    return this.#list.check(address, familyOf(address));
  }

  /** For people. */
  toString(): string {
    return this.#texts.join(", ");
  }

  #add(proxy: string): void {
    const [text = "", length, ...more] = proxy.split("/");
    const address = parseAddress(text);
    const sameFamily = address?.includes(":") === text.includes(":");
    if (!address || !sameFamily || text.includes("%") || more.length > 0)
      throw new TypeError(`${JSON.stringify(proxy)} is neither an address nor a network`);
    const family = familyOf(address);
    if (length === undefined) return this.#list.addAddress(address, family);
    const bits = /^\d{1,3}$/.test(length) ? Number(length) : -1;
    // A network of everybody would let each client say who it is.
    if (bits < 1 || bits > (family === "ipv4" ? 32 : 128))
      throw new TypeError(
        `${JSON.stringify(proxy)} is no network of some: its length is out of range`,
      );
    this.#list.addSubnet(address, bits, family);
  }
}

function familyOf(address: ClientAddress): "ipv4" | "ipv6" {
  return address.includes(":") ? "ipv6" : "ipv4";
}
