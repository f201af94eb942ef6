import { hash, randomFillSync } from "node:crypto";
import type { HashName } from "./kdf.ts";

/**
 * The anti-forensic splitter: spreads a key over `stripes` times its length, so that the loss of any
 * part of the result loses the key (LUKS1 On-Disk Format 1.2.3, section 2.4; LUKS2 uses the same).
 *
 * @returns `key.length * stripes` bytes
 */
export function splitKey(
  key: Uint8Array,
  stripes: number,
  hashName: HashName,
  random: (bytes: Uint8Array) => void = randomFillSync,
): Uint8Array {
  const material = new Uint8Array(key.length * stripes);
  const last = material.length - key.length;
  random(material.subarray(0, last));
  const state = accumulate(material.subarray(0, last), key.length, hashName);
  for (let i = 0; i < key.length; i++) material[last + i] = at(state, i) ^ at(key, i);
  state.fill(0);
  return material;
}

/** Undoes {@link splitKey}. @returns `length` bytes, the key */
export function mergeKey(material: Uint8Array, length: number, hashName: HashName): Uint8Array {
  const last = material.length - length;
  const key = accumulate(material.subarray(0, last), length, hashName);
  for (let i = 0; i < length; i++) key[i] = at(key, i) ^ at(material, last + i);
  return key;
}

/** XORs each stripe into the state and diffuses it: d = H(d ⊕ s) for all stripes but the last. */
function accumulate(stripes: Uint8Array, length: number, hashName: HashName): Uint8Array {
  const state = new Uint8Array(length);
  for (let offset = 0; offset < stripes.length; offset += length) {
    for (let i = 0; i < length; i++) state[i] = at(state, i) ^ at(stripes, offset + i);
    diffuse(state, hashName);
  }
  return state;
}

/** Replaces each digest-sized block of `state`, the short last one included, with H(block number ‖ block). */
function diffuse(state: Uint8Array, hashName: HashName): void {
  const digestLength = digestLengths[hashName];
  for (let start = 0, block = 0; start < state.length; start += digestLength, block++) {
    const length = Math.min(digestLength, state.length - start);
    const input = Buffer.alloc(4 + length);
    input.writeUInt32BE(block);
    input.set(state.subarray(start, start + length), 4);
    state.set(hash(hashName, input, "buffer").subarray(0, length), start);
    input.fill(0);
  }
}

const digestLengths = { sha1: 20, sha256: 32, sha512: 64 } as const satisfies Record<
  HashName,
  number
>;

function at(bytes: Uint8Array, index: number): number {
  return bytes[index] as number;
}
