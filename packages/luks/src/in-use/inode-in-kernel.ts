import type { DiskIdentity } from "./identity.ts";
import type { MountNamespace } from "./mount-namespaces.ts";
import { readOpenFile } from "./process-files.ts";

/**
 * A file as /proc/locks and fdinfo name it. On some file systems, such as Btrfs, stat(2) has other numbers than the kernel
 * itself, so they are taken from a file descriptor of our own.
 */
export interface KernelInode {
  /** `MAJOR:MINOR` of its file system; undefined if the mount is not known. */
  readonly number: string | undefined;
  readonly inode: string;
}

/** @param descriptor of this process, if it has the disk open */
export function kernelInodeOf(
  identity: DiskIdentity,
  descriptor: number | undefined,
  [own]: readonly MountNamespace[],
): KernelInode | undefined {
  const info = descriptor === undefined ? undefined : readOpenFile("self", descriptor);
  const number = own?.mounts.find(({ id }) => id === info?.mountId)?.number;
  const inode = info?.inode ?? (identity.type === "file" ? String(identity.ino) : undefined);
  return inode === undefined ? undefined : { number, inode };
}
