import { refuseUnknownOptions } from "@chatelaine/keys/interface";
import type { VolumeContext } from "../model/volume-context.ts";
import { type VerifiedVolume, verifyVolume } from "../volume/verify-volume.ts";
import {
  type BulkResult,
  eachVolume,
  type VolumesOptions,
  volumesOptionNames,
} from "./each-volume.ts";

/**
 * Proves of each of a project's volumes and snapshots that it opens with the key that
 * it names. Changes nothing. By default all failures are found: there is no `maxErrors`.
 */
export async function verifyVolumes(
  context: VolumeContext,
  options: VolumesOptions<VerifiedVolume> = {},
): Promise<readonly BulkResult<VerifiedVolume>[]> {
  refuseUnknownOptions("verifyVolumes", options, volumesOptionNames);
  return eachVolume(
    context,
    { maxErrors: Number.MAX_SAFE_INTEGER, ...options },
    {
      operation: "verify",
      impossible: ({ format }) =>
        format === "plain"
          ? "plain mode opens with any key, so the key cannot be verified"
          : undefined,
      work: (own, location) => verifyVolume(own, location),
    },
  );
}
