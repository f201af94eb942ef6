import { KeyManagerError } from "@chatelaine/keys";
import { LuksError, testPassphrase, unlock, type VolumeKey } from "@chatelaine/luks";
import { VolumeError } from "./errors.ts";
import { inspectVolume } from "./inspect-volume.ts";
import type { Ledger } from "./ledger/ledger.ts";
import { lendPassphrase } from "./passphrase.ts";
import type { KeySource, Volume } from "./volume.ts";

/** A volume, and the key slot that its key has been seen to open. */
export interface VerifiedVolume extends Volume {
  readonly openedSlot: number;
}

/**
 * Proves that a disk opens with the key that it names. Writes nothing, maps nothing.
 *
 * @throws `missing_key`, `wrong_key`, `not_a_volume`
 */
export function verifyVolume(
  source: KeySource & { readonly ledger?: Ledger },
  path: string,
): Promise<VerifiedVolume> {
  return withProvenPassphrase(source, path, async (volume) => volume);
}

/**
 * Lends the passphrase that has been seen to open a volume. Asks the key manager
 * once.
 *
 * @throws as {@link verifyVolume}, and whatever `use` does
 */
export async function withProvenPassphrase<Result>(
  source: KeySource & { readonly ledger?: Ledger },
  path: string,
  use: (volume: VerifiedVolume, passphrase: Uint8Array) => Promise<Result>,
): Promise<Result> {
  const { volume, key } = await volumeAndKey(source, path);
  return lendPassphrase(key, async (passphrase) => {
    const openedSlot = await firstOpened(volume, path, (slot) =>
      testPassphrase(path, passphrase, { slot }),
    );
    return use({ ...volume, openedSlot }, passphrase);
  });
}

/**
 * The volume key, which whoever gets it destroys. Asks the key manager once.
 *
 * @throws as {@link verifyVolume}
 */
export async function unlockVolume(
  source: KeySource & { readonly ledger?: Ledger },
  path: string,
): Promise<{ readonly volume: Volume; readonly volumeKey: VolumeKey }> {
  const { volume, key } = await volumeAndKey(source, path);
  const { volumeKey } = await lendPassphrase(key, (passphrase) =>
    firstOpened(volume, path, (slot) => unlock(path, passphrase, { slot })),
  );
  return { volume, volumeKey };
}

async function volumeAndKey(source: KeySource & { readonly ledger?: Ledger }, path: string) {
  const volume = await inspectVolume(path, source.ledger);
  const key = await source.keyManager.get(source.caller, volume.keyId).catch((cause: unknown) => {
    if (!(cause instanceof KeyManagerError) || cause.code !== "not_found") throw cause;
    throw new VolumeError(
      "missing_key",
      `verify ${path}: the key manager has no key ${volume.keyId}`,
      { cause },
    );
  });
  return { volume, key };
}

async function firstOpened<Result>(
  volume: Volume,
  path: string,
  open: (slot: number) => Promise<Result>,
): Promise<Result> {
  for (const slot of volume.slots) {
    try {
      return await open(slot);
    } catch (error) {
      if (
        !(error instanceof LuksError) ||
        !["wrong_passphrase", "no_such_slot"].includes(error.code)
      )
        throw error;
    }
  }
  throw new VolumeError(
    "wrong_key",
    `verify ${path}: key ${volume.keyId} opens none of the slots it should`,
  );
}
