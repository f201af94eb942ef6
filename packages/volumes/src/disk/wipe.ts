import { constants } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { foreignContent, LuksError, readLuks, unrecognisedData } from "@chatelaine/luks";
import { blockDevice } from "../host/block-device.ts";
import { VolumeError } from "../model/errors.ts";
import type { Occupant } from "./location.ts";
import { ioError } from "./staging.ts";

const chunkBytes = 1024 * 1024;
/** What is wiped at a time: the least that a thin pool of LVM gives room for (lvmthin(7)). */
const pieceBytes = 64 * 1024;

interface WipeOptions {
  /**
   * Default false. Does not write what reads as zeroes, for which a thin pool that is full has no room. Not for a key that was
   * in use: after a write that failed, the page cache may say zero of what is not.
   */
  readonly skipsZeroes?: boolean;
}

/**
 * Overwrites a volume's header and key slots with zeroes, without which its data
 * is noise. Nothing is written if the disk carries anything but this volume's
 * header, or what is left of it after an earlier try.
 *
 * @param areaBytes of the header area, as the disk says; no byte behind the end of the disk is written
 * @param occupant of a file, which a link in its place does not replace; names of devices may be links
 * @returns false if the disk carries something else
 */
export async function wipeHeader(
  path: string,
  volumeId: string,
  areaBytes: number,
  occupant: Exclude<Occupant, "nothing">,
  { skipsZeroes = false }: WipeOptions = {},
): Promise<boolean> {
  try {
    const links = occupant === "file" ? constants.O_NOFOLLOW : 0;
    const disk = await open(path, constants.O_RDWR | links);
    try {
      const bytes = Math.min(areaBytes, await sizeOf(disk, path));
      const head = new Uint8Array(Math.min(bytes, chunkBytes));
      await disk.read(head, 0, head.length, 0);
      if (!isZero(head.subarray(0, 0x8000)) && !Buffer.from(head.buffer).includes(volumeId))
        return false;
      if (await isSomethingElse(path)) return false;
      // A thin pool that is full fails the sync too where nothing was written.
      if (await writeZeroes(disk, path, bytes, skipsZeroes)) await disk.sync();
      return true;
    } finally {
      await disk.close();
    }
  } catch (cause) {
    throw ioError("wipe", path, cause);
  }
}

/**
 * Refuses a disk with anything in the first `bytes`, before it is claimed: what
 * is undone later may then be overwritten.
 *
 * @throws `LuksError` `holds_data`
 */
export async function requireZeroes(path: string, bytes: number): Promise<void> {
  try {
    const disk = await open(path, "r");
    try {
      const chunk = new Uint8Array(chunkBytes);
      for (let offset = 0; offset < bytes; offset += chunkBytes) {
        const { bytesRead } = await disk.read(
          chunk,
          0,
          Math.min(chunkBytes, bytes - offset),
          offset,
        );
        if (!isZero(chunk.subarray(0, bytesRead))) {
          throw new LuksError("holds_data", `create ${path}: it holds data near byte ${offset}`, {
            holds: [unrecognisedData],
          });
        }
      }
    } finally {
      await disk.close();
    }
  } catch (cause) {
    if (cause instanceof LuksError) throw cause;
    throw ioError("create", path, cause);
  }
}

/** @returns whether anything had to be written */
async function writeZeroes(
  disk: FileHandle,
  path: string,
  bytes: number,
  skipsZeroes: boolean,
): Promise<boolean> {
  let hasWritten = false;
  const zeroes = new Uint8Array(pieceBytes);
  const found = new Uint8Array(pieceBytes);
  for (let offset = 0; offset < bytes; offset += pieceBytes) {
    const length = Math.min(pieceBytes, bytes - offset);
    if (skipsZeroes) {
      const { bytesRead } = await disk.read(found, 0, length, offset);
      if (bytesRead === length && isZero(found.subarray(0, length))) continue;
    }
    const { bytesWritten } = await disk.write(zeroes, 0, length, offset);
    if (bytesWritten !== length) {
      throw new VolumeError("io", `wipe ${path}: wrote ${bytesWritten} of ${length} bytes`);
    }
    hasWritten = true;
  }
  return hasWritten;
}

/** A disk that became something else may still have the volume's second header, or begin with zeroes. */
async function isSomethingElse(path: string): Promise<boolean> {
  try {
    await readLuks(path);
    return false;
  } catch (error) {
    if (!(error instanceof LuksError)) throw error;
    return (await foreignContent(path)).length > 0;
  }
}

async function sizeOf(disk: FileHandle, path: string): Promise<number> {
  const status = await disk.stat();
  return status.isFile()
    ? status.size
    : ((await blockDevice(path))?.bytes ?? Number.POSITIVE_INFINITY);
}

function isZero(bytes: Uint8Array): boolean {
  return bytes.every((byte) => byte === 0);
}
