import { constants } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { foreignContent, LuksError, readLuks, unrecognisedData } from "@chatelaine/luks";
import { VolumeError } from "../errors.ts";
import { blockDevice } from "../host/block-device.ts";
import type { Occupant } from "./location.ts";
import { ioError } from "./staging.ts";

const chunkBytes = 1024 * 1024;

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
      const zeroes = new Uint8Array(chunkBytes);
      for (let offset = 0; offset < bytes; offset += chunkBytes) {
        const length = Math.min(chunkBytes, bytes - offset);
        const { bytesWritten } = await disk.write(zeroes, 0, length, offset);
        if (bytesWritten !== length) {
          throw new VolumeError("io", `wipe ${path}: wrote ${bytesWritten} of ${length} bytes`);
        }
      }
      await disk.sync();
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
