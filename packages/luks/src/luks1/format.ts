import { randomFillSync, randomUUID } from "node:crypto";
import { keyBitLengths, parseCipher } from "../crypto/cipher-spec.ts";
import { type HashName, hashNameOf } from "../crypto/hashes.ts";
import { passphraseKdfLuks1 } from "../crypto/kdf.ts";
import { VolumeKey } from "../crypto/volume-key.ts";
import type { BlockDevice, DeviceReference } from "../device/device.ts";
import { LuksError } from "../errors.ts";
import {
  type FormatPlace,
  type Formatted,
  requireUuid,
  withBlankDevice,
} from "../format/format-common.ts";
import { type KeyslotSpec, settleKdf } from "../format/keyslot-spec.ts";
import { refuseUnknownOptions, requireInteger } from "../options.ts";
import { type Luks1Header, type Luks1Keyslot, luks1Slots, renderLuks1 } from "./binary-header.ts";
import { luks1Digest, sealLuks1 } from "./keyslot.ts";

/** How {@link formatLuks1} lays out a disk. LUKS1 is for readers that know nothing else, such as QEMU. */
export interface FormatLuks1Options {
  /** One to eight, numbered from 0 unless they say otherwise. Derivation: PBKDF2 with `hash`. */
  readonly keyslots: readonly Omit<KeyslotSpec, "priority">[];
  /** Default `aes-xts-plain64`; also each other row of `segmentCiphers` that this library reads, such as `aes-cbc-essiv:sha256`. */
  readonly cipher?: string;
  /** For XTS 512 (default) or 256; for CBC 256 (default), 192 or 128. */
  readonly volumeKeyBitLength?: number;
  /** Of key slots, digest and splitter. Default `sha256`. */
  readonly hash?: HashName;
  /** Default: a random one. */
  readonly uuid?: string;
  /** Where data begins, in bytes, a multiple of 512. Default 2 MiB; 0 if the header is detached. */
  readonly dataOffset?: number;
  /** As in `FormatLuks2Options`. */
  readonly detachedFrom?: DeviceReference;
  /** As in `FormatLuks2Options`. */
  readonly allowDestroyingData?: readonly string[];
  /** As in `FormatLuks2Options`. */
  readonly returnVolumeKey?: boolean;
  /** As in `FormatLuks2Options`. */
  readonly reuseVolumeKey?: Uint8Array;
}

const optionNames = [
  "keyslots",
  "cipher",
  "volumeKeyBitLength",
  "hash",
  "uuid",
  "dataOffset",
  "detachedFrom",
  "allowDestroyingData",
  "returnVolumeKey",
  "reuseVolumeKey",
];
const operation = "format";
const sector = 512;
const stripes = 4000;
const areaAlignment = 4096;
const dataAlignment = 1024 * 1024;

/**
 * Writes a LUKS1 header with its key slots onto a blank device. The magic is written last: a cut leaves
 * a device that is either no LUKS disk, or opens. The data area is not touched.
 *
 * @throws as `formatLuks2`
 */
export async function formatLuks1(
  device: DeviceReference,
  options: FormatLuks1Options,
): Promise<Formatted> {
  const plan = planFormatLuks1(options);
  return withBlankDevice(operation, device, plan, (header) => writeFormatLuks1(header, plan));
}

export interface Luks1Plan extends FormatPlace {
  readonly header: Luks1Header;
  readonly hash: HashName;
  readonly slots: readonly {
    readonly number: number;
    readonly iterations: number;
    readonly passphrase: Uint8Array;
  }[];
  readonly volumeKey: Uint8Array | undefined;
  readonly returnVolumeKey: boolean;
}

