import { KeyManagerError, type ObjectId } from "@chatelaine/keys";
import { readLuks } from "@chatelaine/luks";
import { locationOf, occupantOf } from "./disk/location.ts";
import { inspectVolume } from "./inspect-volume.ts";
import { deleteOperation } from "./operations/delete.ts";
import { perform } from "./operations/perform.ts";
import { recover } from "./operations/registry.ts";
import { refuseMismatch } from "./rekey-volume.ts";
import type { Volume } from "./volume.ts";
import type { VolumeContext } from "./volume-context.ts";
import { isCode, keysNamed, volumeOfKeyName } from "./volume-key.ts";

export interface DeletedVolume extends Volume {
  /** False if the key stays in the key manager, because others need it too or the user brought it. */
  readonly keyDeleted: boolean;
}

/**
 * Deletes a volume: first the disk, then the key, so that a key never goes
 * before what it opens. A file is removed; on a block device the header is
 * overwritten, which is what makes the data unreadable. Also works on a disk
 * that names its key but is not in the ledger.
 *
 * @throws `not_a_volume`, `mismatch` before anything is touched; `unfinished` if
 *   the disk is gone but the key is not: `recover` deletes it
 */
export async function deleteVolume(context: VolumeContext, path: string): Promise<DeletedVolume> {
  await recover(context);
  const volume = await inspectVolume(path, context.ledger);
  const location = await locationOf(path);
  const occupant = await occupantOf(location);
  await refuseMismatch(context, volume.id, location);
  const known = await context.ledger.volume(volume.id);
  const keyIds = [...new Set([volume.keyId, known?.keyId ?? volume.keyId])];
  // Refuses now, not after the disk is gone, if nobody answers or the caller may read the key but not delete it.
  for (const keyId of keyIds) {
    await assertDeletable(context, volume.id, keyId);
  }
  const { keyDeleted } = await perform(deleteOperation, context, {
    volumeId: volume.id,
    keyId: known?.keyId,
    input: {
      location,
      occupant: occupant === "device" ? "device" : "file",
      headerAreaBytes: (await readLuks(path)).headerAreaBytes,
      keyIds,
    },
  });
  return { ...volume, keyDeleted };
}

/** A key that was made for the volume must be in the caller's own project: only there can he delete it. */
export async function assertDeletable(
  context: VolumeContext,
  volumeId: string,
  keyId: ObjectId,
): Promise<void> {
  try {
    const { name } = await context.keyManager.describe(context.caller, keyId);
    if (name === undefined || volumeOfKeyName(name) !== volumeId) return;
    if ((await keysNamed(context, name)).some(({ id }) => id === keyId)) return;
  } catch (error) {
    if (isCode(error, "not_found")) return;
    throw error;
  }
  throw new KeyManagerError(
    "forbidden",
    `delete volume ${volumeId}: the caller may read key ${keyId}, but it is another project's`,
  );
}
