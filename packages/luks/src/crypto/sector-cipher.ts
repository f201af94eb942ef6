import { createCipheriv, createDecipheriv, createHash, createSecretKey } from "node:crypto";
import { LuksError } from "../errors.ts";
import { type CipherSpec, keyBitLengths } from "./cipher-spec.ts";
import { hashNameOf, opensslName } from "./hashes.ts";

/** The size of a sector in the numbering of initialisation vectors, whatever the encryption's own sector size. */
export const ivSectorBytes = 512;

/** Encrypts and decrypts whole sectors in place. */
export interface SectorCipher {
  /** In bytes: 512, 1024, 2048 or 4096. */
  readonly sectorSize: number;
  /**
   * In place.
   *
   * @param data whole sectors
   * @param firstIvSector number of the first sector in 512-byte units, the segment's IV tweak included
   */
  encrypt(data: Uint8Array, firstIvSector: number): void;
  /** As {@link encrypt}. */
  decrypt(data: Uint8Array, firstIvSector: number): void;
}

/**
 * The reference: one OpenSSL cipher a sector, as dm-crypt defines it (kernel documentation,
 * admin-guide/device-mapper/dm-crypt). For sectors above 512 bytes the IV still counts 512-byte units.
 *
 * @param key is copied
 * @throws `invalid_argument` for a key of the wrong length
 */
export function referenceCipher(
  cipher: CipherSpec,
  key: Uint8Array,
  sectorSize: number,
): SectorCipher {
  requireKeyLength(cipher, key);
  const bits = cipher.mode === "xts" ? key.length * 4 : key.length * 8;
  const algorithm = `aes-${bits}-${cipher.mode}`;
  const ivOf = ivGenerator(cipher, key);
  // The caller may erase its bytes as soon as it has the cipher.
  const secret = createSecretKey(key);
  const step = sectorSize / ivSectorBytes;
  const run = (data: Uint8Array, firstIvSector: number, encrypting: boolean) => {
    for (let offset = 0, sector = firstIvSector; offset < data.length; offset += sectorSize) {
      const part = data.subarray(offset, offset + sectorSize);
      const transform = encrypting
        ? createCipheriv(algorithm, secret, ivOf(sector))
        : createDecipheriv(algorithm, secret, ivOf(sector));
      transform.setAutoPadding(false);
      part.set(transform.update(part));
      transform.final();
      sector += step;
    }
  };
  return {
    sectorSize,
    encrypt: (data, sector) => run(data, sector, true),
    decrypt: (data, sector) => run(data, sector, false),
  };
}

export function requireKeyLength(cipher: CipherSpec, key: Uint8Array): void {
  if (!keyBitLengths(cipher).includes(key.length * 8)) {
    throw new LuksError(
      "invalid_argument",
      `encrypt sectors ${cipher.name}: a key of ${key.length * 8} bits does not fit`,
    );
  }
}

/** @throws `unsupported` for ESSIV with a hash that OpenSSL does not have here */
function ivGenerator(cipher: CipherSpec, key: Uint8Array): (sector: number) => Uint8Array {
  if (cipher.iv === "plain64") return plain64;
  if (cipher.iv === "plain") return (sector) => plain64(sector % 2 ** 32);
  const hash = hashNameOf(cipher.iv.slice("essiv:".length));
  if (!hash) {
    throw new LuksError("unsupported", `encrypt sectors ${cipher.name}: OpenSSL has no such hash`);
  }
  const salt = createHash(opensslName(hash)).update(key).digest();
  return (sector) => {
    const encryptor = createCipheriv("aes-256-ecb", salt, null).setAutoPadding(false);
    return encryptor.update(plain64(sector));
  };
}

function plain64(sector: number): Uint8Array {
  const iv = Buffer.alloc(16);
  iv.writeBigUInt64LE(BigInt(sector));
  return iv;
}
