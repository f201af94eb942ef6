import { createHash, timingSafeEqual } from "node:crypto";

/** LUKS2 On-Disk Format, section 2.1: the first 4,096 bytes of each copy; the JSON area follows. */
export interface BinaryHeader {
  /** Of one copy, JSON area included: see {@link headerSizes}. */
  readonly headerSize: number;
  /** Grows with each write; the copy with the higher number is the newer. */
  readonly sequence: number;
  readonly label: string;
  readonly checksumAlgorithm: "sha256" | "sha512";
  /** New random bytes for each write, so that no two headers have the same checksum. */
  readonly salt: Uint8Array;
  readonly uuid: string;
  readonly subsystem: string;
  /** The bytes of the binary part that this was read from: what has not changed is written as it was. */
  readonly raw?: Uint8Array;
  /** Where this copy lies, in bytes. */
  readonly offset: number;
}

export const binaryHeaderBytes = 4096;

/** The legal sizes of a header copy (section 2.2); the second copy lies right behind the first. */
export const headerSizes = [
  0x4000, 0x8000, 0x10000, 0x20000, 0x40000, 0x80000, 0x100000, 0x200000, 0x400000,
] as const;

const primaryMagic = Buffer.from("4c554b53babe", "hex"); // "LUKS" 0xba 0xbe
const secondaryMagic = Buffer.from("534b554cbabe", "hex"); // "SKUL" 0xba 0xbe
const labelField: Field = [24, 48];
const checksumField: Field = [72, 32];
const uuidField: Field = [168, 40];
const subsystemField: Field = [208, 48];
const checksumOffset = 448;
const checksumLength = 64;

/** The version that a LUKS magic announces, or undefined if `start` has none. */
export function luksVersion(start: Uint8Array): number | undefined {
  const bytes = Buffer.from(start.buffer, start.byteOffset, start.byteLength);
  if (!bytes.subarray(0, 6).equals(primaryMagic)) return undefined;
  return bytes.readUInt16BE(6);
}

/**
 * Reads the binary part, without its checksum.
 *
 * @param offset where these bytes were found
 * @returns undefined for anything that is no LUKS2 header of that place
 */
export function parseBinaryHeader(start: Uint8Array, offset: number): BinaryHeader | undefined {
  const bytes = Buffer.from(start.buffer, start.byteOffset, start.byteLength);
  if (bytes.length < binaryHeaderBytes) return undefined;
  if (!bytes.subarray(0, 6).equals(offset === 0 ? primaryMagic : secondaryMagic)) return undefined;
  const headerSize = Number(bytes.readBigUInt64BE(8));
  const checksumAlgorithm = text(bytes, checksumField);
  const sequence = Number(bytes.readBigUInt64BE(16));
  if (bytes.readUInt16BE(6) !== 2) return undefined;
  if (!headerSizes.some((size) => size === headerSize)) return undefined;
  if (Number(bytes.readBigUInt64BE(256)) !== offset) return undefined;
  if (offset !== 0 && offset !== headerSize) return undefined;
  if (!Number.isSafeInteger(sequence)) return undefined;
  if (checksumAlgorithm !== "sha256" && checksumAlgorithm !== "sha512") return undefined;
  return {
    headerSize,
    sequence,
    label: text(bytes, labelField),
    checksumAlgorithm,
    salt: Uint8Array.from(bytes.subarray(104, 168)),
    uuid: text(bytes, uuidField),
    subsystem: text(bytes, subsystemField),
    raw: Uint8Array.from(bytes.subarray(0, binaryHeaderBytes)),
    offset,
  };
}

/**
 * One copy, ready to be written at `header.offset`: binary part, JSON area, checksum over both. Bytes that we do not know,
 * and texts that have not changed, are those of `header.raw`.
 */
export function renderHeader(header: BinaryHeader, json: Uint8Array): Buffer {
  const copy = Buffer.alloc(header.headerSize);
  if (header.raw) copy.set(header.raw.subarray(0, binaryHeaderBytes));
  (header.offset === 0 ? primaryMagic : secondaryMagic).copy(copy);
  copy.writeUInt16BE(2, 6);
  copy.writeBigUInt64BE(BigInt(header.headerSize), 8);
  copy.writeBigUInt64BE(BigInt(header.sequence), 16);
  writeText(copy, labelField, header.label);
  writeText(copy, checksumField, header.checksumAlgorithm);
  copy.set(header.salt, 104);
  writeText(copy, uuidField, header.uuid);
  writeText(copy, subsystemField, header.subsystem);
  copy.writeBigUInt64BE(BigInt(header.offset), 256);
  copy.set(json, binaryHeaderBytes);
  copy.fill(0, checksumOffset, checksumOffset + checksumLength);
  copy.set(checksum(copy, header.checksumAlgorithm), checksumOffset);
  return copy;
}

/** True if the checksum of a whole copy (binary part and JSON area) is right. */
export function hasValidChecksum(copy: Uint8Array, header: BinaryHeader): boolean {
  const expected = checksum(copy, header.checksumAlgorithm);
  return timingSafeEqual(expected, copy.subarray(checksumOffset, checksumOffset + expected.length));
}

function checksum(copy: Uint8Array, algorithm: "sha256" | "sha512"): Buffer {
  return createHash(algorithm)
    .update(copy.subarray(0, checksumOffset))
    .update(new Uint8Array(checksumLength))
    .update(copy.subarray(checksumOffset + checksumLength))
    .digest();
}

/** Where a NUL-terminated field lies, and its length, in bytes. */
type Field = readonly [offset: number, length: number];

function text(bytes: Buffer, [offset, length]: Field): string {
  const field = bytes.subarray(offset, offset + length);
  const end = field.indexOf(0);
  return field.toString("utf8", 0, end < 0 ? length : end);
}

/** A field that says so already keeps its bytes, which may be no UTF-8. */
function writeText(bytes: Buffer, [offset, length]: Field, value: string): void {
  if (text(bytes, [offset, length]) === value) return;
  bytes.fill(0, offset, offset + length);
  bytes.write(value, offset, length - 1);
}
