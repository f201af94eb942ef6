import { isNullCipher, segmentCipher, segmentCiphers } from "../crypto/cipher-table.ts";
import { hashNameOf } from "../crypto/hashes.ts";
import { LuksError } from "../errors.ts";
import {
  type CheckedDigest,
  type CheckedSegment,
  type IntegrityType,
  integrityKeyBits,
  mappingFlags,
  type ProvenHeader,
} from "../format/checked-header.ts";
import { cryptsetupAdvice, isKernelCipher } from "../format/cryptsetup-advice.ts";
import { requirePlainTexts, shownText } from "../texts/plain-texts.ts";
import { parseUuid } from "../texts/uuid.ts";
import { isJsonObject } from "./bounded-json.ts";
import { describeLuks2, inOrder } from "./describe.ts";
import type { Luks2Header } from "./load.ts";
import type {
  Luks2Digest,
  Luks2Kdf,
  Luks2Keyslot,
  Luks2Metadata,
  Luks2Segment,
} from "./metadata.ts";
import { slotObstacle } from "./slot-obstacle.ts";
import { requireUsable } from "./usable.ts";

/**
 * Decides whether a LUKS2 header may be opened and mapped; `metadataProblem` has checked its shape.
 *
 * @throws `untrusted_header` for what no honest disk says; `unsupported` for what we do not map;
 *   `in_reencryption`
 */
export function checkLuks2(
  operation: string,
  name: string,
  header: Luks2Header,
  deviceBytes: number,
): ProvenHeader {
  const { binary, metadata } = header;
  const refuse = (reason: string) =>
    new LuksError("untrusted_header", `${operation} ${name}: ${reason}`);
  const unsupported = (reason: string) =>
    new LuksError("unsupported", `${operation} ${name}: ${reason}`);
  requireUsable(operation, name, header);
  requirePlainTexts(operation, name, textsOf(header));
  const uuid = parseUuid(binary.uuid);
  if (!uuid) throw refuse("its UUID is not a lower-case RFC 4122 UUID");
  for (const [slot, { area }] of inOrder(metadata.keyslots)) {
    if (typeof area.encryption === "string" && isNullCipher(area.encryption)) {
      throw refuse(`key slot ${slot} has a null cipher, so anyone can choose the key in it`);
    }
  }
  const [[id, found] = ["", undefined], ...others] = Object.entries(metadata.segments);
  if (!found || id !== "0" || others.length > 0) {
    throw unsupported("it does not have exactly one data segment, number 0");
  }
  const advice = cryptsetupAdvice(name, 2, uuid);
  const segment = checkedSegment(found, refuse, unsupported, advice);
  const digest = digestOfSegment(metadata, refuse);
  const { entry } = digest;
  if (entry.type === "pbkdf2" && !hashNameOf(entry.hash)) {
    const shown = `"${shownText(entry.hash)}"`;
    throw unsupported(`the hash ${shown} of its volume key is not supported${advice}`);
  }
  if (entry.type !== "pbkdf2") {
    throw unsupported("the digest of its volume key is of an unknown kind");
  }
  const bound = inOrder(metadata.keyslots).filter(
    ([slot, { type }]) => type === "luks2" && entry.keyslots.includes(String(slot)),
  );
  const volumeKeyBitLength = keyBitsOf(bound, refuse);
  requireKeyLength(segment, volumeKeyBitLength, refuse);
  const flags = metadata.config.flags ?? [];
  return {
    ...describeLuks2(name, header),
    uuid,
    cipher: segment.cipher,
    dataOffset: segment.offset,
    sectorSize: segment.sectorSize,
    volumeKeyBitLength,
    segment,
    digest: checkedDigest(digest.number, digest.entry),
    waysIn: bound.filter(([, slot]) => slotObstacle(slot) === undefined).map(([slot]) => slot),
    mappingFlags: mappingFlags.filter((flag) => flags.includes(flag)),
    deviceBytes,
  };
}

type Refuse = (reason: string) => LuksError;

/** What is shown, and what is handed to other programs. Members that we do not know are neither. */
function textsOf({ binary, metadata }: Luks2Header): unknown {
  const { segments, config } = metadata;
  const keyslots = Object.values(metadata.keyslots).map(({ type, area, af, kdf }) => [
    type,
    area.type,
    area.encryption,
    af?.hash,
    // A derivation that we do not know may have any members.
    slotKdf(kdf),
  ]);
  const digests = Object.values(metadata.digests).map(({ type, hash, salt, digest }) => ({
    type,
    hash,
    salt,
    digest,
  }));
  const types = Object.values(metadata.tokens).map(({ type }) => type);
  const features = [config.flags, config.requirements?.mandatory];
  return [
    binary.label,
    binary.subsystem,
    keyslots,
    shownSegments(segments),
    digests,
    features,
    types,
  ];
}

