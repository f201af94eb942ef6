import { createHash, pbkdf2Sync } from "node:crypto";

/** A volume key that the attacker knows, of so many bytes. */
export function knownKey(length: number): Buffer {
  return Buffer.alloc(length, "attacker");
}

/**
 * Key material that holds a key in the clear: what a slot's area has if its cipher encrypts nothing. Any passphrase
 * opens it. LUKS1 On-Disk Format 1.2.3, section 2.4, with stripes of zeroes.
 */
export function clearMaterial(key: Uint8Array, stripes: number, hash: string): Buffer {
  const name = `${Buffer.from(key).toString("hex")} ${stripes} ${hash}`;
  const known = made.get(name) ?? split(key, stripes, hash);
  made.set(name, known);
  return known;
}

/** Thousands of hashes each, of a few keys. */
const made = new Map<string, Buffer>();

function split(key: Uint8Array, stripes: number, hash: string): Buffer {
  const material = Buffer.alloc(key.length * stripes);
  let state: Buffer = Buffer.alloc(key.length);
  for (let stripe = 1; stripe < stripes; stripe++) state = diffuse(state, hash);
  for (const [index, byte] of key.entries()) state[index] = (state[index] ?? 0) ^ byte;
  material.set(state, material.length - key.length);
  return material;
}

function diffuse(state: Buffer, hash: string): Buffer {
  const parts: Buffer[] = [];
  const digestBytes = createHash(hash).digest().length;
  for (let at = 0; at < state.length; at += digestBytes) {
    const part = state.subarray(at, at + digestBytes);
    const number = Buffer.alloc(4);
    number.writeUInt32BE(at / digestBytes);
    parts.push(createHash(hash).update(number).update(part).digest().subarray(0, part.length));
  }
  return Buffer.concat(parts);
}

/** What proves a key, with a salt of zeroes. */
export function digestOf(key: Uint8Array, hash: string, length: number): Buffer {
  return pbkdf2Sync(key, new Uint8Array(32), 1000, length, hash);
}
