import type { ObjectId } from "@chatelaine/keys/interface";
import { checkHeader, LuksError, layoutOf, readLuks, testPassphrase } from "@chatelaine/luks";
import { locationOf, occupantOf } from "../disk/location.ts";
import { perform } from "../engine/perform.ts";
import { fetchKey } from "../key/fetch-key.ts";
import { lendPassphrase } from "../key/passphrase.ts";
import { VolumeError } from "../model/errors.ts";
import { layoutChanges } from "../model/layout.ts";
import type { VolumeContext } from "../model/volume-context.ts";
import { backupHeaderOperation, bytesOf, restoreHeaderOperation } from "../operations/header.ts";
import { fingerprintOf } from "../operations/reencrypt.ts";
import { recoverFor } from "../operations/registry.ts";
import { recordAt, recordedLocation, refuseMismatch } from "../record/recorded-disk.ts";
import { changedHeader } from "../record/trusted-volume.ts";
import { proveVolume, type VerifiedVolume, verifyVolume } from "./verify-volume.ts";

/**
 * Copies a volume's header and key slots to a new file, proves that the volume's
 * key opens the copy, and notes it in the ledger. After a rekey, make a new one:
 * an old backup holds the old slot only.
 *
 * @throws `exists`, `missing_key`, `wrong_key`
 */
export async function backupVolumeHeader(
  context: VolumeContext,
  path: string,
  file: string,
): Promise<void> {
  await recoverFor(context, path);
  const { id, keyId } = await proveVolume(context, path);
  const location = await recordedLocation(context.ledger, path);
  const target = await locationOf(file);
  await refuseMismatch(context, id, path);
  if ((await occupantOf(target)) !== "nothing") {
    throw new VolumeError("exists", `back up header to ${file}: the file already exists`);
  }
  const input = { location, file: target, keyId, isLost: false };
  await perform(backupHeaderOperation, context, { volumeId: id, keyId, input });
}

/**
 * Puts a header backup back, also onto a disk whose header is destroyed, if the
 * ledger knows which volume that was. Nothing is written unless the volume's key
 * opens the backup.
 *
 * @param file default: the newest that the ledger knows
 * @throws `not_found`, `mismatch`, `integrity`; `LuksError` `wrong_disk`, `wrong_passphrase`
 */
export async function restoreVolumeHeader(
  context: VolumeContext,
  path: string,
  file?: string,
): Promise<VerifiedVolume> {
  await recoverFor(context, path);
  const { id, ...input } = await restoreOf(context, path, file);
  await perform(restoreHeaderOperation, context, { volumeId: id, keyId: input.keyId, input });
  return verifyVolume(context, path);
}

/** What restoring a header would touch. */
export interface HeaderRestorePreview {
  readonly id: string;
  readonly path: string;
  /** The backup. */
  readonly file: string;
  readonly keyId: ObjectId;
  /** The slot of the backup that the volume's key opens. */
  readonly openedSlot: number;
  /** The disk has no header that could be read. */
  readonly isLost: boolean;
}

/** What `restoreVolumeHeader` would do, refused as it would refuse it. Writes nothing. */
export async function previewHeaderRestore(
  context: VolumeContext,
  path: string,
  from?: string,
): Promise<HeaderRestorePreview> {
  const { id, file, keyId, isLost } = await restoreOf(context, path, from);
  const key = await fetchKey(context, keyId, `restore header of ${path}`);
  const openedSlot = await lendPassphrase(key, (passphrase) => testPassphrase(file, passphrase));
  return { id, path, file, keyId, openedSlot, isLost };
}

async function restoreOf(context: VolumeContext, path: string, file: string | undefined) {
  const volume = await recordAt(context.ledger, path);
  const backup = file ?? volume?.headerBackup;
  if (volume?.keyId === undefined || backup === undefined) {
    throw new VolumeError(
      "not_found",
      `restore header of ${path}: the ledger has no ${volume === undefined ? "volume" : "header backup of it"}`,
    );
  }
  const { location } = volume;
  const saved = await checkHeader(backup);
  if (saved.uuid !== volume.id) {
    throw new VolumeError(
      "mismatch",
      `restore header of ${path}: ${backup} belongs to volume ${saved.uuid}, not to ${volume.id}`,
    );
  }
  const isLost = await readLuks(path).then(
    () => false,
    (error: unknown) => {
      if (error instanceof LuksError && ["not_luks", "corrupt_header"].includes(error.code))
        return true;
      throw error;
    },
  );
  const known = volume.attributes["volumeKey"];
  if (known !== undefined && fingerprintOf(saved) !== known) {
    throw new VolumeError(
      "mismatch",
      `restore header of ${path}: ${backup} is older than a re-encryption: restoring it would make the data unreadable`,
    );
  }
  if (volume.layout !== undefined) {
    const changes = layoutChanges(volume.layout, layoutOf(saved, await bytesOf(location)));
    if (changes.length > 0) throw changedHeader(backup, changes);
  }
  return { id: volume.id, location, file: backup, keyId: volume.keyId, isLost };
}
