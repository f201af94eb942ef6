import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { refuseUnknownOptions } from "@chatelaine/keys/interface";
import { ioError } from "../disk/staging.ts";
import { nowOf, type VolumeContext } from "../model/volume-context.ts";
import { backupVolumeHeader } from "../volume/volume-header.ts";
import {
  type BulkResult,
  eachVolume,
  type VolumesOptions,
  volumesOptionNames,
} from "./each-volume.ts";

/** Where a volume's header and key slots have been copied to. */
export interface BackedUpHeader {
  readonly file: string;
}

/**
 * Copies the header and key slots of each of a project's volumes to a file of its own,
 * `ID-TIME.luks` in one folder, which is made if it is not there. Older backups stay.
 */
export async function backupVolumeHeaders(
  context: VolumeContext,
  folder: string,
  options: VolumesOptions<BackedUpHeader> = {},
): Promise<readonly BulkResult<BackedUpHeader>[]> {
  refuseUnknownOptions("backupVolumeHeaders", options, volumesOptionNames);
  if (options.dryRun !== true) {
    await mkdir(folder, { recursive: true, mode: 0o700 }).catch((cause: unknown) => {
      throw ioError("back up headers to", folder, cause);
    });
  }
  return eachVolume(context, options, {
    operation: "back up headers",
    impossible: ({ kind, format }) => {
      if (kind === "snapshot") return "a snapshot has its volume's header: back up the volume";
      return format === "plain" ? "plain mode has no header" : undefined;
    },
    work: async (own, location, id = "") => {
      const time = nowOf(own)
        .toISOString()
        .replace(/[-:]|\.\d+/g, "");
      const file = join(folder, `${id}-${time}.luks`);
      await backupVolumeHeader(own, location, file);
      return { file };
    },
  });
}
