import { KeyManagerError } from "@chatelaine/keys";
import { LuksError, testPassphrase } from "@chatelaine/luks";
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
  const volume = await inspectVolume(path, source.ledger);
  const key = await source.keyManager.get(source.caller, volume.keyId).catch((cause: unknown) => {
    if (!(cause instanceof KeyManagerError) || cause.code !== "not_found") throw cause;
    throw new VolumeError(
      "missing_key",
      `verify ${path}: the key manager has no key ${volume.keyId}`,
      { cause },
    );
  });
  return lendPassphrase(key, async (passphrase) => {
    const openedSlot = await openedSlotOf(volume, path, passphrase);
    return use({ ...volume, openedSlot }, passphrase);
  });
}

async function openedSlotOf(volume: Volume, path: string, passphrase: Uint8Array): Promise<number> {
  for (const slot of volume.slots) {
    try {
      return await testPassphrase(path, passphrase, { slot });
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