function slotKdf(kdf: Luks2Kdf | undefined): unknown {
  if (!kdf) return undefined;
  return kdf.type === "pbkdf2" ? { type: kdf.type, hash: kdf.hash, salt: kdf.salt } : kdf.type;
}

function shownSegments(segments: Luks2Metadata["segments"]): unknown {
  return Object.values(segments).map(({ type, encryption, integrity, flags }) => [
    type,
    encryption,
    integrity,
    flags,
  ]);
}

function checkedSegment(
  found: Luks2Segment,
  refuse: Refuse,
  unsupported: Refuse,
  advice: string,
): CheckedSegment {
  if (found.type !== "crypt") throw unsupported("its data segment is not of type crypt");
  if ((found.flags ?? []).length > 0) throw unsupported("its data segment has unknown flags");
  const cipher = segmentCipher(found.encryption);
  if (isNullCipher(found.encryption)) {
    throw refuse("its data segment has a null cipher, which encrypts nothing");
  }
  if (!cipher) {
    const shown = `"${shownText(found.encryption)}"`;
    const end = isKernelCipher(found.encryption) ? advice : "";
    throw unsupported(`its data segment has the unknown cipher ${shown}${end}`);
  }
  const [offset, ivTweak, sectorSize] = [
    Number(found.offset),
    Number(found.iv_tweak),
    found.sector_size,
  ];
  const size = found.size === "dynamic" ? found.size : Number(found.size);
  if (offset % 512 !== 0) throw refuse("its data offset is not a multiple of 512 bytes");
  if (ivTweak % (sectorSize / 512) !== 0)
    throw refuse("its IV tweak is not a multiple of a sector");
  const last = ivTweak + offset + (size === "dynamic" ? 0 : size);
  if (!Number.isSafeInteger(last)) throw refuse("its data ends behind every device");
  return { offset, size, cipher, sectorSize, ivTweak, integrity: integrityOf(found, unsupported) };
}

function integrityOf({ integrity }: Luks2Segment, unsupported: Refuse): IntegrityType | undefined {
  if (integrity === undefined) return undefined;
  if (!isJsonObject(integrity)) throw unsupported("its dm-integrity is of an unknown kind");
  const { type, journal_encryption, journal_integrity, ...more } = integrity;
  const isPlain =
    typeof type === "string" &&
    Object.hasOwn(integrityKeyBits, type) &&
    journal_encryption === "none" &&
    journal_integrity === "none" &&
    Object.keys(more).length === 0;
  if (!isPlain) throw unsupported("its dm-integrity is of an unknown kind");
  return type as IntegrityType;
}

function digestOfSegment(metadata: Luks2Metadata, refuse: Refuse) {
  const covering = inOrder(metadata.digests).filter(([, { segments }]) => segments.includes("0"));
  const [first, ...others] = covering;
  if (!first || others.length > 0) {
    throw refuse(`${covering.length} digests cover its data segment: it must be exactly one`);
  }
  return { number: first[0], entry: first[1] };
}

function checkedDigest(number: number, entry: Luks2Digest): CheckedDigest {
  const { hash, iterations } = entry;
  return {
    number,
    hash,
    iterations,
    salt: hexadecimal(entry.salt),
    value: hexadecimal(entry.digest),
  };
}

/** The digest proves one volume key, which has one length. */
function keyBitsOf(bound: readonly (readonly [number, Luks2Keyslot])[], refuse: Refuse): number {
  const [first, ...others] = new Set(bound.map(([, { key_size: bytes }]) => bytes * 8));
  if (first === undefined) throw refuse("no key slot is bound to its data segment");
  if (others.length > 0) throw refuse("its key slots disagree on the length of the volume key");
  return first;
}

function requireKeyLength({ cipher, integrity }: CheckedSegment, bits: number, refuse: Refuse) {
  const more = integrity === undefined ? 0 : integrityKeyBits[integrity];
  if (segmentCiphers.get(cipher)?.keyBitLengths.includes(bits - more)) return;
  throw refuse(`a volume key of ${bits} bits does not fit ${cipher}`);
}

function hexadecimal(base64: string): string {
  return Buffer.from(base64, "base64").toString("hex");
}
