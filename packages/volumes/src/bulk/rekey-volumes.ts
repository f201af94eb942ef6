import { refuseUnknownOptions } from "@chatelaine/keys/interface";
import type { VolumeRecord } from "../model/ledger.ts";
import type { VolumeContext } from "../model/volume-context.ts";
import { migrateOffFixedKey, type RekeyedVolume, rekeyVolume } from "../volume/rekey-volume.ts";
import {
  type BulkOptions,
  type BulkResult,
  bulkOptionNames,
  eachDisk,
  eachVolume,
  type VolumesOptions,
  volumesOptionNames,
} from "./each-volume.ts";

/**
 * Gives each of a project's volumes a new key: for the day on which keys have
 * leaked. One volume's failure keeps no other from it, up to `maxErrors`; whatever
 * cannot be rekeyed is named, so that nobody takes it for safe.
 *
 * @returns a result for each volume that the filter lets through, in the ledger's order
 * @throws `forbidden` without credentials for the project; `invalid_argument`
 */
export async function rekeyVolumes(
  context: VolumeContext,
  options: VolumesOptions<RekeyedVolume> = {},
): Promise<readonly BulkResult<RekeyedVolume>[]> {
  refuseUnknownOptions("rekeyVolumes", options, volumesOptionNames);
  return eachVolume(context, options, {
    operation: "rekey",
    impossible: unchangeable,
    work: (own, location) => rekeyVolume(own, location),
  });
}

/**
 * Moves many disks off the one key that all volumes had, each to a key of its own.
 *
 * @param paths of the disks, which the ledger need not have
 * @throws `invalid_argument`
 */
export async function migrateDisksOffFixedKey(
  context: VolumeContext,
  paths: readonly string[],
  options: BulkOptions<RekeyedVolume> = {},
): Promise<readonly BulkResult<RekeyedVolume>[]> {
  refuseUnknownOptions("migrateDisksOffFixedKey", options, bulkOptionNames);
  return eachDisk(context, paths, options, { operation: "migrate", work: migrateOffFixedKey });
}

/** Why the keys of a volume cannot be changed, slots and volume key alike. */
export function unchangeable({ kind, format }: VolumeRecord): string | undefined {
  if (kind === "snapshot") return "a snapshot keeps its key slots: delete the snapshot instead";
  if (format === "plain") return "plain mode has no key slots: create a new disk instead";
  return undefined;
}
