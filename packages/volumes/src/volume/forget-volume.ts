import type { ObjectId } from "@chatelaine/keys/interface";
import { LuksError, readLuks } from "@chatelaine/luks";
import { exclusively } from "../engine/perform.ts";
import { diskIdentity } from "../host/disk-identity.ts";
import { VolumeError } from "../model/errors.ts";
import type { VolumeRecord } from "../model/ledger.ts";
import type { VolumeContext } from "../model/volume-context.ts";
import { recover } from "../operations/registry.ts";
import { doneOperation } from "../record/record-layout.ts";

/** A volume that the ledger may forget. Its key stays in the key manager. */
export type LostVolume = VolumeRecord & { readonly keyId: ObjectId };

/**
 * Removes a volume from the ledger whose header is not on its disk any more: it was overwritten, or another volume was
 * made there. Disk and key manager are not touched: the key stays, with the volume as its consumer, since the disk may
 * have another name now, or a header backup may be found. `reconcile` names such a key as `stale_consumer`.
 *
 * @throws as {@link findLostVolume}; `busy`, `unfinished`
 */
export async function forgetVolume(context: VolumeContext, id: string): Promise<LostVolume> {
  await recover(context);
  const { keyId } = await findLostVolume(context, id);
  return exclusively(context, id, keyId, async () => {
    const lost = await findLostVolume(context, id);
    const operation = doneOperation(context.ledger, "forget-volume", lost);
    await context.ledger.write(operation, [{ type: "remove", id }]);
    return lost;
  });
}

/**
 * A volume whose disk is there and does not carry its header. A disk that is not there may come back with its data.
 *
 * @throws `not_found`; `invalid_argument` if the disk carries its header, or may; `LuksError`
 */
export async function findLostVolume(
  { ledger }: Pick<VolumeContext, "ledger">,
  id: string,
): Promise<LostVolume> {
  const found = await ledger.volume(id);
  const { keyId, location, host } = found ?? {};
  if (found?.kind !== "volume" || keyId === undefined || location === undefined) {
    throw new VolumeError("not_found", `forget ${id}: the ledger has no such volume or snapshot`);
  }
  const refusal = (reason: string) =>
    new VolumeError("invalid_argument", `forget volume ${id}: ${reason}`);
  if (host !== ledger.host) throw refusal(`its disk is on host ${host}: run the command there`);
  if ((await diskIdentity(location)) === undefined) {
    throw refusal(`${location} is missing now, and may come back: attach the disk first`);
  }
  const header = await readLuks(location).catch((error: unknown) => {
    if (error instanceof LuksError && error.code === "not_luks") return undefined;
    throw error;
  });
  if (header?.uuid !== id) return { ...found, keyId };
  throw refusal(`its header is on ${location}: run "chatelaine volume delete ${location}"`);
}
