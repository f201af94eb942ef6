import type { LuksHeader } from "../header.ts";
import { priorityName } from "../keyslot-spec.ts";
import { parseKdf } from "./keyslot.ts";
import type { Luks2Header } from "./load.ts";
import type { Luks2Keyslot, Luks2Segment } from "./metadata.ts";

/** A LUKS2 header in the words that both versions share. */
export function describeLuks2({ binary, metadata, copies }: Luks2Header): LuksHeader {
  const segments = inOrder(metadata.segments).map(([, segment]) => describeSegment(segment));
  const keyslots = inOrder(metadata.keyslots).map(([slot, keyslot]) => describeSlot(slot, keyslot));
  const data = segments.find(({ type }) => type === "crypt") ?? segments[0];
  return {
    version: 2,
    uuid: binary.uuid,
    label: binary.label,
    subsystem: binary.subsystem,
    dataOffset: segments[0]?.offset ?? 0,
    cipher: data?.cipher ?? "",
    volumeKeyBitLength: keyslots[0]?.volumeKeyBitLength ?? 0,
    sectorSize: data?.sectorSize ?? 512,
    segments,
    keyslots,
    digests: inOrder(metadata.digests).map(([digest, { type, hash, iterations, ...of }]) => ({
      digest,
      type,
      hash,
      iterations,
      keyslots: of.keyslots.map(Number),
      segments: of.segments.map(Number),
      fingerprint: [of.digest, of.salt]
        // Of a type that we do not know, nobody has checked what it has.
        .map((text: unknown) => Buffer.from(typeof text === "string" ? text : "", "base64"))
        .map((bytes) => bytes.toString("hex"))
        .join(""),
    })),
    tokens: inOrder(metadata.tokens).map(([id, token]) => ({ id, token })),
    flags: metadata.config.flags ?? [],
    requirements: metadata.config.requirements?.mandatory ?? [],
    sequence: binary.sequence,
    headerSize: binary.headerSize,
    headerAreaBytes: 2 * binary.headerSize + Number(metadata.config.keyslots_size),
    copies,
  };
}

function describeSegment(segment: Luks2Segment): LuksHeader["segments"][number] {
  return {
    type: segment.type,
    offset: Number(segment.offset),
    size: segment.size === "dynamic" ? "dynamic" : Number(segment.size),
    cipher: segment.encryption ?? "",
    sectorSize: segment.sector_size ?? 512,
    ivTweak: Number(segment.iv_tweak ?? 0),
    hasIntegrity: segment.integrity !== undefined,
  };
}

function describeSlot(slot: number, keyslot: Luks2Keyslot): LuksHeader["keyslots"][number] {
  return {
    slot,
    type: keyslot.type,
    volumeKeyBitLength: keyslot.key_size * 8,
    priority: priorityName(keyslot.priority),
    kdf: parseKdf(keyslot),
    areaCipher: keyslot.area.encryption ?? "",
    areaKeyBitLength: (keyslot.area.key_size ?? 0) * 8,
    areaOffset: Number(keyslot.area.offset),
    areaSize: Number(keyslot.area.size),
    afStripes: keyslot.af?.stripes ?? 0,
    afHash: keyslot.af?.hash ?? "",
  };
}

/** By number, as every other tool lists them. */
export function inOrder<T>(entries: Readonly<Record<string, T>>): (readonly [number, T])[] {
  return Object.entries(entries)
    .map(([id, entry]) => [Number(id), entry] as const)
    .toSorted(([a], [b]) => a - b);
}
