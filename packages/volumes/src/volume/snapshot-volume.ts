import { randomUUID } from "node:crypto";
import type { ObjectId } from "@chatelaine/keys/interface";
import { readLuks } from "@chatelaine/luks";
import { locationOf } from "../disk/location.ts";
import { perform } from "../engine/perform.ts";
import { VolumeError } from "../model/errors.ts";
import type { VolumeRecord } from "../model/ledger.ts";
import type { VolumeContext } from "../model/volume-context.ts";
import { recover, recoverFor } from "../operations/registry.ts";
import { forgetSnapshotOperation, snapshotOperation } from "../operations/snapshot.ts";
import { refuseMismatch, refuseRecorded } from "../record/recorded-disk.ts";
import { trustedVolume } from "../record/trusted-volume.ts";

/**
 * Gives a snapshot, which the storage has made of a volume's disk already, a key
 * object of its own. So the volume can be rekeyed or deleted, and the snapshot
 * still opens; and the other way round.
 *
 * @param snapshotPath of the snapshot's file or block device
 * @throws `mismatch` if it is no snapshot of that volume; `integrity` if its header is another; `exists`
 */
export async function snapshotVolume(
  context: VolumeContext,
  path: string,
  snapshotPath: string,
): Promise<VolumeRecord> {
  await recoverFor(context, path);
  const { volume: parent, layout } = await trustedVolume(context, path);
  await refuseMismatch(context, parent.id, path);
  const header = await readLuks(snapshotPath);
  if (header.uuid !== parent.id) {
    throw new VolumeError(
      "mismatch",
      `snapshot ${snapshotPath}: it is of volume ${header.uuid}, not of ${parent.id}`,
    );
  }
  await refuseRecorded(context.ledger, "snapshot", snapshotPath);
  const volumeId = randomUUID();
  await perform(snapshotOperation, context, {
    volumeId,
    input: {
      location: await locationOf(snapshotPath),
      parentId: parent.id,
      parentKeyId: parent.keyId,
      format: header.version === 1 ? "luks1" : "luks2",
      cipher: header.cipher,
      layout,
    },
  });
  return (await context.ledger.volume(volumeId)) as VolumeRecord;
}

/**
 * Deletes a snapshot's key object, once the storage has removed the snapshot.
 *
 * @throws `not_found`
 */
export async function forgetSnapshot(context: VolumeContext, id: string): Promise<void> {
  await recover(context);
  const { keyId } = await findSnapshot(context, id);
  await perform(forgetSnapshotOperation, context, { volumeId: id, keyId, input: { keyId } });
}

/**
 * A snapshot as the ledger has it.
 *
 * @throws `not_found`
 */
export async function findSnapshot(
  { ledger }: VolumeContext,
  id: string,
): Promise<VolumeRecord & { readonly keyId: ObjectId }> {
  const found = await ledger.volume(id);
  if (found?.kind === "snapshot" && found.keyId !== undefined) {
    return { ...found, keyId: found.keyId };
  }
  throw new VolumeError("not_found", `snapshot ${id}: not in the ledger`);
}
