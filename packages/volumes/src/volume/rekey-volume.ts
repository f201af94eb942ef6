import {
  fixedKeyId,
  KeyManagerError,
  type ObjectId,
  refuseUnknownOptions,
} from "@chatelaine/keys/interface";
import { checkHeader } from "@chatelaine/luks";
import { perform } from "../engine/perform.ts";
import { discardableKey, isRegistered } from "../key/managed-key.ts";
import { contextOf, projectOf, type VolumeContext } from "../model/volume-context.ts";
import {
  type ChangeKeyFacts,
  type ChangeKeyInput,
  changeKeyOperation,
} from "../operations/change-key.ts";
import { recoverFor } from "../operations/registry.ts";
import { recordedLocation, refuseMismatch } from "../record/recorded-disk.ts";
import { requireRecorded, trustedVolume } from "../record/trusted-volume.ts";
import { type VerifiedVolume, verifyVolume } from "./verify-volume.ts";

/** A volume with another key than before. */
export interface RekeyedVolume extends VerifiedVolume {
  /** Undefined if a passphrase opened it until now. */
  readonly oldKeyId: ObjectId | undefined;
  /** False if the old key stays, because others need it or it was not made for this volume. */
  readonly oldKeyDeleted: boolean;
}

/** Which key the volume gets. */
export interface RekeyVolumeOptions {
  /** A key of the user's own, in the key manager already. Default: one is made. */
  readonly keyId?: ObjectId | undefined;
}

/**
 * Gives a volume a new key, and takes the old one away: who has a copy of the old
 * key cannot open the disk with it any more. The data is not written anew, so who
 * has a copy of the *volume key* still can.
 *
 * The volume may be in use. It opens with the key that the ledger names at every
 * instant, whenever this is cut.
 *
 * @throws `missing_key`, `wrong_key`, `busy`, `mismatch`; `unfinished`
 */
export async function rekeyVolume(
  context: VolumeContext,
  path: string,
  options: RekeyVolumeOptions = {},
): Promise<RekeyedVolume> {
  refuseUnknownOptions("rekeyVolume", options, ["keyId"]);
  return changeKey(context, path, { newKeyId: options.keyId });
}

/**
 * Hands a volume to another project: its new key belongs to that project, and the
 * old one, of which the former owner may have kept a copy, opens nothing any more.
 *
 * @param toProject a label for which `context.callerOf` has credentials
 * @throws as {@link rekeyVolume}; `forbidden` without those credentials
 */
export async function transferVolume(
  context: VolumeContext,
  path: string,
  toProject: string,
): Promise<RekeyedVolume> {
  return changeKey(context, path, { toProject });
}

/** How a disk that others made opens until now. */
export type Opener = { readonly keyId: ObjectId } | { readonly passphrase: Uint8Array };

/**
 * Takes an existing LUKS1 or LUKS2 disk under our care: it gets a key of its own,
 * its data stays.
 *
 * The slots of a key that opened it until now are erased; the key itself stays in
 * the key manager, since a disk that this ledger does not know may need it. A passphrase stays
 * valid unless `retire` says otherwise.
 */
export async function adoptVolume(
  context: VolumeContext,
  path: string,
  opener: Opener,
  { retire = "keyId" in opener }: { readonly retire?: boolean } = {},
): Promise<RekeyedVolume> {
  return "keyId" in opener
    ? changeKey(context, path, { oldKeyId: opener.keyId, retire })
    : changeKey(context, path, { passphrase: opener.passphrase, retire });
}

/**
 * Moves a volume off the one key that all volumes had. It gets *other* bytes, not
 * the same bytes under another name.
 *
 * @param context with a key manager that serves the fixed key: see `migratingKeyManager`
 */
export function migrateOffFixedKey(context: VolumeContext, path: string): Promise<RekeyedVolume> {
  return adoptVolume(context, path, { keyId: fixedKeyId });
}

interface Change {
  readonly oldKeyId?: ObjectId;
  readonly passphrase?: Uint8Array;
  readonly newKeyId?: ObjectId | undefined;
  readonly toProject?: string;
  readonly retire?: boolean;
}

async function changeKey(
  context: VolumeContext,
  path: string,
  change: Change,
): Promise<RekeyedVolume> {
  await recoverFor(context, path);
  const { passphrase, newKeyId, toProject = projectOf(context), retire = true } = change;
  const recipient = contextOf(context, toProject);
  if (recipient === undefined) {
    throw new KeyManagerError(
      "forbidden",
      `rekey ${path}: there are no credentials for project ${toProject}`,
    );
  }
  const header = await checkHeader(path);
  const location = await recordedLocation(context.ledger, path);
  await refuseMismatch(context, header.uuid, path);
  const known = await context.ledger.volume(header.uuid);
  if (known !== undefined) {
    await requireRecorded(context.ledger, path, known, header);
  }
  const oldKeyId =
    change.oldKeyId ?? (passphrase ? undefined : (await trustedVolume(context, path)).volume.keyId);
  const input: ChangeKeyInput = {
    location,
    format: header.version === 1 ? "luks1" : "luks2",
    cipher: header.cipher,
    ...(oldKeyId !== undefined && { oldKeyId }),
    toProject,
    ...(newKeyId !== undefined && {
      newKeyId,
      newKeyIsShared: await isRegistered(recipient, header.uuid, newKeyId),
    }),
    retire,
    ...(oldKeyId !== undefined && { oldKeyIsRecorded: discardableKey(known) === oldKeyId }),
  };
  const { oldKeyDeleted }: ChangeKeyFacts = await perform(changeKeyOperation, context, {
    volumeId: header.uuid,
    keyId: known?.keyId,
    input,
    passphrase,
  });
  return { ...(await verifyVolume(recipient, path)), oldKeyId, oldKeyDeleted };
}
