import { refuseUnknownOptions } from "@chatelaine/keys/interface";
import { perform } from "../engine/perform.ts";
import { discardableKey } from "../key/managed-key.ts";
import type { VolumeContext } from "../model/volume-context.ts";
import { decryptOperation } from "../operations/decrypt.ts";
import { inPlaceInput } from "../operations/in-place.ts";
import { recoverFor } from "../operations/registry.ts";
import { recordedLocation, refuseMismatch } from "../record/recorded-disk.ts";
import { assertDeletable, type DeletedVolume } from "./delete-volume.ts";
import { proveVolume } from "./verify-volume.ts";

/** How a volume becomes a plain disk. */
export interface DecryptVolumeOptions {
  /** As of `encryptVolume`. */
  readonly journal?: string | undefined;
}

/**
 * Decrypts a volume where it is, so that everybody who has the disk can read it, and
 * deletes its key, if the ledger has it for the volume. A file shrinks by its header; the end of a block device is zeroed.
 * Nobody may use the disk meanwhile.
 *
 * It can be killed at any instant, as `encryptVolume`.
 *
 * @throws `missing_key`, `wrong_key`, `busy`, `mismatch`, `invalid_argument`, `io` if there is no
 *   room, before anything is changed; `unfinished`
 */
export async function decryptVolume(
  context: VolumeContext,
  path: string,
  options: DecryptVolumeOptions = {},
): Promise<DeletedVolume> {
  refuseUnknownOptions("decryptVolume", options, ["journal"]);
  await recoverFor(context, path);
  const { openedSlot: _slot, layoutRecord: _record, ...volume } = await proveVolume(context, path);
  const { id, keyId } = volume;
  const location = await recordedLocation(context.ledger, path);
  await refuseMismatch(context, id, path);
  const known = await context.ledger.volume(id);
  const own = discardableKey(known);
  const keyIds = own === undefined ? [] : [own];
  for (const one of keyIds) await assertDeletable(context, id, one);
  const place = await inPlaceInput("decrypt", location, options.journal);
  const input = { ...place, keyId, keyIds };
  const { keyDeleted } = await perform(decryptOperation, context, {
    volumeId: id,
    keyId: known?.keyId,
    input,
  });
  return { ...volume, keyDeleted, otherKeyIds: [] };
}
