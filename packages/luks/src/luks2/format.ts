import { randomFillSync, randomUUID } from "node:crypto";
import { type KdfSpec, passphraseKdf } from "../crypto/kdf.ts";
import { VolumeKey } from "../crypto/volume-key.ts";
import type { BlockDevice, DeviceReference } from "../device/device.ts";
import { LuksError } from "../errors.ts";
import {
  type FormatPlace,
  type Formatted,
  requireName,
  requireUuid,
  withBlankDevice,
} from "../format/format-common.ts";
import { type KeyslotSpec, priorityNumbers, settleKdf } from "../format/keyslot-spec.ts";
import type { LuksToken } from "../format/luks-token.ts";
import { refuseUnknownOptions, requireInteger } from "../options.ts";
import { headerSizes } from "./binary-header.ts";
import { type CarryOver, carriedMetadata, copyCarriedSlots } from "./carry-over.ts";
import { makeDigest } from "./digest.ts";
import { areaOf, roomIn } from "./key-area.ts";
import { keyslotAreaBytes, sealKeyslot } from "./keyslot.ts";
import {
  type Luks2Keyslot,
  type Luks2Metadata,
  type Luks2Segment,
  maxEntries,
} from "./metadata.ts";
import { writeCopies } from "./store.ts";
import { checkedToken } from "./token.ts";
import { maxKeyslotsBytes } from "./validate.ts";

/** How {@link formatLuks2} lays out a disk. */
export interface FormatLuks2Options {
  /** The slots to begin with; one at least, numbered from 0 unless they say otherwise. */
  readonly keyslots: readonly KeyslotSpec[];
  /** For aes-xts-plain64: 512 (default) is AES-256, 256 is AES-128. */
  readonly volumeKeyBitLength?: 256 | 512;
  /** Of the encryption, in bytes. Default 512. */
  readonly sectorSize?: 512 | 1024 | 2048 | 4096;
  /** At most 47 bytes. Default none. */
  readonly label?: string;
  /** At most 47 bytes. Default none. */
  readonly subsystem?: string;
  /** Default: a random one. */
  readonly uuid?: string;
  /** Default none. Made by `chatelaineToken` or by hand. */
  readonly tokens?: readonly LuksToken[];
  /** Where data begins, in bytes, a multiple of 4,096. Default 16 MiB; 0 if the header is detached. */
  readonly dataOffset?: number;
  /** Of one header copy: 16 KiB (default) to 4 MiB, a power of two. */
  readonly headerSize?: number;
  /** Of the area that holds key material, a multiple of 4,096. Default: all up to the data, at most 128 MiB. */
  readonly keyslotsSize?: number;
  /** The header lies apart from the data: `device` gets the header only, and this, which must be blank too, is to hold the data. */
  readonly detachedFrom?: DeviceReference;
  /**
   * Formats a device that holds something, if it holds nothing but what is listed here, in the words of
   * `LuksError.holds`: `["ext"]`, `["unrecognised"]`. Default: nothing may be destroyed.
   */
  readonly allowDestroyingData?: readonly string[];
  /** Also return the volume key. Default false: it is generated here and never returned. */
  readonly returnVolumeKey?: boolean;
  /**
   * Use these bytes as the volume key instead of random ones. Two disks with one volume key are as secret as
   * the less secret of the two: this is for re-creating a disk whose data exists already.
   */
  readonly reuseVolumeKey?: Uint8Array;
}

const optionNames = [
  "keyslots",
  "volumeKeyBitLength",
  "sectorSize",
  "label",
  "subsystem",
  "uuid",
  "tokens",
  "dataOffset",
  "headerSize",
  "keyslotsSize",
  "detachedFrom",
  "allowDestroyingData",
  "returnVolumeKey",
  "reuseVolumeKey",
];

/**
 * Writes a LUKS2 header with its key slots, cipher aes-xts-plain64, onto a blank device.
 *
 * The key material is durable before the header that refers to it: a cut leaves a device that is either
 * blank but for noise, or opens. The data area is not touched.
 *
 * @throws `holds_data` if the device holds anything (see `allowDestroyingData`); `too_small`; `no_space`
 *   if slots do not fit the area; `busy`; `invalid_argument`
 */