/** Checks every option before anything is touched. */
export function planFormatLuks1(options: FormatLuks1Options): Luks1Plan {
  refuseUnknownOptions(operation, options, optionNames);
  const cipher = parseCipher(operation, options.cipher ?? "aes-xts-plain64");
  const fallback = cipher.mode === "xts" ? 512 : 256;
  const bits = options.volumeKeyBitLength ?? (options.reuseVolumeKey?.length ?? fallback / 8) * 8;
  if (!keyBitLengths(cipher).includes(bits)) {
    throw refusal("volumeKeyBitLength", `must be one of ${keyBitLengths(cipher).join(", ")}`);
  }
  if (options.reuseVolumeKey && options.reuseVolumeKey.length * 8 !== bits) {
    throw refusal("reuseVolumeKey", `must have ${bits} bits`);
  }
  const hash = options.hash ?? "sha256";
  if (hashNameOf(hash) !== hash) {
    throw refusal("hash", "must be sha256 or another hash of LUKS that OpenSSL has here");
  }
  const uuid = requireUuid(operation, options.uuid ?? randomUUID());
  const areaBytes = roundUp((bits / 8) * stripes, areaAlignment);
  const headerEnd = areaAlignment + luks1Slots * areaBytes;
  const detached = options.detachedFrom !== undefined;
  const dataOffset = options.dataOffset ?? (detached ? 0 : roundUp(headerEnd, dataAlignment));
  requireInteger(operation, "dataOffset", dataOffset, 0, (2 ** 32 - 1) * sector);
  if (dataOffset % sector !== 0) throw refusal("dataOffset", "must be a multiple of 512");
  if (!detached && dataOffset < headerEnd) throw refusal("dataOffset", "is inside the header");
  const dash = cipher.name.indexOf("-");
  return {
    header: {
      cipherName: cipher.name.slice(0, dash),
      cipherMode: cipher.name.slice(dash + 1),
      hash,
      payloadOffset: dataOffset / sector,
      keyBytes: bits / 8,
      digest: new Uint8Array(20),
      digestSalt: randomFillSync(new Uint8Array(32)),
      // A volume key is random: a thousand iterations are as good as a million.
      digestIterations: 1000,
      uuid,
      keyslots: Array.from({ length: luks1Slots }, (_, slot) => ({
        active: false,
        iterations: 0,
        salt: new Uint8Array(32),
        materialOffset: (areaAlignment + slot * areaBytes) / sector,
        stripes,
      })),
    },
    hash,
    slots: numberSlots(options.keyslots, hash),
    volumeKey: options.reuseVolumeKey,
    returnVolumeKey: options.returnVolumeKey ?? false,
    headerEnd,
    dataOffset,
    sectorSize: sector,
    detachedFrom: options.detachedFrom,
    allowDestroyingData: options.allowDestroyingData ?? [],
  };
}

function numberSlots(specs: FormatLuks1Options["keyslots"], hash: HashName): Luks1Plan["slots"] {
  if (!Array.isArray(specs) || specs.length === 0) throw refusal("keyslots", "must be at least 1");
  const taken = new Set<number>();
  return specs.map((spec: KeyslotSpec) => {
    if (spec.priority !== undefined) throw refusal("priority", "is unknown to LUKS1");
    const kdf = settleKdf(operation, spec, passphraseKdfLuks1);
    if (kdf.type !== "pbkdf2" || (spec.kdf && kdf.hash !== hash)) {
      throw refusal("kdf", `must be pbkdf2 with ${hash}, as all of this LUKS1 disk`);
    }
    let number = spec.slot ?? 0;
    while (spec.slot === undefined && taken.has(number)) number++;
    requireInteger(operation, "slot", number, 0, luks1Slots - 1);
    if (taken.has(number)) throw refusal("slot", `${number} is given twice`);
    taken.add(number);
    return { number, iterations: kdf.iterations, passphrase: spec.passphrase };
  });
}

/** Writes key material and header onto a device that has been checked. */
export async function writeFormatLuks1(device: BlockDevice, plan: Luks1Plan): Promise<Formatted> {
  const volumeKey = plan.volumeKey
    ? Uint8Array.from(plan.volumeKey)
    : randomFillSync(new Uint8Array(plan.header.keyBytes));
  try {
    const keyslots: Luks1Keyslot[] = [...plan.header.keyslots];
    for (const { number, iterations, passphrase } of plan.slots) {
      const empty = keyslots[number] as Luks1Keyslot;
      const sealed = await sealLuks1(plan.header, empty, volumeKey, passphrase, iterations);
      await device.write(empty.materialOffset * sector, sealed.material);
      keyslots[number] = sealed.keyslot;
    }
    const { digestSalt, digestIterations } = plan.header;
    const digest = await luks1Digest(volumeKey, plan.hash, digestSalt, digestIterations);
    const bytes = renderLuks1({ ...plan.header, digest, keyslots });
    await device.write(8, bytes.subarray(8));
    await device.sync();
    await device.write(0, bytes.subarray(0, 8));
    await device.sync();
    return {
      uuid: plan.header.uuid,
      slots: plan.slots.map(({ number }) => number),
      dataOffset: plan.dataOffset,
      ...(plan.returnVolumeKey ? { volumeKey: new VolumeKey(volumeKey) } : {}),
    };
  } finally {
    volumeKey.fill(0);
  }
}

function roundUp(value: number, multiple: number): number {
  return Math.ceil(value / multiple) * multiple;
}

function refusal(subject: string, reason: string): LuksError {
  return new LuksError("invalid_argument", `${operation} ${subject}: ${reason}`);
}
