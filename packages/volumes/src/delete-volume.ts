import { open, rm, stat } from "node:fs/promises";
import { readLuks } from "@chatelaine/luks";
import { VolumeError } from "./errors.ts";
import { inspectVolume } from "./inspect-volume.ts";
import type { KeySource, Volume } from "./volume.ts";
import { deleteVolumeKey } from "./volume-key.ts";

export interface DeletedVolume extends Volume {
  /** False if the key stays in the key manager because others need it too. */
  readonly keyDeleted: boolean;
}

/**
 * Deletes a volume: first the disk, then the key, so that a key never goes
 * before what it opens. A file is removed; on a block device the header is
 * overwritten, which is what makes the data unreadable.
 *
 * @throws `not_a_volume` before anything is touched; `left_behind` if the disk is gone but the key is not
 */
export async function deleteVolume(source: KeySource, path: string): Promise<DeletedVolume> {
  const volume = await inspectVolume(path);
  // Refuses now, not after the disk is gone, if the caller may not see the key or nobody answers.
  await source.keyManager.describe(source.caller, volume.keyId).catch(unlessGone);
  await removeDisk(volume);
  try {
    return { ...volume, keyDeleted: await deleteVolumeKey(source, volume.id, volume.keyId) };
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new VolumeError(
      "left_behind",
      `delete ${path}: the disk is deleted, but not its key ${volume.keyId}: ${reason}`,
      { cause },
    );
  }
}

function unlessGone(error: unknown): void {
  if (!(error instanceof Error && "code" in error && error.code === "not_found")) throw error;
}

async function removeDisk({ path }: Volume): Promise<void> {
  const { headerAreaBytes } = await readLuks(path);
  try {
    await overwrite(path, headerAreaBytes);
    if (!(await stat(path)).isBlockDevice()) await rm(path);
  } catch (cause) {
    throw new VolumeError("io", `delete ${path}: ${(cause as Error).message}`, { cause });
  }
}

/** Zeroes the headers and key slots, without which the data is noise. */
async function overwrite(path: string, bytes: number): Promise<void> {
  const disk = await open(path, "r+");
  try {
    const zeroes = new Uint8Array(1024 * 1024);
    for (let offset = 0; offset < bytes; offset += zeroes.length) {
      const length = Math.min(zeroes.length, bytes - offset);
      const { bytesWritten } = await disk.write(zeroes, 0, length, offset);
      if (bytesWritten !== length) throw new Error(`wrote ${bytesWritten} of ${length} bytes`);
    }
    await disk.sync();
  } finally {
    await disk.close();
  }
}
