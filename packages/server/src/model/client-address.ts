import { isIP } from "node:net";

declare const checked: unique symbol;

/**
 * An IP address that was checked: IPv4, also where IPv6 maps one, or IPv6 in its
 * shortest form; `unknown` where there is none. Only this module makes one, so it
 * may go into a log or the audit record as it is.
 */
export type ClientAddress = string & { readonly [checked]: true };

/** Of a caller without an IP address, such as one on a Unix socket. */
export const unknownAddress = "unknown" as ClientAddress;

/** Longest text that can be an address. */
const maxLength = 45;

/** Undefined for what is no IP address. A zone (`%eth0`) is left out. */
export function parseAddress(text: string): ClientAddress | undefined {
  const [address = ""] = text.length > maxLength + 20 ? [] : text.split("%", 1);
  switch (isIP(address)) {
    case 4:
      // A copy: a part of a long header would keep the whole header in memory.
      return Buffer.from(address, "latin1").toString("latin1") as ClientAddress;
    case 6:
      return shortest(address);
    default:
      return undefined;
  }
}

/** The kernel's own text for a peer, which needs no more than a look. */
export function peerAddress(text: string | undefined): ClientAddress {
  if (text === undefined) return unknownAddress;
  return text.includes(":") ? (parseAddress(text) ?? unknownAddress) : (text as ClientAddress);
}

/**
 * What failures are counted under: an IPv4 address, or the /64 of an IPv6 one,
 * which is the least that one customer has. `unknown` for what is no address.
 */
export function networkOf(address: string): string {
  const parsed = parseAddress(address);
  if (parsed === undefined) return unknownAddress;
  return parsed.includes(":") ? `${groupsOf(parsed).slice(0, 4).join(":")}::/64` : parsed;
}

function shortest(ipv6: string): ClientAddress {
  const groups = groupsOf(ipv6);
  const mapped = groups.slice(0, 6).join(":") === "0:0:0:0:0:ffff";
  if (mapped) return dotted(groups.slice(6)) as ClientAddress;
  return new URL(`http://[${ipv6}]/`).hostname.slice(1, -1) as ClientAddress;
}

/** Eight groups in hexadecimal, without leading zeros. */
function groupsOf(ipv6: string): readonly string[] {
  const [front = "", back] = ipv6.toLowerCase().split("::", 2);
  const [head, tail] = [hexadecimal(front), hexadecimal(back ?? "")];
  const zeros = Array.from({ length: 8 - head.length - tail.length }, () => "0");
  return [...head, ...zeros, ...tail];
}

function hexadecimal(part: string): readonly string[] {
  if (part === "") return [];
  return part.split(":").flatMap((group) => {
    if (!group.includes(".")) return [Number.parseInt(group, 16).toString(16)];
    const [a = 0, b = 0, c = 0, d = 0] = group.split(".").map(Number);
    return [(a * 256 + b).toString(16), (c * 256 + d).toString(16)];
  });
}

function dotted(groups: readonly string[]): string {
  const numbers = groups.map((group) => Number.parseInt(group, 16));
  return numbers.flatMap((number) => [number >> 8, number & 255]).join(".");
}
