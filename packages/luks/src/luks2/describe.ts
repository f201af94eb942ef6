import type { LuksHeader } from "../format/header.ts";
import { priorityName } from "../format/keyslot-spec.ts";
import { parseKdf } from "./keyslot.ts";
import type { Luks2Header } from "./load.ts";
import {
  type Luks2Keyslot,
  type Luks2Metadata,
  type Luks2Segment,
  reencryptionSlotType,
} from "./metadata.ts";
import { reencryptionUnderWay } from "./reencryption.ts";
import { selfEncrypting } from "./self-encrypting.ts";
import { slotObstacle } from "./slot-obstacle.ts";

/**
 * A LUKS2 header in the words that both versions share.
 *
 * @param name of the header's device, for commands in `warnings`
 */
export function describeLuks2(name: string, header: Luks2Header): LuksHeader {
  const { binary, metadata, copies } = header;
  const segments = inOrder(metadata.segments).map(([, segment]) => describeSegment(segment));
  const keyslots = inOrder(metadata.keyslots).map(([slot, keyslot]) =>
    describeSlot(slot, keyslot, isBound(metadata, slot)),
  );
  const data = segments.find(({ type }) => type === "crypt") ?? segments[0];
  return {
    version: 2,
    uuid: binary.uuid,
    label: binary.label,
    subsystem: binary.subsystem,
    dataOffset: segments[0]?.offset ?? 0,
    cipher: data?.cipher ?? "",
    volumeKeyBitLength:
      (keyslots.find((slot) => slot.isBound) ?? keyslots[0])?.volumeKeyBitLength ?? 0,
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
        // The fields of an unknown type are not validated.
        .map((text: unknown) => Buffer.from(typeof text === "string" ? text : "", "base64"))
        .map((bytes) => bytes.toString("hex"))
        .join(""),
    })),
    tokens: inOrder(metadata.tokens).map(([id, token]) => ({ id, token })),
    flags: metadata.config.flags ?? [],
    requirements: metadata.config.requirements?.mandatory ?? [],
    warnings: [
      ...[reencryptionUnderWay(name, header), selfEncrypting(name, header)].filter(
        (text) => text !== undefined,
      ),
      ...keyslots.flatMap(({ slot, type, ignored }) =>
        ignored === undefined || type === reencryptionSlotType
          ? []
          : [`key slot ${slot} is ignored: ${ignored}`],
      ),
    ],
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

function describeSlot(
  slot: number,
  keyslot: Luks2Keyslot,
  bound: boolean,
): LuksHeader["keyslots"][number] {
  return {
    slot,
    type: keyslot.type,
    isBound: bound,
    ignored: slotObstacle(keyslot)?.reason,
    volumeKeyBitLength: keyslot.key_size * 8,
    priority: priorityName(keyslot.priority),
    kdf: parseKdf(keyslot),
    kdfType: typeof keyslot.kdf?.type === "string" ? keyslot.kdf.type : "",
    areaCipher: keyslot.area.encryption ?? "",
    areaKeyBitLength: (keyslot.area.key_size ?? 0) * 8,
    areaOffset: Number(keyslot.area.offset),
    areaSize: Number(keyslot.area.size),
    afStripes: keyslot.af?.stripes ?? 0,
    afHash: keyslot.af?.hash ?? "",
  };
}

/** A digest proves the slot's key that covers data, too. */
function isBound({ digests }: Luks2Metadata, slot: number): boolean {
  return Object.values(digests).some(
    ({ keyslots, segments }) => segments.length > 0 && keyslots.includes(String(slot)),
  );
}

/** By number, as every other tool lists them. */
export function inOrder<T>(entries: Readonly<Record<string, T>>): (readonly [number, T])[] {
  return Object.entries(entries)
    .map(([id, entry]) => [Number(id), entry] as const)
    .toSorted(([a], [b]) => a - b);
}
