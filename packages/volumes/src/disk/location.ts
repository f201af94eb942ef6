import { realpath, stat } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { VolumeError } from "../model/errors.ts";

/** What is at a path: nothing, a file, or a block device. */
export type Occupant = "nothing" | "file" | "device";

/**
 * The absolute path under which the ledger keeps a disk: links in the folders are
 * followed, the name itself is kept, because device names such as /dev/vg/lv are
 * links that lead elsewhere after each boot.
 */
export async function locationOf(path: string): Promise<string> {
  const absolute = resolve(path);
  const folder = await realpath(dirname(absolute)).catch(() => dirname(absolute));
  return join(folder, basename(absolute));
}

/** @throws `invalid_argument` for anything else that is there, such as a folder; `io` */
export async function occupantOf(path: string): Promise<Occupant> {
  const found = await stat(path).catch((cause: NodeJS.ErrnoException) => {
    if (cause.code === "ENOENT") return undefined;
    throw new VolumeError("io", `check ${path}: ${cause.message}`, { cause });
  });
  if (found === undefined) return "nothing";
  if (found.isBlockDevice()) return "device";
  if (found.isFile()) return "file";
  throw new VolumeError(
    "invalid_argument",
    `check ${path}: it is neither a file nor a block device`,
  );
}
