import type { BigIntStats } from "node:fs";
import { link, open, readFile, rename, rm, stat } from "node:fs/promises";
import { basename } from "node:path";

/**
 * What link(2) fails with where there are no hard links: vfat and exFAT (EPERM), SMB (EOPNOTSUPP, which libuv calls
 * ENOTSUP), FUSE (ENOSYS), and file systems that allow one name per file (EMLINK).
 */
const withoutLinks: ReadonlySet<string> = new Set([
  "EPERM",
  "ENOTSUP",
  "EOPNOTSUPP",
  "ENOSYS",
  "EMLINK",
]);

/**
 * Gives a prepared file a name that nothing may have yet, in the same folder. The prepared name may stay; both are of
 * one file then.
 *
 * A hard link does it in one step, and unlike a rename it never replaces anything. Where the file system has no hard
 * links, a marked placeholder takes the name first, which only one process can do, and the file then replaces the
 * placeholder.
 *
 * @throws the system's error, `EEXIST` if something else has the name
 */
export async function placeFile(staging: string, location: string): Promise<void> {
  try {
    await link(staging, location);
  } catch (cause) {
    if (!withoutLinks.has((cause as NodeJS.ErrnoException).code ?? "")) throw cause;
    await replacePlaceholder(staging, location);
  }
}

/**
 * Takes back a placeholder that a process left when it was killed. What anybody else put there stays.
 *
 * A process that is killed between making its placeholder and marking it leaves an empty file, which stays as well:
 * nobody can say whose it is.
 */
export async function removePlaceholder(staging: string, location: string): Promise<void> {
  if (await isPlaceholder(staging, location)) await rm(location, { force: true });
}

async function replacePlaceholder(staging: string, location: string): Promise<void> {
  await makePlaceholder(staging, location);
  try {
    // What somebody has written over it meanwhile is not ours to replace.
    if (!(await isPlaceholder(staging, location))) throw taken(location);
    await rename(staging, location);
  } catch (cause) {
    await removePlaceholder(staging, location);
    throw cause;
  }
}

async function makePlaceholder(staging: string, location: string): Promise<void> {
  const placeholder = await open(location, "wx", 0o600);
  let own: BigIntStats | undefined;
  try {
    own = await placeholder.stat({ bigint: true });
    await placeholder.writeFile(markOf(staging));
    await placeholder.sync();
  } catch (cause) {
    // Without its mark, as on a full disk, it is known by its inode alone.
    const found = await stat(location, { bigint: true }).catch(() => undefined);
    if (own !== undefined && found?.dev === own.dev && found.ino === own.ino) await rm(location);
    throw cause;
  } finally {
    // An SMB server does not replace a file that is open.
    await placeholder.close();
  }
}

/** Of one operation: the prepared file's name has the operation's id. */
function markOf(staging: string): string {
  return `chatelaine puts ${basename(staging)} here\n`;
}

async function isPlaceholder(staging: string, location: string): Promise<boolean> {
  const mark = markOf(staging);
  const found = await stat(location).catch(() => undefined);
  if (found?.isFile() !== true || found.size !== Buffer.byteLength(mark)) return false;
  return (await readFile(location, "utf8")) === mark;
}

function taken(location: string): NodeJS.ErrnoException {
  return Object.assign(new Error(`EEXIST: file already exists, ${location}`), { code: "EEXIST" });
}
