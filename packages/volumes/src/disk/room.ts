import { stat, statfs } from "node:fs/promises";
import { dirname } from "node:path";
import { VolumeError } from "../model/errors.ts";

const mebibyte = 1024 * 1024;
/** Of two headers with few slots, and of the journal's record. */
const journalHeadersBytes = 2 * mebibyte;
/** What a journal holds of the data at a time, at most. */
const batchBytes = 16 * mebibyte;

export interface RoomNeeded {
  readonly location: string;
  /** Of the journal; it need not exist yet. */
  readonly journal: string;
  /** Data is copied to the journal before it is overwritten. */
  readonly keepsBatch: boolean;
  /** By which a file grows. */
  readonly growthBytes: number;
}

/**
 * Refuses work in place that would not fit: the journal, and a file's holes, which
 * are written. Others may take the room meanwhile; then the work waits to be resumed.
 *
 * @throws `io`
 */
export async function requireRoom(operation: string, needed: RoomNeeded): Promise<void> {
  const { location, journal, keepsBatch, growthBytes } = needed;
  const { size, blocks } = await stat(location);
  const journalFolder = dirname(journal);
  const journalBytes = journalHeadersBytes + (keepsBatch ? Math.min(batchBytes, size) : 0);
  // A block device has a size of 0 here, and no holes.
  const diskBytes = Math.max(0, size + growthBytes - blocks * 512);
  const isSame = (await stat(journalFolder)).dev === (await stat(dirname(location))).dev;
  const demands = isSame
    ? [[journalFolder, journalBytes + diskBytes] as const]
    : [[journalFolder, journalBytes] as const, [dirname(location), diskBytes] as const];
  for (const [folder, bytes] of demands) {
    const { bavail, bsize } = await statfs(folder);
    if (bavail * bsize >= bytes) continue;
    const reason = `it needs ${bytes} bytes of room in ${folder}, which has ${bavail * bsize}`;
    throw new VolumeError("io", `${operation} ${location}: ${reason}`);
  }
}
