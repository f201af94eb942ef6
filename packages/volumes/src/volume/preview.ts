import { checkHeader } from "@chatelaine/luks";
import { lendOpener } from "../disk/opener.ts";
import { slotsOpenedBy } from "../disk/slots.ts";
import { fetchKey } from "../key/fetch-key.ts";
import { VolumeError } from "../model/errors.ts";
import type { VolumeContext } from "../model/volume-context.ts";
import { refuseMismatch } from "../record/recorded-disk.ts";
import { requireRecorded } from "../record/trusted-volume.ts";
import type { Opener } from "./rekey-volume.ts";

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
 * @throws `wrong_key`, `missing_key`, `mismatch`, `integrity`
 */
export async function previewAdoption(
  context: VolumeContext,
  path: string,
  opener: Opener,
): Promise<AdoptionPreview> {
  const header = await checkHeader(path);
  const { uuid: id, version } = header;
  await refuseMismatch(context, id, path);
  const known = await context.ledger.volume(id);
  if (known !== undefined) await requireRecorded(context.ledger, path, known, header);
  const openedSlots =
    "passphrase" in opener
      ? await slotsOpenedBy(path, opener.passphrase)
      : await lendOpener(
          path,
          await fetchKey(context, opener.keyId, `adopt ${path}`),
          async (_, slots) => slots,
        );
  if (openedSlots.length === 0) {
    throw new VolumeError("wrong_key", `adopt ${path}: the given key opens none of its key slots`);
  }
  return { id, path, format: version === 1 ? "luks1" : "luks2", openedSlots };
}
