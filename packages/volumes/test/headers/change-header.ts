import { closeSync, fsyncSync, openSync, readSync, writeSync } from "node:fs";
import type { HostileHeader } from "../../../luks/test/hostile/hostile-header.ts";
import type { SceneDisk } from "./scene.ts";

/** What a copy of a header takes at most, and what a library that changes a header may have written. */
const headerBytes = 0x8000;

/** Writes a hostile header over the honest one, lends the disk to `use`, and writes the honest one again. */
export async function withHostileHeader<Result>(
  disk: SceneDisk,
  { writes }: HostileHeader,
  use: () => Promise<Result>,
): Promise<Result> {
  writeAll(disk.path, writes);
  try {
    return await use();
  } finally {
    const touched = [{ offset: 0, bytes: new Uint8Array(headerBytes) }, ...writes];
    const honest = touched.map(({ offset, bytes }) => ({
      offset,
      bytes: disk.head.subarray(offset, offset + bytes.length),
    }));
    writeAll(disk.path, honest);
  }
}

/** The first bytes of a disk, where all copies of its header are. */
export function headerOf(path: string): Buffer {
  const bytes = Buffer.alloc(headerBytes);
  const file = openSync(path, "r");
  readSync(file, bytes, 0, bytes.length, 0);
  closeSync(file);
  return bytes;
}

function writeAll(path: string, writes: HostileHeader["writes"]): void {
  const file = openSync(path, "r+");
  for (const { offset, bytes } of writes) writeSync(file, bytes, 0, bytes.length, offset);
  // What reads the disk past the page cache, such as cryptsetup, is to see it too.
  fsyncSync(file);
  closeSync(file);
}
