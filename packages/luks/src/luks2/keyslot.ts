import { randomFillSync } from "node:crypto";
import { mergeKey, splitKey } from "../crypto/af-splitter.ts";
import { sectorCipher } from "../crypto/choose-cipher.ts";
import { parseCipher } from "../crypto/cipher-spec.ts";
import { hashNameOf } from "../crypto/hashes.ts";
import { deriveKey, type KdfLimits, type KdfSpec } from "../crypto/kdf.ts";
import { ivSectorBytes } from "../crypto/sector-cipher.ts";
import type { BlockDevice } from "../device/device.ts";
import { LuksError } from "../errors.ts";
import type { Luks2Kdf, Luks2Keyslot } from "./metadata.ts";
import { roundUp } from "./validate.ts";

const stripes = 4000;
const areaAlignment = 4096;

/** What a slot for a volume key of so many bytes takes of the key slots area, in bytes. */
export function keyslotAreaBytes(volumeKeyBytes: number): number {
  return roundUp(volumeKeyBytes * stripes, areaAlignment);
}

/** A slot ready to be written: its metadata, and the encrypted key material for its area. */
export interface SealedKeyslot {
  readonly keyslot: Luks2Keyslot;
  readonly material: Uint8Array;
}

/** Locks a volume key with a passphrase (LUKS2 On-Disk Format, section 3.2 and 4). */
export async function sealKeyslot(
  volumeKey: Uint8Array,
  passphrase: Uint8Array,
  kdf: KdfSpec,
  areaOffset: number,
  priority?: number,
): Promise<SealedKeyslot> {
  const salt = randomFillSync(new Uint8Array(32));
  // 512 bits, so that the slot is no weaker than AES-256 even where the volume key is AES-128.
  const areaKey = await deriveKey(kdf, passphrase, salt, 64, unlimited);
  const material = new Uint8Array(roundUp(volumeKey.length * stripes, ivSectorBytes));
  try {
    const split = splitKey(volumeKey, stripes, "sha256");
    material.set(split);
    split.fill(0);
    sectorCipher(parseCipher("seal key slot", "aes-xts-plain64"), areaKey, 512).encrypt(
      material,
      0,
    );
  } finally {
    areaKey.fill(0);
  }
  const keyslot: Luks2Keyslot = {
    type: "luks2",
    key_size: volumeKey.length,
    af: { type: "luks1", stripes, hash: "sha256" },
    area: {
      type: "raw",
      offset: String(areaOffset),
      size: String(keyslotAreaBytes(volumeKey.length)),
      encryption: "aes-xts-plain64",
      key_size: 64,
    },
    kdf: renderKdf(kdf, salt),
    ...(priority === undefined ? {} : { priority }),
  };
  return { keyslot, material };
}

/**
 * What `passphrase` makes of a slot: the volume key, or noise if it is the wrong one. Only a digest can tell.
 *
 * @throws `unsupported`, `too_costly`
 */
export async function openKeyslot(
  device: BlockDevice,
  keyslot: Luks2Keyslot,
  passphrase: Uint8Array,
  limits: KdfLimits,
): Promise<Uint8Array> {
  const { area, af } = keyslot;
  const spec = parseKdf(keyslot);
  const afHash = hashNameOf(af?.hash);
  if (!spec || !af || !afHash || !area.encryption || !area.key_size) {
    throw new LuksError("unsupported", `open key slot ${device.name}: unknown kind of key slot`);
  }
  const cipher = parseCipher("open key slot", area.encryption);
  const material = new Uint8Array(roundUp(keyslot.key_size * af.stripes, ivSectorBytes));
  await device.read(Number(area.offset), material);
  const salt = Buffer.from(keyslot.kdf?.salt ?? "", "base64");
  const areaKey = await deriveKey(spec, passphrase, salt, area.key_size, limits);
  try {
    sectorCipher(cipher, areaKey, 512).decrypt(material, 0);
    return mergeKey(material.subarray(0, keyslot.key_size * af.stripes), keyslot.key_size, afHash);
  } finally {
    areaKey.fill(0);
    material.fill(0);
  }
}

/** Undefined for a slot whose derivation we do not know. */
export function parseKdf({ kdf }: Luks2Keyslot): KdfSpec | undefined {
  if (!kdf) return undefined;
  if (kdf.type === "pbkdf2") {
    const hash = hashNameOf(kdf.hash);
    if (!hash) return undefined;
    return { type: "pbkdf2", hash, iterations: kdf.iterations };
  }
  if (kdf.type !== "argon2i" && kdf.type !== "argon2id") return undefined;
  return { type: kdf.type, passes: kdf.time, memoryKiB: kdf.memory, lanes: kdf.cpus };
}

function renderKdf(spec: KdfSpec, saltBytes: Uint8Array): Luks2Kdf {
  const salt = Buffer.from(saltBytes).toString("base64");
  if (spec.type === "pbkdf2") {
    return { type: "pbkdf2", hash: spec.hash, iterations: spec.iterations, salt };
  }
  const { passes: time, memoryKiB: memory, lanes: cpus } = spec;
  return { type: spec.type, time, memory, cpus, salt };
}

/** For costs that our own caller chose. */
const unlimited: KdfLimits = {
  maxMemoryKiB: Number.POSITIVE_INFINITY,
  maxPassesTimesMemoryKiB: Number.POSITIVE_INFINITY,
  maxIterations: Number.POSITIVE_INFINITY,
};
