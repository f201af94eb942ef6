import { createCipheriv, createHash } from "node:crypto";
import { closeSync, constants, fsyncSync, openSync, readSync, writeSync } from "node:fs";

/** What is written to see where it goes: whole sectors of every size. */
export const writtenBytes = 4096;

/** Text that no other trial writes. */
export function plaintextOf(trial: string): Buffer {
  return Buffer.alloc(writtenBytes, `the tenant's plaintext of ${trial}; `);
}

/** Writes to the beginning of a device; it has reached the medium when this returns. */
export function writeThrough(device: string, bytes: Uint8Array): void {
  const file = openSync(device, "r+");
  try {
    writeSync(file, bytes, 0, bytes.length, 0);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}

declare const WebAssembly: {
  readonly Memory: new (size: { readonly initial: number }) => { readonly buffer: ArrayBuffer };
};

/** O_DIRECT wants memory that begins with a page, as WebAssembly's does; a `Buffer` may begin anywhere. */
const page = new Uint8Array(new WebAssembly.Memory({ initial: 16 }).buffer);

/** All bytes of a device as they are on the medium, whatever the page cache has. */
export function readMedium(device: string, bytes: number): Buffer {
  const whole = Buffer.alloc(bytes);
  const file = openSync(device, constants.O_RDONLY | constants.O_DIRECT);
  try {
    for (let at = 0; at < bytes; at += page.length) {
      const length = Math.min(page.length, bytes - at);
      const read = readSync(file, page, 0, length, at);
      if (read !== length) throw new Error(`read ${device}: ends at byte ${at + read}`);
      whole.set(page.subarray(0, length), at);
    }
  } finally {
    closeSync(file);
  }
  return whole;
}

export function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

/** How dm-crypt encrypts (Linux, admin-guide/device-mapper/dm-crypt), with code that shares nothing with the library's. */
export interface Encryption {
  /** dm-crypt's name. */
  readonly cipher: string;
  readonly key: Uint8Array;
  readonly sectorSize: number;
  /** The number of the first sector, in sectors of 512 bytes. */
  readonly firstSector: number;
}

/** @returns undefined for what OpenSSL cannot compute: a cipher other than AES, or a key of another length */
export function encrypt(plaintext: Uint8Array, encryption: Encryption): Buffer | undefined {
  const { cipher, key, sectorSize, firstSector } = encryption;
  const [name, mode = ""] = cipher.split("-");
  const lengths = mode === "xts" ? [32, 64] : [16, 24, 32];
  if (name !== "aes" || !lengths.includes(key.length)) return undefined;
  const bits = mode === "xts" ? key.length * 4 : key.length * 8;
  const sectors: Buffer[] = [];
  for (let at = 0; at < plaintext.length; at += sectorSize) {
    const number = BigInt(firstSector + at / 512);
    const iv = ivOf(cipher, key, number);
    const aes = createCipheriv(`aes-${bits}-${mode}`, key, iv).setAutoPadding(false);
    sectors.push(aes.update(plaintext.subarray(at, at + sectorSize)), aes.final());
  }
  return Buffer.concat(sectors);
}

function ivOf(cipher: string, key: Uint8Array, number: bigint): Buffer {
  const iv = Buffer.alloc(16);
  if (cipher.endsWith("-plain")) {
    iv.writeUInt32LE(Number(number & 0xffff_ffffn));
    return iv;
  }
  iv.writeBigUInt64LE(number);
  if (!cipher.endsWith("-essiv:sha256")) return iv; // plain64, and what dm-crypt ignores after it
  const salt = createHash("sha256").update(key).digest();
  return createCipheriv("aes-256-ecb", salt, null).setAutoPadding(false).update(iv);
}
