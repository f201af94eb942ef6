import { parseCipher } from "../crypto/cipher-spec.ts";
import { LuksError } from "../errors.ts";

/** LUKS1 On-Disk Format 1.2.3, section 3.1: the only copy, at the beginning of the device. */
export interface Luks1Header {
  readonly cipherName: string;
  readonly cipherMode: string;
  /** Of key slots, digest and AF splitter alike, as the header spells it: one that we do not know can be described. */
  readonly hash: string;
  /** In 512-byte sectors; 0 with a detached header. */
  readonly payloadOffset: number;
  /** Of the volume key. */
  readonly keyBytes: number;
  readonly digest: Uint8Array;
  readonly digestSalt: Uint8Array;
  readonly digestIterations: number;
  readonly uuid: string;
  /** Eight. */
  readonly keyslots: readonly Luks1Keyslot[];
}

export interface Luks1Keyslot {
  readonly active: boolean;
  readonly iterations: number;
  readonly salt: Uint8Array;
  /** In 512-byte sectors. */
  readonly materialOffset: number;
  readonly stripes: number;
}

export const luks1HeaderBytes = 592;
export const luks1Slots = 8;
export const luks1Active = 0x00ac71f3;
export const luks1Inactive = 0x0000dead;
const sector = 512;
/** The format has a field for it and no other value: every reader refuses others. */
const stripeCount = 4000;

/** Where a slot's descriptor lies, in bytes. */
export function descriptorOffset(slot: number): number {
  return 208 + 48 * slot;
}

/**
 * Reads and checks a header: section 3.1, and that key material lies behind the header, apart from
 * each other, and before the payload.
 *
 * @param bytes {@link luks1HeaderBytes} that begin with the LUKS magic and version 1
 * @throws `corrupt_header`
 */
export function parseLuks1(operation: string, name: string, start: Uint8Array): Luks1Header {
  const bytes = Buffer.from(start.buffer, start.byteOffset, start.byteLength);
  const corrupt = (reason: string) =>
    new LuksError("corrupt_header", `${operation} ${name}: ${reason}`);
  const keyBytes = bytes.readUInt32BE(108);
  const header = {
    cipherName: text(bytes, 8, 32),
    cipherMode: text(bytes, 40, 32),
    hash: text(bytes, 72, 32),
    payloadOffset: bytes.readUInt32BE(104),
    keyBytes,
    digest: Uint8Array.from(bytes.subarray(112, 132)),
    digestSalt: Uint8Array.from(bytes.subarray(132, 164)),
    digestIterations: bytes.readUInt32BE(164),
    uuid: text(bytes, 168, 40),
    keyslots: Array.from({ length: luks1Slots }, (_, slot) => parseSlot(bytes, slot)),
  };
  if (keyBytes < 1 || keyBytes > 512) throw corrupt("bad key length");
  if (header.digestIterations < 1) throw corrupt("bad digest iterations");
  const areas = header.keyslots.map(({ materialOffset, stripes }) => ({
    from: materialOffset * sector,
    to: materialOffset * sector + stripes * keyBytes,
  }));
  let free = luks1HeaderBytes;
  for (const area of areas.toSorted((a, b) => a.from - b.from)) {
    if (area.from < free) throw corrupt("key slot areas overlap");
    free = area.to;
  }
  if (header.keyslots.some(({ stripes }) => stripes !== stripeCount)) {
    throw corrupt("bad AF stripes");
  }
  if (header.keyslots.some(({ active, iterations }) => active && iterations < 1)) {
    throw corrupt("bad key slot iterations");
  }
  if (header.payloadOffset !== 0 && header.payloadOffset * sector < free) {
    throw corrupt("data overlaps the key slots");
  }
  return header;
}

/** The whole header, for a new disk. */
export function renderLuks1(header: Luks1Header): Buffer {
  const bytes = Buffer.alloc(luks1HeaderBytes);
  bytes.write("4c554b53babe0001", "hex"); // "LUKS" 0xba 0xbe, version 1
  bytes.write(header.cipherName, 8, 31);
  bytes.write(header.cipherMode, 40, 31);
  bytes.write(header.hash, 72, 31);
  bytes.writeUInt32BE(header.payloadOffset, 104);
  bytes.writeUInt32BE(header.keyBytes, 108);
  bytes.set(header.digest, 112);
  bytes.set(header.digestSalt, 132);
  bytes.writeUInt32BE(header.digestIterations, 164);
  bytes.write(header.uuid, 168, 39);
  for (const [slot, keyslot] of header.keyslots.entries()) {
    bytes.set(renderDescriptor(keyslot), descriptorOffset(slot));
  }
  return bytes;
}

/** The 48 bytes of a slot. */
export function renderDescriptor(keyslot: Luks1Keyslot): Buffer {
  const bytes = Buffer.alloc(48);
  bytes.writeUInt32BE(keyslot.active ? luks1Active : luks1Inactive);
  bytes.writeUInt32BE(keyslot.iterations, 4);
  bytes.set(keyslot.salt, 8);
  bytes.writeUInt32BE(keyslot.materialOffset, 40);
  bytes.writeUInt32BE(keyslot.stripes, 44);
  return bytes;
}

/** The name that LUKS2 and dm-crypt have for a LUKS1 header's cipher. */
export function cipherOf(operation: string, header: Luks1Header) {
  return parseCipher(operation, `${header.cipherName}-${header.cipherMode}`);
}

/** A slot whose state is neither value was cut while it was switched: it is not active. */
function parseSlot(bytes: Buffer, slot: number): Luks1Keyslot {
  const at = descriptorOffset(slot);
  return {
    active: bytes.readUInt32BE(at) === luks1Active,
    iterations: bytes.readUInt32BE(at + 4),
    salt: Uint8Array.from(bytes.subarray(at + 8, at + 40)),
    materialOffset: bytes.readUInt32BE(at + 40),
    stripes: bytes.readUInt32BE(at + 44),
  };
}

function text(bytes: Buffer, offset: number, length: number): string {
  const field = bytes.subarray(offset, offset + length);
  const end = field.indexOf(0);
  return field.toString("latin1", 0, end < 0 ? length : end);
}
