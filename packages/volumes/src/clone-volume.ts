import { randomUUID } from "node:crypto";
import { stat } from "node:fs/promises";
import { refuseUnknownOptions } from "@chatelaine/keys";
import { locationOf, occupantOf } from "./disk/location.ts";
import { VolumeError } from "./errors.ts";
import { beginningOf, createOperation } from "./operations/create.ts";
import { perform } from "./operations/perform.ts";
import { recover } from "./operations/registry.ts";
import { refuseMismatch } from "./rekey-volume.ts";
import { type VerifiedVolume, verifyVolume } from "./verify-volume.ts";
import type { VolumeContext } from "./volume-context.ts";

/** Where the clone comes to be. */
export interface CloneVolumeOptions {
  /** Of a file that does not exist yet. */
  readonly path: string;
}

/**
 * Makes a second volume with the data of a first, which must not be in use
 * meanwhile. The clone has a key, a volume key and a UUID of its own: who can open
 * the one cannot open the other, and either may be rekeyed or deleted.
 *
 * @throws as `createVolume`; `busy`, `mismatch`
 */
export async function cloneVolume(
  context: VolumeContext,
  sourcePath: string,
  options: CloneVolumeOptions,
): Promise<VerifiedVolume> {
  refuseUnknownOptions("cloneVolume", options, ["path"]);
  await recover(context);
  const [from, location] = [await locationOf(sourcePath), await locationOf(options.path)];
  if ((await occupantOf(location)) !== "nothing") {
    throw new VolumeError("exists", `clone to ${options.path}: something is there already`);
  }
  const source = await verifyVolume(context, sourcePath);
  await refuseMismatch(context, source.id, from);
  if ((await occupantOf(from)) !== "file") {
    throw new VolumeError("unsupported", `clone ${sourcePath}: only of files for now`);
  }
  const lock = await context.ledger.lock(source.id);
  try {
    const volumeId = randomUUID();
    const { sectorSize, label, keyId, dataOffset } = source;
    await perform(createOperation, context, {
      volumeId,
      input: {
        location,
        occupant: "file",
        sizeBytes: (await stat(from)).size - dataOffset,
        sectorSize: sectorSize as 512 | 1024 | 2048 | 4096,
        label,
        from: { location: from, keyId },
      },
      changes: [
        {
          type: "put",
          volume: beginningOf(context, volumeId, location, { parentId: source.id }),
        },
      ],
    });
  } finally {
    await lock.release();
  }
  return verifyVolume(context, options.path);
}
