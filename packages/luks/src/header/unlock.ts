import type { KdfLimits } from "../crypto/kdf.ts";
import { VolumeKey } from "../crypto/volume-key.ts";
import { type BlockDevice, type DeviceReference, withDevice } from "../device/device.ts";
import type { CheckedHeader } from "../format/checked-header.ts";
import { requirePassphrase } from "../format/keyslot-spec.ts";
import { diskOf } from "../format/snapshot.ts";
import { refuseUnknownOptions } from "../options.ts";
import { loadChecked } from "./load.ts";

/** Which slots to try, and at what cost. */
export interface UnlockOptions {
  /** Try this slot only. Default: all, by priority. */
  readonly slot?: number;
  /** What the header may make us spend on key derivation. */
  readonly limits?: KdfLimits;
  /** What {@link checkHeader} returned for this device. Default: the header is read and checked now. */
  readonly header?: CheckedHeader;
}

/**
 * Finds the key slot that a passphrase opens. Writes nothing, keeps nothing.
 *
 * @returns the slot's number
 * @throws `wrong_passphrase`, `no_such_slot`, `too_costly`, and what `checkHeader` throws
 */
export async function testPassphrase(
  device: DeviceReference,
  passphrase: Uint8Array,
  options: UnlockOptions = {},
): Promise<number> {
  const operation = "test passphrase";
  return withDevice(operation, device, "read", async (opened) => {
    const { slot, key } = await unlockOpened(operation, opened, passphrase, options);
    key.fill(0);
    return slot;
  });
}

/** A volume key, and the slot that gave it. Destroy the key after use, or say `using`. */
export interface Unlocked {
  readonly slot: number;
  /** What the volume key was proven by, and what a mapping is to be made of. */
  readonly header: CheckedHeader;
  readonly volumeKey: VolumeKey;
}

/**
 * Opens a key slot and hands out the volume key.
 *
 * @throws as {@link testPassphrase}
 */
export async function unlock(
  device: DeviceReference,
  passphrase: Uint8Array,
  options: UnlockOptions = {},
): Promise<Unlocked> {
  const operation = "unlock";
  return withDevice(operation, device, "read", async (opened) => {
    const { slot, key, header } = await unlockOpened(operation, opened, passphrase, options);
    try {
      return { slot, header, volumeKey: new VolumeKey(key) };
    } finally {
      key.fill(0);
    }
  });
}

async function unlockOpened(
  operation: string,
  device: BlockDevice,
  passphrase: Uint8Array,
  options: UnlockOptions,
): Promise<{ slot: number; key: Uint8Array; header: CheckedHeader }> {
  refuseUnknownOptions(operation, options, ["slot", "limits", "header"]);
  requirePassphrase(operation, passphrase);
  const { slot, limits = {}, header } = options;
  const disk = header ? diskOf(operation, header, device) : await loadChecked(operation, device);
  return { ...(await disk.unlock(operation, passphrase, slot, limits)), header: disk.header };
}
