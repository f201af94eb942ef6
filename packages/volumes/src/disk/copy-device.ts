import { open } from "node:fs/promises";
import { blockDevice } from "../host/block-device.ts";
import { VolumeError } from "../model/errors.ts";
import { ioError } from "./staging.ts";
import { writeAll } from "./write-all.ts";

const chunkBytes = 4 * 1024 * 1024;

/**
 * Copies all of a block device to another, zeroes too: what was never written to an
 * encrypted device reads as noise. Durable when it resolves.
 *
 * @throws `io`, also if there is no room
 */
export async function copyDevice(
  from: string,
  to: string,
  onProgress: (doneBytes: number, totalBytes: number) => void,
): Promise<void> {
  const chunk = new Uint8Array(chunkBytes);
  try {
    const source = await open(from, "r");
    try {
      const target = await open(to, "r+");
      try {
        const [total, room] = [await bytesOf(from), await bytesOf(to)];
        if (room < total) {
          throw new VolumeError(
            "io",
            `copy ${from} to ${to}: ${total} bytes do not fit into ${room}`,
          );
        }
        for (let offset = 0; offset < total; ) {
          const part = chunk.subarray(0, Math.min(chunk.length, total - offset));
          const { bytesRead } = await source.read(part, 0, part.length, offset);
          if (bytesRead === 0) throw new VolumeError("io", `copy ${from}: it ends at ${offset}`);
          await writeAll(target, part.subarray(0, bytesRead), offset);
          offset += bytesRead;
          onProgress(offset, total);
        }
        await target.sync();
      } finally {
        await target.close();
      }
    } finally {
      await source.close();
    }
  } catch (cause) {
    throw ioError("copy", from, cause);
  } finally {
    chunk.fill(0);
  }
}

async function bytesOf(path: string): Promise<number> {
  const device = await blockDevice(path);
  if (device !== undefined) return device.bytes;
  throw new VolumeError("io", `copy ${path}: it is not a block device`);
}
