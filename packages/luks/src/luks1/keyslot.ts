import { randomFillSync, timingSafeEqual } from "node:crypto";
import { mergeKey, splitKey } from "../crypto/af-splitter.ts";
import { sectorCipher } from "../crypto/choose-cipher.ts";
import { type HashName, hashNameOf } from "../crypto/hashes.ts";
import { deriveKey, type KdfLimits } from "../crypto/kdf.ts";
import { ivSectorBytes } from "../crypto/sector-cipher.ts";
import type { BlockDevice } from "../device/device.ts";
import { LuksError } from "../errors.ts";
import { cipherOf, type Luks1Header, type Luks1Keyslot } from "./binary-header.ts";

/** In bytes, whole sectors. */
export function materialBytes(keyBytes: number, stripes: number): number {
  return Math.ceil((keyBytes * stripes) / ivSectorBytes) * ivSectorBytes;
}

/** Locks a volume key with a passphrase (LUKS1 On-Disk Format 1.2.3, section 4.2). */
export async function sealLuks1(
  header: Luks1Header,
  slot: Luks1Keyslot,
  volumeKey: Uint8Array,
  passphrase: Uint8Array,
  iterations: number,
): Promise<{ readonly keyslot: Luks1Keyslot; readonly material: Uint8Array }> {
  const salt = randomFillSync(new Uint8Array(32));
  const hash = hashOf("seal key slot", header);
  const spec = { type: "pbkdf2", hash, iterations } as const;
  const areaKey = await deriveKey(spec, passphrase, salt, header.keyBytes, unlimited);
  const material = new Uint8Array(materialBytes(header.keyBytes, slot.stripes));
  try {
    const split = splitKey(volumeKey, slot.stripes, hash);
    material.set(split);
    split.fill(0);
    sectorCipher(cipherOf("seal key slot", header), areaKey, ivSectorBytes).encrypt(material, 0);
  } finally {
    areaKey.fill(0);
  }
  return { keyslot: { ...slot, active: true, iterations, salt }, material };
}

/** What `passphrase` makes of a slot: the volume key, or noise. Only the digest can tell. */
export async function openLuks1(
  device: BlockDevice,
  header: Luks1Header,
  slot: Luks1Keyslot,
  passphrase: Uint8Array,
  limits: KdfLimits,
): Promise<Uint8Array> {
  const cipher = cipherOf("open key slot", header);
  const material = new Uint8Array(materialBytes(header.keyBytes, slot.stripes));
  await device.read(slot.materialOffset * ivSectorBytes, material);
  const hash = hashOf("open key slot", header);
  const spec = { type: "pbkdf2", hash, iterations: slot.iterations } as const;
  const areaKey = await deriveKey(spec, passphrase, slot.salt, header.keyBytes, limits);
  try {
    sectorCipher(cipher, areaKey, ivSectorBytes).decrypt(material, 0);
    const used = material.subarray(0, header.keyBytes * slot.stripes);
    return mergeKey(used, header.keyBytes, hash);
  } finally {
    areaKey.fill(0);
    material.fill(0);
  }
}

/** Section 3.1, mk-digest: 20 bytes of PBKDF2 over the volume key. */
export function luks1Digest(
  volumeKey: Uint8Array,
  hash: HashName,
  salt: Uint8Array,
  iterations: number,
  limits: KdfLimits = unlimited,
): Promise<Uint8Array> {
  return deriveKey({ type: "pbkdf2", hash, iterations }, volumeKey, salt, 20, limits);
}

export async function meetsLuks1Digest(
  volumeKey: Uint8Array,
  header: Luks1Header,
  limits: KdfLimits,
): Promise<boolean> {
  const { digestSalt, digestIterations } = header;
  const hash = hashOf("prove volume key", header);
  const digest = await luks1Digest(volumeKey, hash, digestSalt, digestIterations, limits);
  return timingSafeEqual(digest, header.digest);
}

/** @throws `unsupported` for a hash that no checked header has */
function hashOf(operation: string, { hash }: Luks1Header): HashName {
  const name = hashNameOf(hash);
  if (name) return name;
  throw new LuksError("unsupported", `${operation}: unknown hash`);
}

/** For costs that our own caller chose. */
const unlimited: KdfLimits = { maxIterations: Number.POSITIVE_INFINITY };
