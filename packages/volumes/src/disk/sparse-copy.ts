import { chmod, constants, copyFile, type FileHandle, open, rm } from "node:fs/promises";
import { dirname } from "node:path";
import { ioError, syncFolder } from "./staging.ts";
import { writeAll } from "./write-all.ts";

const chunkBytes = 1024 * 1024;

/**
 * Copies a file to a new one that only its owner may read: sharing its blocks where the
 * file system can (Btrfs, XFS), else byte for byte, with holes where there are zeroes.
 * Replaces what an earlier try left. Durable when it resolves.
 *
 * @throws `io`
 */
export async function sparseCopy(from: string, to: string): Promise<void> {
  try {
    await rm(to, { force: true });
    await copyFile(from, to, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE_FORCE).catch(() =>
      copyChunks(from, to),
    );
    await chmod(to, 0o600);
    const copy = await open(to, "r+");
    try {
      await copy.sync();
    } finally {
      await copy.close();
    }
    await syncFolder(dirname(to));
  } catch (cause) {
    throw ioError("copy", from, cause);
  }
}

async function copyChunks(from: string, to: string): Promise<void> {
  await rm(to, { force: true });
  const source = await open(from, "r");
  try {
    const target = await open(to, "wx", 0o600);
    try {
      await copyOpen(source, target);
    } finally {
      await target.close();
    }
  } finally {
    await source.close();
  }
}

async function copyOpen(source: FileHandle, target: FileHandle): Promise<void> {
  const chunk = new Uint8Array(chunkBytes);
  let offset = 0;
  for (;;) {
    const { bytesRead } = await source.read(chunk, 0, chunk.length, offset);
    if (bytesRead === 0) break;
    const part = chunk.subarray(0, bytesRead);
    if (part.some((byte) => byte !== 0)) await writeAll(target, part, offset);
    offset += bytesRead;
  }
  await target.truncate(offset);
}
