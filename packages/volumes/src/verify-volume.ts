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
export async function verifyVolume(
  source: KeySource & { readonly ledger?: Ledger },
  path: string,
): Promise<VerifiedVolume> {
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
    for (const slot of volume.slots) {
      try {
        return { ...volume, openedSlot: await testPassphrase(path, passphrase, { slot }) };
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
  });
}