export async function formatLuks2(
  device: DeviceReference,
  options: FormatLuks2Options,
): Promise<Formatted> {
  const plan = planFormat(options);
  return withBlankDevice(operation, device, plan, (header) => writeFormat(header, plan));
}

const operation = "format";

export interface FormatPlan extends FormatPlace {
  readonly slots: readonly {
    readonly number: number;
    readonly kdf: KdfSpec;
    readonly spec: KeyslotSpec;
  }[];
  readonly volumeKey: Uint8Array | undefined;
  readonly volumeKeyBytes: number;
  /** Undefined: that of the header that is taken over, or none. */
  readonly label: string | undefined;
  readonly subsystem: string | undefined;
  readonly uuid: string;
  readonly tokens: readonly LuksToken[];
  readonly segment: Luks2Segment;
  readonly headerSize: number;
  readonly returnVolumeKey: boolean;
  /** What the header takes over from another of the same data. */
  readonly carried?: CarryOver;
}

/** Checks every option before anything is touched. */
export function planFormat(options: FormatLuks2Options): FormatPlan {
  refuseUnknownOptions(operation, options, optionNames);
  const detached = options.detachedFrom !== undefined;
  const headerSize = options.headerSize ?? 0x4000;
  if (!headerSizes.some((size) => size === headerSize)) {
    throw refusal("headerSize", "must be a power of two from 16,384 to 4,194,304");
  }
  const sectorSize = options.sectorSize ?? 512;
  if (![512, 1024, 2048, 4096].includes(sectorSize)) {
    throw refusal("sectorSize", "must be 512, 1024, 2048 or 4096");
  }
  const defaultOffset = 16 * 1024 * 1024;
  const dataOffset = options.dataOffset ?? (detached ? 0 : defaultOffset);
  requireInteger(operation, "dataOffset", dataOffset, 0, Number.MAX_SAFE_INTEGER);
  const keyslotsSize =
    options.keyslotsSize ??
    Math.min(maxKeyslotsBytes, (detached ? defaultOffset : dataOffset) - 2 * headerSize);
  requireInteger(operation, "keyslotsSize", keyslotsSize, 4096, maxKeyslotsBytes);
  const areaEnd = 2 * headerSize + keyslotsSize;
  if (dataOffset % 4096 !== 0) throw refusal("dataOffset", "must be a multiple of 4,096");
  if (keyslotsSize % 4096 !== 0) throw refusal("keyslotsSize", "must be a multiple of 4,096");
  if (!detached && dataOffset < areaEnd) throw refusal("dataOffset", "is inside the header");
  const bitLength = options.volumeKeyBitLength ?? (options.reuseVolumeKey?.length ?? 64) * 8;
  if (bitLength !== 256 && bitLength !== 512) {
    throw refusal("volumeKeyBitLength", "must be 256 or 512");
  }
  if (options.reuseVolumeKey && options.reuseVolumeKey.length * 8 !== bitLength) {
    throw refusal("reuseVolumeKey", `must have ${bitLength} bits`);
  }
  const uuid = requireUuid(operation, options.uuid ?? randomUUID());
  const slots = numberSlots(options.keyslots);
  const numbers = slots.map(({ number }) => String(number));
  if (slots.length * keyslotAreaBytes(bitLength / 8) > keyslotsSize) {
    throw new LuksError("no_space", `${operation} keyslots: do not fit the key slots area`);
  }
  return {
    slots,
    volumeKey: options.reuseVolumeKey,
    volumeKeyBytes: bitLength / 8,
    sectorSize,
    label: optionalName("label", options.label),
    subsystem: optionalName("subsystem", options.subsystem),
    uuid,
    tokens: (options.tokens ?? []).map((token) => checkedToken(operation, token, numbers).token),
    segment: {
      type: "crypt",
      offset: String(dataOffset),
      size: "dynamic",
      iv_tweak: "0",
      encryption: "aes-xts-plain64",
      sector_size: sectorSize,
    },
    dataOffset,
    headerSize,
    headerEnd: areaEnd,
    detachedFrom: options.detachedFrom,
    allowDestroyingData: options.allowDestroyingData ?? [],
    returnVolumeKey: options.returnVolumeKey ?? false,
  };
}

