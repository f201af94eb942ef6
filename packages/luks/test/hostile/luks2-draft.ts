import { createHash } from "node:crypto";
import { jsonBytes } from "./json-text.ts";

/** Bytes, and where on the disk they go. */
export interface Write {
  readonly offset: number;
  readonly bytes: Uint8Array;
}

/**
 * A LUKS2 header that is being written: LUKS2 On-Disk Format, section 2.1. Nothing is checked here, so that anything can
 * be said; only the checksum is always right.
 */
export interface Luks2Draft {
  readonly binary: {
    version: number;
    headerSize: bigint;
    sequence: bigint;
    headerOffset: bigint | undefined;
    /** Fixed fields of bytes: 48, 32, 64, 40 and 48 of them, and what is to be zero. */
    label: Uint8Array;
    checksumAlgorithm: Uint8Array;
    salt: Uint8Array;
    uuid: Uint8Array;
    subsystem: Uint8Array;
    padding: Uint8Array;
  };
  /** What the JSON area says. */
  json: Record<string, unknown>;
  /** Instead of `json`, if there is one. */
  text: Uint8Array | undefined;
  /** After the JSON's NUL. */
  tail: Uint8Array;
  /** Elsewhere on the disk, such as key material. */
  readonly writes: Write[];
}

/** Where the second copy begins, in the honest disks; the least that the format has. */
export const copyBytes = 0x4000;
const binaryBytes = 4096;
const checksumOffset = 448;

/** @param head of an honest disk */
export function luks2Draft(head: Uint8Array): Luks2Draft {
  const bytes = Buffer.from(head.subarray(0, copyBytes));
  const field = (offset: number, length: number) =>
    Uint8Array.from(bytes.subarray(offset, offset + length));
  const text = bytes.toString("utf8", binaryBytes, bytes.indexOf(0, binaryBytes));
  return {
    binary: {
      version: bytes.readUInt16BE(6),
      headerSize: bytes.readBigUInt64BE(8),
      sequence: bytes.readBigUInt64BE(16),
      headerOffset: undefined,
      label: field(24, 48),
      checksumAlgorithm: field(72, 32),
      salt: field(104, 64),
      uuid: field(168, 40),
      subsystem: field(208, 48),
      padding: field(264, 184),
    },
    json: JSON.parse(text) as Record<string, unknown>,
    text: undefined,
    tail: new Uint8Array(),
    writes: [],
  };
}

/**
 * One copy, ready to be written at its offset. A text that is too long is cut at the copy's end.
 *
 * @param size of the copy, whatever the draft says of it
 */
export function renderLuks2(draft: Luks2Draft, offset: number, size: number = copyBytes): Buffer {
  const { binary } = draft;
  const bytes = Buffer.alloc(size);
  bytes.write(offset === 0 ? "4c554b53babe" : "534b554cbabe", "hex");
  bytes.writeUInt16BE(binary.version, 6);
  bytes.writeBigUInt64BE(BigInt.asUintN(64, binary.headerSize), 8);
  bytes.writeBigUInt64BE(BigInt.asUintN(64, binary.sequence), 16);
  bytes.set(binary.label, 24);
  bytes.set(binary.checksumAlgorithm, 72);
  bytes.set(binary.salt, 104);
  bytes.set(binary.uuid, 168);
  bytes.set(binary.subsystem, 208);
  bytes.writeBigUInt64BE(BigInt.asUintN(64, binary.headerOffset ?? BigInt(offset)), 256);
  bytes.set(binary.padding, 264);
  const text = draft.text ?? jsonBytes(draft.json);
  bytes.set(text.subarray(0, size - binaryBytes), binaryBytes);
  const room = size - binaryBytes - text.length - 1;
  if (room > 0) bytes.set(draft.tail.subarray(0, room), binaryBytes + text.length + 1);
  bytes.set(checksumOf(bytes), checksumOffset);
  return bytes;
}

/** By the algorithm that the header names; by SHA-256 if there is none of that name. */
function checksumOf(bytes: Buffer): Uint8Array {
  const name = bytes.toString("latin1", 72, 104).replace(/\0.*$/s, "");
  const known = ["sha1", "sha224", "sha256", "sha384", "sha512"].includes(name);
  bytes.fill(0, checksumOffset, checksumOffset + 64);
  return createHash(known ? name : "sha256")
    .update(bytes)
    .digest();
}

/** A field of so many bytes that begins with a text; what is too long is cut. */
export function fieldBytes(text: string, length: number): Uint8Array {
  const field = new Uint8Array(length);
  field.set(Buffer.from(text).subarray(0, length));
  return field;
}
