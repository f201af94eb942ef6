import { KeyManagerError, type ObjectId, refuseUnknownOptions } from "@chatelaine/keys/interface";
import { readLuks } from "@chatelaine/luks";
import { occupantOf } from "../disk/location.ts";
import { tokensOf } from "../disk/tokens.ts";
import { perform } from "../engine/perform.ts";
import { requireUnused } from "../host/disk-use.ts";
import { requireWritable } from "../host/writable.ts";
import { discardableKey, keysNamed, volumeOfKeyName } from "../key/managed-key.ts";
import { isCode } from "../key/missing-key.ts";
import { VolumeError } from "../model/errors.ts";
import type { Ledger, VolumeRecord } from "../model/ledger.ts";
import type { Volume } from "../model/volume.ts";
import type { VolumeContext } from "../model/volume-context.ts";
import { deleteOperation } from "../operations/delete.ts";
import { recoverFor } from "../operations/registry.ts";
import { recordedLocation, refuseMismatch } from "../record/recorded-disk.ts";
import { inspectVolume } from "./inspect-volume.ts";

/** Which key is deleted in addition to the one that the ledger has for the volume. */
export interface DeleteVolumeOptions {
  /**
   * A key to delete with the disk, even if it was not made for it. For a disk that the ledger does
   * not know: its key stays otherwise. Nothing is deleted if the ledger has this key for another volume.
   */
  readonly deleteKeyId?: ObjectId | undefined;
}

export interface DeletedVolume extends Volume {
  /** False if the key stays in the key manager, because others need it or may need it, or the user brought it. */
  readonly keyDeleted: boolean;
  /** Keys that only the disk names. They were left alone. */
  readonly otherKeyIds: readonly string[];
}

/** What deleting a volume would touch. */
export interface DeletionPreview extends Volume {
  /** The key that would be deleted, unless others need it or the user brought it. */
  readonly deletesKeyId: ObjectId | undefined;
  /** Keys that only the disk names. They would be left alone. */
  readonly otherKeyIds: readonly string[];
}

/**
 * Deletes a volume: first the disk, then the key that the ledger has for it, so that a key never
 * goes before what it opens. A file is removed; on a block device the header is overwritten, which
 * is what makes the data unreadable.
 *
 * Of a disk that is not in the ledger only the disk is deleted: the key that it names may be needed
 * by the disk that it is a copy of, or by one that it only claims to be.
 *
 * @throws `not_a_volume`, `mismatch`, `busy` while anybody uses the disk, before anything is touched; `unfinished` if
 *   the disk is gone but the key is not: `recover` deletes it
 */
export async function deleteVolume(
  context: VolumeContext,
  path: string,
  options: DeleteVolumeOptions = {},
): Promise<DeletedVolume> {
  refuseUnknownOptions("deleteVolume", options, ["deleteKeyId"]);
  await recoverFor(context, path);
  const { volume, known, keyIds, otherKeyIds } = await doomed(context.ledger, path, options);
  const { deleteKeyId } = options;
  const location = await recordedLocation(context.ledger, path);
  const occupant = await occupantOf(location);
  if (occupant !== "nothing") await requireWritable("delete", location);
  await requireUnused("delete", location);
  // Refuses now, not after the disk is gone, if nobody answers or the caller may read the key but not delete it.
  for (const keyId of keyIds) await assertDeletable(context, volume.id, keyId);
  if (deleteKeyId !== undefined) await assertDeletable(context, volume.id, deleteKeyId);
  const { keyDeleted } = await perform(deleteOperation, context, {
    volumeId: volume.id,
    keyId: known?.keyId,
    input: {
      location,
      occupant: occupant === "device" ? "device" : "file",
      headerAreaBytes: (await readLuks(path)).headerAreaBytes,
      keyIds,
      ...(deleteKeyId !== undefined && { deleteKeyId }),
    },
  });
  return { ...volume, keyDeleted, otherKeyIds };
}

/** What `deleteVolume` would do, as far as ledger and disk can say. Deletes nothing, asks no key manager. */
export async function previewDeletion(
  ledger: Ledger | undefined,
  path: string,
  options: DeleteVolumeOptions = {},
): Promise<DeletionPreview> {
  refuseUnknownOptions("previewDeletion", options, ["deleteKeyId"]);
  const { volume, keyIds, otherKeyIds } = await doomed(ledger, path, options);
  return { ...volume, deletesKeyId: options.deleteKeyId ?? keyIds[0], otherKeyIds };
}

async function doomed(
  ledger: Ledger | undefined,
  path: string,
  { deleteKeyId }: DeleteVolumeOptions,
) {
  const volume = await inspectVolume(path, ledger);
  if (ledger !== undefined) {
    await refuseMismatch({ ledger }, volume.id, path);
    if (deleteKeyId !== undefined) await refuseOthersKey(ledger, path, volume.id, deleteKeyId);
  }
  const known = await ledger?.volume(volume.id);
  const own = discardableKey(known);
  const keyIds = own === undefined ? [] : [own];
  const named = tokensOf(await readLuks(path)).map(({ object }) => object);
  const otherKeyIds = [...new Set(named)].filter((id) => id !== (deleteKeyId ?? known?.keyId));
  return { volume, known, keyIds, otherKeyIds };
}

/** @throws `mismatch` if the ledger has the key for another volume, or another key for this one */
async function refuseOthersKey(
  ledger: Ledger,
  path: string,
  volumeId: string,
  keyId: ObjectId,
): Promise<void> {
  const refusal = ({ id, keyId: own }: VolumeRecord, whose: string) =>
    new VolumeError(
      "mismatch",
      `delete ${path}: the ledger has key ${own} for ${whose} ${id}: leave out key ${keyId}`,
    );
  const here = await ledger.volume(volumeId);
  if (here !== undefined && here.keyId !== keyId) throw refusal(here, "this volume,");
  const [other] = (await ledger.volumes({ keyId })).filter(({ id }) => id !== volumeId);
  if (other !== undefined) throw refusal(other, "volume");
}

/** A key that was made for the volume must be in the caller's own project: only there can it be deleted. */
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
