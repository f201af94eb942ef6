import { randomUUID } from "node:crypto";
import { stat } from "node:fs/promises";
import { refuseUnknownOptions } from "@chatelaine/keys/interface";
import { readLuks } from "@chatelaine/luks";
import { locationOf, occupantOf } from "../disk/location.ts";
import { perform } from "../engine/perform.ts";
import { requireUnused } from "../host/disk-use.ts";
import { VolumeError } from "../model/errors.ts";
import type { VolumeContext } from "../model/volume-context.ts";
import { cloneOperation } from "../operations/clone.ts";
import { beginningOf, createOperation } from "../operations/create.ts";
import { recoverFor } from "../operations/registry.ts";
import { recordedLocation, refuseMismatch } from "../record/recorded-disk.ts";
import { proveVolume, type VerifiedVolume, verifyVolume } from "./verify-volume.ts";

/** Where the clone comes to be. */
export interface CloneVolumeOptions {
  /** Of a file that does not exist yet. */
  readonly path: string;
  /**
   * Default true: the data are decrypted and encrypted anew, under a volume key that the
   * source never had. False is faster, and shares blocks where the file system can, but
   * whoever knows the source's volume key, or has a header backup of it and its key, can read
   * the clone too, and the other way round. Both must be LUKS2 then.
   */
  readonly ownVolumeKey?: boolean | undefined;
}

/**
 * Makes a second volume with the data of a first, which must not be in use
 * meanwhile. The clone has a key and a UUID of its own, and unless told otherwise a volume
 * key: who can open the one cannot open the other, and either may be rekeyed or deleted.
 *
 * @throws as `createVolume`; `busy`, `mismatch`
 */
export async function cloneVolume(
  context: VolumeContext,
  sourcePath: string,
  options: CloneVolumeOptions,
): Promise<VerifiedVolume> {
  refuseUnknownOptions("cloneVolume", options, ["path", "ownVolumeKey"]);
  await recoverFor(context, sourcePath);
  const from = await recordedLocation(context.ledger, sourcePath);
  const location = await locationOf(options.path);
  if ((await occupantOf(location)) !== "nothing") {
    throw new VolumeError("exists", `clone to ${options.path}: the file already exists`);
  }
  const source = await proveVolume(context, sourcePath);
  await refuseMismatch(context, source.id, from);
  if ((await occupantOf(from)) !== "file") {
    throw new VolumeError("unsupported", `clone ${sourcePath}: only files can be cloned`);
  }
  await requireUnused("clone", from);
  const { ownVolumeKey = true } = options;
  if (!ownVolumeKey && (await readLuks(from)).version === 1) {
    throw new VolumeError(
      "unsupported",
      `clone ${sourcePath}: a clone of a LUKS1 volume always has its own volume key`,
    );
  }
  const lock = await context.ledger.lock(source.id);
  try {
    const volumeId = randomUUID();
    const beginning = beginningOf(context, volumeId, location, { parentId: source.id });
    const changes = [{ type: "put", volume: beginning }] as const;
    const { sectorSize, label, keyId, dataOffset } = source;
    const place = { location, from: { location: from, keyId } };
    const dataBytes = (await stat(from)).size - dataOffset;
    if (ownVolumeKey) {
      await perform(createOperation, context, {
        volumeId,
        input: {
          ...place,
          occupant: "file",
          sizeBytes: dataBytes - (dataBytes % sectorSize),
          sectorSize: sectorSize as 512 | 1024 | 2048 | 4096,
          label,
        },
        changes,
      });
    } else {
      await perform(cloneOperation, context, { volumeId, input: place, changes });
    }
  } finally {
    await lock.release();
  }
  return verifyVolume(context, options.path);
}
