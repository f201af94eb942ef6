import { type ObjectId, refuseUnknownOptions } from "@chatelaine/keys/interface";
import { exclusively, perform } from "../engine/perform.ts";
import { mappingOf } from "../host/disk-use.ts";
import { fetchKey } from "../key/fetch-key.ts";
import type { VolumeContext } from "../model/volume-context.ts";
import { inPlaceInput } from "../operations/in-place.ts";
import { examine, reencryptOperation } from "../operations/reencrypt.ts";
import { recoverFor } from "../operations/registry.ts";
import { recordedLocation, refuseMismatch } from "../record/recorded-disk.ts";
import { trustedVolume } from "../record/trusted-volume.ts";
import { rekeyVolume } from "./rekey-volume.ts";
import { type VerifiedVolume, verifyVolume } from "./verify-volume.ts";

/** How a volume is encrypted anew. */
export interface ReencryptVolumeOptions {
  /**
   * The volume gets a new key first, so that whoever has a copy of the old key, of a
   * header or of the volume key opens nothing any more. Default false: the key stays.
   */
  readonly rekey?: boolean | undefined;
  /** Key slots that open with something else than the volume's key are lost. Default false: such a disk is refused. */
  readonly dropOtherSlots?: boolean | undefined;
  /**
   * Folder for what a resumption needs, made and removed by the operation. Default: the
   * file's path with `.chatelaine` behind it. Required for a block device that is not open.
   */
  readonly journal?: string | undefined;
}

/** A volume that has been encrypted anew. */
export interface ReencryptedVolume extends VerifiedVolume {
  /** The plaintext was in use all the while. */
  readonly wasOpen: boolean;
}

/**
 * Gives a volume a new volume key and encrypts every sector anew: who has a copy of
 * the old volume key reads nothing that is written from now on, nor what was.
 *
 * An open volume (`openVolume`) stays open and may be written to: cryptsetup does it,
 * and it must be LUKS2. One that is not open must not be used meanwhile. A file's
 * holes are written. Header backups from before are useless afterwards, and the
 * ledger forgets its own.
 *
 * It can be killed at any instant: `recover` goes on, and until then the volume does
 * not open, unless it is open.
 *
 * @throws `missing_key`, `wrong_key`, `busy`, `mismatch`, `invalid_argument`, `io` if there is
 *   no room, before anything is changed; `unfinished`
 */
export async function reencryptVolume(
  context: VolumeContext,
  path: string,
  options: ReencryptVolumeOptions = {},
): Promise<ReencryptedVolume> {
  await recoverFor(context, path);
  let { id, input } = await inputOf(context, path, options);
  await exclusively(context, id, input.keyId, () =>
    examine(input, (keyId) => fetchKey(context, keyId)),
  );
  if (options.rekey === true) {
    await rekeyVolume(context, path);
    ({ id, input } = await inputOf(context, path, options));
  }
  const facts = await perform(reencryptOperation, context, {
    volumeId: id,
    keyId: input.keyId,
    input,
  });
  return { ...(await verifyVolume(context, path)), wasOpen: facts.isMapped };
}

/** What re-encrypting a volume would touch. */
export interface ReencryptionPreview {
  readonly id: string;
  readonly path: string;
  readonly keyId: ObjectId;
  /** The kernel shows its plaintext: cryptsetup would do it. */
  readonly isOpen: boolean;
  /** Key slots that would be lost. */
  readonly otherSlots: readonly number[];
}

/** What `reencryptVolume` would do, refused as it would refuse it. Writes nothing. */
export async function previewReencryption(
  context: VolumeContext,
  path: string,
  options: ReencryptVolumeOptions = {},
): Promise<ReencryptionPreview> {
  const { id, input } = await inputOf(context, path, options);
  const { isMapped, otherSlots } = await examine(input, (keyId) => fetchKey(context, keyId));
  return { id, path, keyId: input.keyId, isOpen: isMapped, otherSlots };
}

async function inputOf(context: VolumeContext, path: string, options: ReencryptVolumeOptions) {
  refuseUnknownOptions("reencryptVolume", options, ["rekey", "dropOtherSlots", "journal"]);
  const { dropOtherSlots = false, journal } = options;
  const location = await recordedLocation(context.ledger, path);
  const { volume } = await trustedVolume(context, path);
  const { id, keyId } = volume;
  await refuseMismatch(context, id, path);
  const isMapped = (await mappingOf("re-encrypt", location)) !== undefined;
  const place = isMapped ? { location } : await inPlaceInput("re-encrypt", location, journal);
  return { id, input: { ...place, keyId, dropOtherSlots } };
}
