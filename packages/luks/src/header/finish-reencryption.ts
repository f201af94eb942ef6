import type { KdfLimits } from "../crypto/kdf.ts";
import { VolumeKey } from "../crypto/volume-key.ts";
import { type BlockDevice, type DeviceReference, withDevice } from "../device/device.ts";
import { requirePassphrase } from "../format/keyslot-spec.ts";
import { diskOf } from "../format/snapshot.ts";
import { lockReencryption } from "../in-use/header-lock.ts";
import type { CheckedLuks2Disk } from "../luks2/checked-disk.ts";
import { Luks2Disk } from "../luks2/disk.ts";
import { type FinishedReencryption, finishedReencryption } from "../luks2/finished-reencryption.ts";
import { eraseArea } from "../luks2/key-area.ts";
import { refuseUnknownOptions } from "../options.ts";
import { loadLuks } from "./load.ts";
import type { Unlocked } from "./unlock.ts";

/**
 * Whether cryptsetup has re-encrypted all data of a LUKS2 disk, and nothing but the end of it is missing in the header.
 * Anyone who can write the device decides what it says.
 *
 * @throws as `readLuks`
 */
export async function isReencryptionDone(device: DeviceReference): Promise<boolean> {
  const operation = "read header";
  return withDevice(operation, device, "read", async (opened) => {
    return (await loadDone(operation, opened)) !== undefined;
  });
}

/** Bounds for opening the key slot, and a look before the header is written. */
export interface FinishReencryptionOptions {
  /** What the header may make us spend on key derivation. */
  readonly limits?: KdfLimits;
  /**
   * Looks at the header that the disk would get, and at the volume key that its data has then. Throws to leave the disk as
   * it is. The volume key is destroyed afterwards.
   */
  readonly before?: (unlocked: Unlocked) => Promise<void>;
}

/**
 * Finishes what cryptsetup cannot finish: it was killed at the end of a re-encryption, all data has the new volume key, and
 * it asks for the old one. Removes the state of the re-encryption and the old key's slots from the header, and
 * erases where they lay. No data is read or written. After a cut, call it again.
 *
 * Does not check whether the data of a detached header is open: close it first.
 *
 * @param passphrase opens a slot of the new volume key
 * @returns false if that is not the state of the disk (`isReencryptionDone`)
 * @throws `wrong_passphrase`; `busy` while it is open or a cryptsetup works on it; and as `checkHeader`, for the header
 *   that it would get
 */
export async function finishReencryption(
  device: DeviceReference,
  passphrase: Uint8Array,
  options: FinishReencryptionOptions = {},
): Promise<boolean> {
  const operation = "finish re-encryption";
  refuseUnknownOptions(operation, options, ["limits", "before"]);
  requirePassphrase(operation, passphrase);
  const found = await withDevice(operation, device, "read", async (opened) => {
    const done = await loadDone(operation, opened);
    return done && { name: opened.name, uuid: done.disk.checked(operation).uuid };
  });
  if (found === undefined) return false;
  const lock = await lockReencryption(operation, found.name, found.uuid);
  try {
    return await withDevice(operation, device, "exclusive", async (opened) => {
      await opened.claim?.();
      return finish(operation, opened, passphrase, options);
    });
  } finally {
    await lock.release();
  }
}

async function finish(
  operation: string,
  device: BlockDevice,
  passphrase: Uint8Array,
  { limits = {}, before }: FinishReencryptionOptions,
): Promise<boolean> {
  const done = await loadDone(operation, device);
  if (done === undefined) return false;
  const header = done.disk.checked(operation);
  const disk = diskOf(operation, header, device) as CheckedLuks2Disk;
  const { slot, key } = await disk.unlock(operation, passphrase, undefined, limits);
  const volumeKey = new VolumeKey(key);
  key.fill(0);
  try {
    await before?.({ slot, header, volumeKey });
  } finally {
    volumeKey.destroy();
  }
  // As cryptsetup does: once the header does not name them, an interruption would leave them unerased.
  for (const area of done.areas) await eraseArea(device, area);
  await disk.change(operation, {});
  return true;
}

interface Done extends Pick<FinishedReencryption, "areas"> {
  /** With the metadata that it is to get. */
  readonly disk: Luks2Disk;
}

async function loadDone(operation: string, device: BlockDevice): Promise<Done | undefined> {
  const disk = await loadLuks(operation, device);
  if (!(disk instanceof Luks2Disk)) return undefined;
  const finished = finishedReencryption(disk.header.metadata);
  if (finished === undefined) return undefined;
  const { metadata, areas } = finished;
  return { disk: new Luks2Disk(device, { ...disk.header, metadata }), areas };
}
