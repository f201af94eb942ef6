import { LuksError, type Unlocked, unlock } from "@chatelaine/luks";
import { fetchKey } from "../key/fetch-key.ts";
import { lendPassphrase } from "../key/passphrase.ts";
import { VolumeError } from "../model/errors.ts";
import type { Volume } from "../model/volume.ts";
import { recordFirstLayout } from "../record/record-layout.ts";
import {
  type GrowthOptions,
  type TrustedVolume,
  type TrustOptions,
  trustedVolume,
  type VolumeSource,
} from "../record/trusted-volume.ts";

/** A volume, and the key slot that its key has been seen to open. */
export interface VerifiedVolume extends Volume {
  readonly openedSlot: number;
  /**
   * What the ledger says of the header:
   *
   * - `recorded`: it has a layout, and the header is as recorded.
   * - `missing`: its row is from before layouts; the next open fills it.
   * - `no_row`: it does not know the disk.
   */
  readonly layoutRecord: "recorded" | "missing" | "no_row";
}

/**
 * Proves that a disk opens with its key: the one that the ledger has for it; without a row in
 * the ledger, the one that the caller names, or that the disk names and is registered for it in
 * the caller's own project. Writes nothing, maps nothing.
 *
 * @throws `missing_key`, `wrong_key`, `not_a_volume`, `integrity`, `untrusted`
 */
export function verifyVolume(
  source: VolumeSource,
  path: string,
  options: TrustOptions = {},
): Promise<VerifiedVolume> {
  return proven(source, path, options, async (volume) => volume);
}

/**
 * As {@link verifyVolume}, before something is done with the volume: a row of the ledger
 * from before layouts is filled.
 */
export function proveVolume(
  source: VolumeSource,
  path: string,
  options: TrustOptions & GrowthOptions = {},
): Promise<VerifiedVolume> {
  return withProvenPassphrase(source, path, async (volume) => volume, options);
}

/**
 * Lends the passphrase that has been seen to open a volume. Asks the key manager
 * once.
 *
 * @throws as {@link verifyVolume}, and whatever `use` does
 */
export async function withProvenPassphrase<Result>(
  source: VolumeSource,
  path: string,
  use: (volume: VerifiedVolume, passphrase: Uint8Array) => Promise<Result>,
  options: TrustOptions & GrowthOptions = {},
): Promise<Result> {
  return proven(source, path, options, async (volume, passphrase, trusted) => {
    const layoutRecord = (await recordOpened(source, trusted)) ? "recorded" : volume.layoutRecord;
    return use({ ...volume, layoutRecord }, passphrase);
  });
}

/** A volume whose key has opened a slot. */
export interface UnlockedVolume extends Unlocked {
  readonly volume: Volume;
}

/**
 * The volume key, which the caller destroys, and the header that proved it. Asks the key manager once, and reads
 * the header once.
 *
 * @throws as {@link verifyVolume}
 */
export async function unlockVolume(
  source: VolumeSource,
  path: string,
  options: TrustOptions = {},
): Promise<UnlockedVolume> {
  const { trusted, key } = await volumeAndKey(source, path, options);
  const unlocked = await lendPassphrase(key, (passphrase) =>
    unlockTrusted(trusted, path, passphrase),
  );
  try {
    await recordOpened(source, trusted);
  } catch (error) {
    unlocked.volumeKey.destroy();
    throw error;
  }
  return { ...unlocked, volume: trusted.volume };
}

async function proven<Result>(
  source: VolumeSource,
  path: string,
  options: TrustOptions & GrowthOptions,
  use: (volume: VerifiedVolume, passphrase: Uint8Array, trusted: TrustedVolume) => Promise<Result>,
): Promise<Result> {
  const { trusted, key } = await volumeAndKey(source, path, options);
  return lendPassphrase(key, async (passphrase) => {
    const { slot: openedSlot, volumeKey } = await unlockTrusted(trusted, path, passphrase);
    volumeKey.destroy();
    const layoutRecord = layoutRecordOf(trusted);
    return use({ ...trusted.volume, openedSlot, layoutRecord }, passphrase, trusted);
  });
}

function layoutRecordOf({ record }: TrustedVolume): VerifiedVolume["layoutRecord"] {
  if (record === undefined) return "no_row";
  return record.layout === undefined ? "missing" : "recorded";
}

/** @returns whether the ledger has the layout now */
async function recordOpened(
  { ledger }: VolumeSource,
  { record, layout }: TrustedVolume,
): Promise<boolean> {
  if (ledger === undefined || record === undefined) return false;
  return recordFirstLayout(ledger, record, layout);
}

async function volumeAndKey(
  source: VolumeSource,
  path: string,
  options: TrustOptions & GrowthOptions,
) {
  const trusted = await trustedVolume(source, path, options);
  const { volume } = trusted;
  const key = await fetchKey(source, volume.keyId, `verify ${path}`);
  return { trusted, key };
}

/** Tries the slots that the volume's key opens, and that open the data, by the header that was compared. */
async function unlockTrusted(
  { volume, header }: TrustedVolume,
  path: string,
  passphrase: Uint8Array,
): Promise<Unlocked> {
  for (const slot of volume.slots.filter((number) => header.waysIn.includes(number))) {
    try {
      return await unlock(path, passphrase, { slot, header });
    } catch (error) {
      if (!(error instanceof LuksError) || error.code !== "wrong_passphrase") throw error;
    }
  }
  throw new VolumeError(
    "wrong_key",
    `verify ${path}: key ${volume.keyId} opens none of its key slots`,
  );
}
