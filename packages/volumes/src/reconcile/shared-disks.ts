import { type DiskIdentity, diskIdentities } from "../host/disk-identity.ts";
import type { VolumeRecord } from "../model/ledger.ts";

/**
 * Finds volumes of this host that the ledger has on one disk under several names. Versions that compared names alone
 * made such rows; a disk has one header, so at most one of the volumes opens.
 *
 * @returns for each of them, by id, the others on its disk
 */
export async function sharedDisks(
  volumes: readonly VolumeRecord[],
): Promise<ReadonlyMap<string, readonly VolumeRecord[]>> {
  const byDisk = new Map<DiskIdentity, VolumeRecord[]>();
  const identities = await diskIdentities(volumes.map(({ location }) => location));
  for (const [index, volume] of volumes.entries()) {
    const identity = identities[index];
    if (identity === undefined) continue;
    byDisk.set(identity, [...(byDisk.get(identity) ?? []), volume]);
  }
  const shared = [...byDisk.values()].filter((together) => together.length > 1);
  return new Map(
    shared.flatMap((together) =>
      together.map(({ id }) => [id, together.filter((other) => other.id !== id)] as const),
    ),
  );
}
