import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { refuseUnknownOptions } from "@chatelaine/keys/interface";
import { ioError } from "../disk/staging.ts";
import type { VolumeContext } from "../model/volume-context.ts";
import {
  type ReencryptedVolume,
  type ReencryptVolumeOptions,
  reencryptVolume,
} from "../volume/reencrypt-volume.ts";
import {
  type BulkResult,
  eachVolume,
  type VolumesOptions,
  volumesOptionNames,
} from "./each-volume.ts";
import { unchangeable } from "./rekey-volumes.ts";

/** How a project's volumes are encrypted anew. */
export interface ReencryptVolumesOptions
  extends VolumesOptions<ReencryptedVolume>,
    Pick<ReencryptVolumeOptions, "rekey" | "dropOtherSlots"> {
  /** A folder in which each volume has its journal; made if it is not there. Default: each beside its file; block devices that are not open then fail. */
  readonly journals?: string | undefined;
}

/**
 * Gives each of a project's volumes a new volume key, and encrypts all their data anew;
 * one after the other by default. As `rekeyVolumes`.
 */
export async function reencryptVolumes(
  context: VolumeContext,
  options: ReencryptVolumesOptions = {},
): Promise<readonly BulkResult<ReencryptedVolume>[]> {
  refuseUnknownOptions("reencryptVolumes", options, [
    ...volumesOptionNames,
    "rekey",
    "dropOtherSlots",
    "journals",
  ]);
  const { rekey, dropOtherSlots, journals, ...bulk } = options;
  if (journals !== undefined && options.dryRun !== true) {
    await mkdir(journals, { recursive: true, mode: 0o700 }).catch((cause: unknown) => {
      throw ioError("re-encrypt", journals, cause);
    });
  }
  return eachVolume(
    context,
    { concurrency: 1, ...bulk },
    {
      operation: "re-encrypt",
      impossible: unchangeable,
      work: (own, location, id = "") => {
        const journal = journals === undefined ? undefined : join(journals, id);
        return reencryptVolume(own, location, { rekey, dropOtherSlots, journal });
      },
    },
  );
}
