import { type BlockDevice, type DeviceReference, withDevice } from "./device.ts";
import type { KdfLimits } from "./kdf.ts";
import { requirePassphrase } from "./keyslot-spec.ts";
import { loadLuks } from "./load.ts";
import { refuseUnknownOptions } from "./options.ts";
import { VolumeKey } from "./volume-key.ts";

/** Which slots to try, and at what cost. */
export interface UnlockOptions {
  /** Try this slot only. Default: all, by priority. */
  readonly slot?: number;
  /** What the header may make us spend on key derivation. */
  readonly limits?: KdfLimits;
}

/**
 * Finds the key slot that a passphrase opens. Writes nothing, keeps nothing.
 *
 * @returns the slot's number
 * @throws `wrong_passphrase`, `no_such_slot`, `too_costly`, and what `readLuks` throws
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
    const { slot, key } = await unlockOpened(operation, opened, passphrase, options);
    try {
      return { slot, volumeKey: new VolumeKey(key) };
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
): Promise<{ slot: number; key: Uint8Array }> {
  refuseUnknownOptions(operation, options, ["slot", "limits"]);
  requirePassphrase(operation, passphrase);
  const disk = await loadLuks(operation, device);
  disk.requireUsable(operation);
  return disk.unlock(operation, passphrase, options.slot, options.limits ?? {});
}
