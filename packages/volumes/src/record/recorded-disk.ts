import { readLuks } from "@chatelaine/luks";
import { locationOf } from "../disk/location.ts";
import { diskIdentities, isSameDisk } from "../host/disk-identity.ts";
import { VolumeError } from "../model/errors.ts";
import type { Ledger, VolumeRecord } from "../model/ledger.ts";

// One disk has many names: /dev/vg/lv, /dev/mapper/vg-lv, /dev/disk/by-id/…; hard links and bind mounts of a file. The
// ledger keeps one of them, for people to read. Which disk a path or a recorded name leads to is decided when it is
// needed, by device number or inode: these change at a restart, so that the ledger cannot keep them. A recorded name
// that leads nowhere now is no disk; that volume is known by the UUID in its header alone, and a disk elsewhere with
// that UUID may be a copy.

/**
 * The ledger's row of the disk at a path, by whatever name the ledger has it.
 *
 * @throws `mismatch` if the ledger has several volumes on that disk, none by that name, and the disk does not say which it is
 */
export async function recordAt(ledger: Ledger, path: string): Promise<VolumeRecord | undefined> {
  const location = await locationOf(path);
  const named = await ledger.volumeAt(location);
  if (named !== undefined) return named;
  const found = await recordsOfDisk(ledger, path);
  if (found.length < 2) return found[0];
  const header = await readLuks(path).catch(() => undefined);
  const written = header && found.find((record) => headerIdOf(record) === header.uuid);
  if (written !== undefined) return written;
  const all = found.map((record) => `${record.id} as ${record.location}`).join(", ");
  throw new VolumeError(
    "mismatch",
    `${location}: the ledger has several volumes on this disk (${all}), and its header is of none of them: use one of these names`,
  );
}

/** The ledger's name for the disk at a path; of a disk that it does not know, the path's own. */
export async function recordedLocation(ledger: Ledger, path: string): Promise<string> {
  return (await recordAt(ledger, path))?.location ?? (await locationOf(path));
}

/** All rows of this host whose disk a path leads to, those of other projects included. */
export async function recordsOfDisk(
  ledger: Ledger,
  path: string,
): Promise<readonly VolumeRecord[]> {
  const records = await ledger.volumes({ host: ledger.host });
  // The disk has just answered, so that it is none of those that do not.
  const locations = records.map(({ location }) => location);
  const [identity, ...identities] = await diskIdentities([path, ...locations]);
  if (identity === undefined) return [];
  return records.filter((_, index) => identities[index] === identity);
}

/**
 * Refuses a disk that the ledger has a volume on, by whatever name.
 *
 * @param ownId of the volume that is being made. Whoever writes its row first and looks then cannot miss another process
 *   that does the same with another name of the disk: at least one of the two sees the other's row.
 * @throws `exists`
 */
export async function refuseRecorded(
  ledger: Ledger,
  operation: string,
  path: string,
  ownId?: string,
): Promise<void> {
  const [other] = (await recordsOfDisk(ledger, path)).filter(({ id }) => id !== ownId);
  if (other === undefined) return;
  const { id, state, location } = other;
  throw new VolumeError(
    "exists",
    `${operation} ${path}: the ledger has volume ${id} (${state}) on this disk, as ${location}: ${remedy(other)}`,
  );
}

function remedy({ id, kind, state, location }: VolumeRecord): string {
  if (state !== "ready") return `run "chatelaine recover" first`;
  if (kind === "disk") return `it is a disk of an instance: see "chatelaine disk --help"`;
  const forget = `if it is not needed any more, run "chatelaine volume forget ${id}"`;
  if (kind === "snapshot") return forget;
  return `if its header is lost, run "chatelaine volume restore ${location}"; ${forget}`;
}

/** The UUID that the header of a volume's disk has. */
export function headerIdOf({
  kind,
  id,
  parentId,
}: Pick<VolumeRecord, "kind" | "id" | "parentId">): string | undefined {
  return kind === "snapshot" ? parentId : id;
}

/**
 * Compares what a disk says with what the ledger has, by whatever name the ledger has it.
 *
 * @throws `mismatch` if the ledger has this volume on another disk, or another volume on this one
 */
export async function refuseMismatch(
  { ledger }: { readonly ledger: Ledger },
  volumeId: string,
  path: string,
): Promise<void> {
  const recorded = await ledger.volume(volumeId);
  if (recorded !== undefined && recorded.host !== ledger.host) {
    throw new VolumeError(
      "mismatch",
      `${path}: it says it is volume ${volumeId}, which the ledger has on host ${recorded.host}; this is ${ledger.host}`,
    );
  }
  if (recorded !== undefined) {
    const { location } = recorded;
    if (location === (await locationOf(path)) || (await isSameDisk(location, path))) return;
    throw new VolumeError(
      "mismatch",
      `${path}: it says it is volume ${volumeId}, which the ledger has at ${location}: if it is a copy, remove it without chatelaine; if the volume was moved, move it back`,
    );
  }
  const here = await recordAt(ledger, path);
  if (here !== undefined) {
    throw new VolumeError(
      "mismatch",
      `${path}: it says it is volume ${volumeId}, but the ledger has ${here.id} there, as ${here.location}`,
    );
  }
}
