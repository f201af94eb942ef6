import { objectId } from "@chatelaine/keys/interface";
import { readLuks } from "@chatelaine/luks";
import { tokensOf } from "../disk/tokens.ts";
import { VolumeError } from "../model/errors.ts";
import type { Ledger } from "../model/ledger.ts";
import type { Volume } from "../model/volume.ts";
import { recordAt } from "../record/recorded-disk.ts";
import { volumeOfHeader } from "../record/volume-of-header.ts";

/**
 * Reads off a disk which volume it is and which key it needs. Asks no key manager. Without a row
 * in the ledger this is only what the disk says of itself.
 *
 * @param ledger what it says of the key of a volume at this place comes before
 *   what the disk says; a LUKS1 disk cannot say it at all
 * @throws `not_a_volume` if nobody names its key; `LuksError` if it has no LUKS header
 */
export async function inspectVolume(path: string, ledger?: Ledger): Promise<Volume> {
  const header = await readLuks(path);
  const recorded = ledger && (await recordAt(ledger, path));
  const tokens = tokensOf(header);
  const named = tokens.find(({ keyslots }) => keyslots.length > 0) ?? tokens[0];
  const keyId = recorded?.keyId ?? (named && objectId(named.object));
  if (keyId === undefined) {
    throw new VolumeError(
      "not_a_volume",
      `inspect ${path}: its LUKS header has no chatelaine token, so it does not name its key`,
    );
  }
  return volumeOfHeader(header, path, keyId);
}
