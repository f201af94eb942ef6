import type { ObjectId } from "@chatelaine/keys/interface";
import { checkHeader } from "@chatelaine/luks";
import { locationOf } from "../disk/location.ts";
import { perform } from "../engine/perform.ts";
import { VolumeError } from "../model/errors.ts";
import type { VolumeContext } from "../model/volume-context.ts";
import { importOperation } from "../operations/import.ts";
import { recoverFor } from "../operations/registry.ts";
import { refuseMismatch } from "../record/recorded-disk.ts";
import { type VerifiedVolume, verifyVolume } from "./verify-volume.ts";

/**
 * Takes an existing LUKS1 or LUKS2 disk under our care with the key of the user's own
 * that opens it (BYOK): neither slots nor data change, and the key outlives the volume.
 * To give the disk a key that nobody else has had, use `adoptVolume`.
 *
 * @param keyId of the key whose hexadecimal text, or passphrase, opens it
 * @throws `exists` if the ledger has the volume, or another one with that key;
 *   `missing_key`, `wrong_key`, `mismatch`
 */
export async function importVolume(
  context: VolumeContext,
  path: string,
  keyId: ObjectId,
): Promise<VerifiedVolume> {
  await recoverFor(context, path);
  const { uuid, version, cipher } = await checkHeader(path);
  const location = await locationOf(path);
  await refuseMismatch(context, uuid, path);
  const known = await context.ledger.volume(uuid);
  const [sharing] = await context.ledger.volumes({ keyId });
  for (const volume of [known, sharing]) {
    if (volume === undefined) continue;
    const what = volume === known ? "it" : `volume ${volume.id}, which has that key,`;
    throw new VolumeError("exists", `import ${path}: the ledger already has ${what}`);
  }
  const format = version === 1 ? "luks1" : "luks2";
  await perform(importOperation, context, {
    volumeId: uuid,
    input: { location, format, cipher, keyId },
  });
  return verifyVolume(context, path);
}