function numberSlots(specs: readonly KeyslotSpec[]): FormatPlan["slots"] {
  if (!Array.isArray(specs) || specs.length === 0) throw refusal("keyslots", "must be at least 1");
  const taken = new Set<number>();
  return specs.map((spec: KeyslotSpec) => {
    const kdf = settleKdf(operation, spec, passphraseKdf);
    let number = spec.slot ?? 0;
    while (spec.slot === undefined && taken.has(number)) number++;
    requireInteger(operation, "slot", number, 0, maxEntries - 1);
    if (taken.has(number)) throw refusal("slot", `${number} is given twice`);
    taken.add(number);
    return { number, kdf, spec };
  });
}

/** Writes key material and header onto a device that has been checked. */
export async function writeFormat(device: BlockDevice, plan: FormatPlan): Promise<Formatted> {
  const volumeKey = plan.volumeKey
    ? Uint8Array.from(plan.volumeKey)
    : randomFillSync(new Uint8Array(plan.volumeKeyBytes));
  try {
    const made = await writeSlots(device, plan, volumeKey);
    const { carried, tokens } = plan;
    const metadata = carried ? carriedMetadata(operation, carried, made, tokens) : made;
    await device.sync();
    await writeCopies(operation, device, binaryOf(plan), metadata, {
      source: carried?.header.text,
    });
    return {
      uuid: plan.uuid,
      slots: plan.slots.map(({ number }) => number),
      dataOffset: plan.dataOffset,
      ...(plan.returnVolumeKey ? { volumeKey: new VolumeKey(volumeKey) } : {}),
    };
  } finally {
    volumeKey.fill(0);
  }
}

function binaryOf(plan: FormatPlan): Parameters<typeof writeCopies>[2] {
  const { headerSize, uuid, carried } = plan;
  const present = carried?.header.binary;
  return {
    checksumAlgorithm: present?.checksumAlgorithm ?? "sha256",
    ...(present?.raw && { raw: present.raw }),
    headerSize,
    // Newer than the present one, which is marked as unusable meanwhile.
    sequence: present ? present.sequence + 2 : 1,
    label: plan.label ?? present?.label ?? "",
    subsystem: plan.subsystem ?? present?.subsystem ?? "",
    uuid,
  };
}

async function writeSlots(
  device: BlockDevice,
  plan: FormatPlan,
  volumeKey: Uint8Array,
): Promise<Luks2Metadata> {
  const start = 2 * plan.headerSize;
  const place = { offset: start, size: plan.headerEnd - start };
  if (plan.carried) await copyCarriedSlots(operation, plan.carried, device, place);
  const keyslots: Record<string, Luks2Keyslot> = {};
  const used = Object.values(plan.carried?.slots ?? {}).map(areaOf);
  const size = keyslotAreaBytes(volumeKey.length);
  for (const { number, kdf, spec } of plan.slots) {
    const priority = spec.priority && priorityNumbers[spec.priority];
    const area = roomIn(operation, device.name, place, size, used);
    const sealed = await sealKeyslot(volumeKey, spec.passphrase, kdf, area.offset, priority);
    await device.write(area.offset, sealed.material);
    keyslots[number] = sealed.keyslot;
    used.push(area);
  }
  return {
    keyslots,
    tokens: Object.fromEntries(plan.tokens.map((token, index) => [String(index), token])),
    segments: { "0": plan.segment },
    digests: { "0": await makeDigest(volumeKey, Object.keys(keyslots), ["0"]) },
    config: {
      json_size: String(plan.headerSize - 4096),
      keyslots_size: String(place.size),
    },
  };
}

function optionalName(name: string, text: string | undefined): string | undefined {
  return text === undefined ? undefined : requireName(operation, name, text);
}

function refusal(subject: string, reason: string): LuksError {
  return new LuksError("invalid_argument", `${operation} ${subject}: ${reason}`);
}
