import { createCipheriv, createHash, pbkdf2Sync } from "node:crypto";
import { clearMaterial } from "../../packages/luks/test/hostile/attacker-key.ts";

// Key material as the LUKS1 On-Disk Format 1.2.3, sections 2.3 and 2.4, and dm-crypt's documentation define it. No code
// of the library is in it, so that the library's mistakes are not repeated.

const sectorBytes = 512;
const stripes = 4000;

/** Bytes that look random and are the same in every run. */
export function noise(name: string, length: number): Buffer {
  return createHash("shake256", { outputLength: length }).update(name).digest();
}

/** How a volume key is locked in a key slot. */
export interface Lock {
  readonly passphrase: Uint8Array;
  readonly salt: Uint8Array;
  /** Of PBKDF2, as LUKS names it. */
  readonly hash: string;
  readonly iterations: number;
  /** Of the splitter. */
  readonly afHash: string;
  /** dm-crypt's name of what encrypts the material, such as `aes-xts-plain64`. */
  readonly cipher: string;
  readonly cipherKeyBytes: number;
}

/** The material that a key slot's area holds, in whole sectors. */
export function sealedMaterial(key: Uint8Array, lock: Lock): Buffer {
  const split = clearMaterial(key, stripes, opensslName(lock.afHash));
  const material = Buffer.alloc(Math.ceil(split.length / sectorBytes) * sectorBytes);
  split.copy(material);
  const areaKey = derive(lock.passphrase, lock, lock.cipherKeyBytes);
  return encryptSectors(lock.cipher, areaKey, material);
}

/** PBKDF2, by LUKS' name of the hash. */
export function derive(
  secret: Uint8Array,
  by: { readonly salt: Uint8Array; readonly hash: string; readonly iterations: number },
  length: number,
): Buffer {
  return pbkdf2Sync(secret, by.salt, by.iterations, length, opensslName(by.hash));
}

/** In bytes. */
export function hashLength(hash: string): number {
  return createHash(opensslName(hash)).digest().length;
}

function opensslName(hash: string): string {
  return hash.toLowerCase().replace(/^blake2([bs])-/, "blake2$1");
}

/** As dm-crypt encrypts sectors from number 0 on. */
function encryptSectors(cipher: string, key: Uint8Array, plaintext: Buffer): Buffer {
  const [name = "", mode = "", iv = "null"] = cipher.split("-");
  if (name === "cipher_null") return plaintext;
  const bits = key.length * (mode === "xts" ? 4 : 8);
  const sectors: Buffer[] = [];
  for (let at = 0; at < plaintext.length; at += sectorBytes) {
    const vector = mode === "ecb" ? null : vectorOf(name, iv, key, at / sectorBytes);
    const encryptor = createCipheriv(`${name}-${bits}-${mode}`, key, vector);
    encryptor.setAutoPadding(false);
    sectors.push(encryptor.update(plaintext.subarray(at, at + sectorBytes)));
  }
  return Buffer.concat(sectors);
}

function vectorOf(cipher: string, generator: string, key: Uint8Array, sector: number): Buffer {
  const vector = Buffer.alloc(16);
  const [name = "", option = ""] = generator.split(":");
  if (name === "plain64be") vector.writeBigUInt64BE(BigInt(sector), 8);
  // 512-byte sectors count 32 blocks of 16 bytes each, from 1 on.
  else if (name === "benbi") vector.writeBigUInt64BE(BigInt(sector) * 32n + 1n, 8);
  else if (name !== "null") vector.writeBigUInt64LE(BigInt(sector));
  if (name !== "essiv") return vector;
  const salt = createHash(opensslName(option)).update(key).digest();
  const encryptor = createCipheriv(`${cipher}-${salt.length * 8}-ecb`, salt, null);
  return encryptor.setAutoPadding(false).update(vector);
}
