import { createHash } from "node:crypto";

/** A hash of LUKS headers that this library reads and writes where Node.js's OpenSSL has it, as cryptsetup spells it. */
export type HashName =
  | "sha1"
  | "sha224"
  | "sha256"
  | "sha384"
  | "sha512"
  | "sha3-224"
  | "sha3-256"
  | "sha3-384"
  | "sha3-512"
  | "blake2b-512"
  | "blake2s-256"
  | "ripemd160"
  | "sm3"
  | "whirlpool";

/** OpenSSL's name, and the length of a digest in bytes. */
const hashes: Readonly<Record<HashName, { readonly openssl: string; readonly bytes: number }>> = {
  sha1: { openssl: "sha1", bytes: 20 },
  sha224: { openssl: "sha224", bytes: 28 },
  sha256: { openssl: "sha256", bytes: 32 },
  sha384: { openssl: "sha384", bytes: 48 },
  sha512: { openssl: "sha512", bytes: 64 },
  "sha3-224": { openssl: "sha3-224", bytes: 28 },
  "sha3-256": { openssl: "sha3-256", bytes: 32 },
  "sha3-384": { openssl: "sha3-384", bytes: 48 },
  "sha3-512": { openssl: "sha3-512", bytes: 64 },
  "blake2b-512": { openssl: "blake2b512", bytes: 64 },
  "blake2s-256": { openssl: "blake2s256", bytes: 32 },
  ripemd160: { openssl: "ripemd160", bytes: 20 },
  sm3: { openssl: "sm3", bytes: 32 },
  whirlpool: { openssl: "whirlpool", bytes: 64 },
};

const available = new Map<HashName, boolean>();

/**
 * The hash that a header names, in whatever case.
 *
 * @returns undefined for one that we do not know, or that OpenSSL does not have here: it is built without some, and has
 *   others, such as Whirlpool, only if its legacy provider is loaded
 */
export function hashNameOf(text: unknown): HashName | undefined {
  if (typeof text !== "string") return undefined;
  const name = text.toLowerCase();
  return isKnown(name) && isAvailable(name) ? name : undefined;
}

/** What `node:crypto` calls it. */
export function opensslName(name: HashName): string {
  return hashes[name].openssl;
}

/** Of a digest, in bytes. */
export function digestBytes(name: HashName): number {
  return hashes[name].bytes;
}

function isKnown(name: string): name is HashName {
  return Object.hasOwn(hashes, name);
}

/** A list of names does not tell: it may have those of providers that are not loaded. */
function isAvailable(name: HashName): boolean {
  const known = available.get(name);
  if (known !== undefined) return known;
  const works = computes(name);
  available.set(name, works);
  return works;
}

function computes(name: HashName): boolean {
  try {
    return createHash(opensslName(name)).digest().length === digestBytes(name);
  } catch {
    return false;
  }
}
