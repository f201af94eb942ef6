import { KeyManagerError, type ObjectId } from "@chatelaine/keys";
import { readLuks } from "@chatelaine/luks";
import { locationOf } from "./disk/location.ts";
import { slotsOpenedBy } from "./disk/slots.ts";
import { VolumeError } from "./errors.ts";
import { lendPassphrase } from "./passphrase.ts";
import { type Opener, refuseMismatch } from "./rekey-volume.ts";
import type { VolumeContext } from "./volume-context.ts";

/** What adopting a disk would touch. */
export interface AdoptionPreview {
  readonly id: string;
  readonly path: string;
  readonly format: "luks1" | "luks2";
  /** Those that the key or passphrase opens; erased if it is to retire. */
  readonly openedSlots: readonly number[];
}

/**
 * What `adoptVolume` or `migrateOffFixedKey` would do, refused as they would refuse
 * it. Writes nothing, neither to the disk nor to ledger or key manager.
 *
 * @throws `wrong_key`, `missing_key`, `mismatch`
 */
export async function previewAdoption(
  context: VolumeContext,
  path: string,
  opener: Opener,
): Promise<AdoptionPreview> {
  const { uuid: id, version } = await readLuks(path);
  await refuseMismatch(context, id, await locationOf(path));
  const openedSlots =
    "passphrase" in opener
      ? await slotsOpenedBy(path, opener.passphrase)
      : await slotsOfKey(context, path, opener.keyId);
  if (openedSlots.length === 0) {
    throw new VolumeError("wrong_key", `adopt ${path}: what was given opens none of its key slots`);
  }
  return { id, path, format: version === 1 ? "luks1" : "luks2", openedSlots };
}

async function slotsOfKey(
  { keyManager, caller }: VolumeContext,
  path: string,
  keyId: ObjectId,
): Promise<readonly number[]> {
  const key = await keyManager.get(caller, keyId).catch((cause: unknown) => {
    if (!(cause instanceof KeyManagerError) || cause.code !== "not_found") throw cause;
    throw new VolumeError("missing_key", `adopt ${path}: the key manager has no key ${keyId}`, {
      cause,
    });
  });
  return lendPassphrase(key, (passphrase) => slotsOpenedBy(path, passphrase));
}
