import { closeSync, fsyncSync, openSync } from "node:fs";
import { link, open, rename, rm, stat } from "node:fs/promises";

/** Makes new and renamed files of a folder survive the loss of power. */
export function syncFolder(path: string): void {
  const folder = openSync(path, "r");
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
}

/** What link(2) fails with on file systems without hard links, such as vfat, exFAT, SMB and some FUSE. */
const withoutLinks: ReadonlySet<string> = new Set([
  "EPERM",
  "ENOTSUP",
  "EOPNOTSUPP",
  "ENOSYS",
  "EMLINK",
]);

/**
 * Gives a finished file a name that nothing may have yet, on the same file system; its former name may stay.
 *
 * A rename would replace a file that another process has put there in the meantime; a hard link does not. Where there are no hard
 * links, an empty file takes the name first, which only one process can do; a process that is killed right then leaves
 * it there.
 *
 * @throws the system's error, `EEXIST` if something has the name
 */
export async function placeNewFile(finished: string, path: string): Promise<void> {
  try {
    await link(finished, path);
  } catch (cause) {
    if (!withoutLinks.has((cause as NodeJS.ErrnoException).code ?? "")) throw cause;
    await (await open(path, "wx", 0o600)).close();
    if ((await stat(path)).size > 0) {
      throw Object.assign(new Error(`EEXIST: file already exists, ${path}`), { code: "EEXIST" });
    }
    await rename(finished, path).catch(async (failure: unknown) => {
      await rm(path, { force: true });
      throw failure;
    });
  }
}
