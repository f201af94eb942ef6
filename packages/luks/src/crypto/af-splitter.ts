import { hash, randomFillSync } from "node:crypto";
import { loadSha256Block } from "../wasm/sha256.ts";
import { digestBytes, type HashName, opensslName } from "./hashes.ts";

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
  const fast = hashName === "sha256" && length % 32 === 0 ? fastDiffuser(length) : undefined;
  const { parts, diffuse, result } = fast ?? opensslDiffuser(length, hashName);
  for (let offset = 0; offset < stripes.length; offset += length) {
    let position = offset;
    for (const part of parts) {
      for (let i = 0; i < part.length; i++) part[i] = at(part, i) ^ at(stripes, position + i);
      position += part.length;
    }
    diffuse();
  }
  return result();
}

/** Replaces each digest-sized part of the state, the short last one included, with H(part number ‖ part). */
interface Diffuser {
  /** The state, all zeroes to begin with. */
  readonly parts: readonly Uint8Array[];
  readonly diffuse: () => void;
  /** A copy of the state; the state itself is erased. */
  readonly result: () => Uint8Array;
}

/** Any hash and length: one call into OpenSSL for each part. */
export function opensslDiffuser(length: number, hashName: HashName): Diffuser {
  const digestLength = digestBytes(hashName);
  const algorithm = opensslName(hashName);
  const inputs = Array.from({ length: Math.ceil(length / digestLength) }, (_, block) => {
    const input = Buffer.alloc(4 + Math.min(digestLength, length - block * digestLength));
    input.writeUInt32BE(block);
    return input;
  });
  const parts = inputs.map((input) => input.subarray(4));
  return {
    parts,
    diffuse: () => {
      for (const [block, part] of parts.entries()) {
        const digest = hash(algorithm, inputs[block] as Buffer, "buffer");
        part.set(digest.subarray(0, part.length));
      }
    },
    result: () => collect(parts),
  };
}

/** SHA-256 and whole parts: the state lies in the padded message blocks, and each digest goes back where it came from. */
export function fastDiffuser(length: number): Diffuser | undefined {
  const wasm = loadSha256Block();
  const compress = wasm?.functions["compress"];
  if (!wasm || !compress) return undefined;
  const blockBytes = 64;
  const parts = Array.from({ length: length / 32 }, (_, block) => {
    const message = Buffer.from(wasm.memory, block * blockBytes, blockBytes);
    message.writeUInt32BE(block);
    message[36] = 0x80;
    message.writeUInt32BE(36 * 8, 60);
    return message.subarray(4, 36);
  });
  return {
    parts,
    diffuse: () => {
      for (let block = 0; block < parts.length; block++) {
        compress(block * blockBytes, block * blockBytes + 4);
      }
    },
    result: () => collect(parts),
  };
}

function collect(parts: readonly Uint8Array[]): Uint8Array {
  const state = Uint8Array.from(Buffer.concat(parts));
  for (const part of parts) part.fill(0);
  return state;
}

function at(bytes: Uint8Array, index: number): number {
  return bytes[index] as number;
}
