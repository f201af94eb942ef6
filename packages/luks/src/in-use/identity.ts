import type { BigIntStats } from "node:fs";

/** What a path leads to, whatever it is called there: a file by its inode, a block device by its number. */
export type DiskIdentity =
  | {
      readonly type: "file";
      readonly dev: bigint;
      readonly ino: bigint;
      readonly bytes: bigint;
    }
  | { readonly type: "device"; readonly number: string };

/** @returns undefined for what is neither a regular file nor a block device */
export function identityOf(status: BigIntStats): DiskIdentity | undefined {
  if (status.isBlockDevice()) return { type: "device", number: deviceNumber(status.rdev) };
  if (!status.isFile()) return undefined;
  return { type: "file", dev: status.dev, ino: status.ino, bytes: status.size };
}

export function isSame(one: DiskIdentity, other: DiskIdentity | undefined): boolean {
  if (one.type === "device") return other?.type === "device" && one.number === other.number;
  return other?.type === "file" && one.dev === other.dev && one.ino === other.ino;
}

/** `MAJOR:MINOR`, as makedev(3) of Linux packs them. */
export function deviceNumber(packed: bigint): string {
  const major = ((packed >> 8n) & 0xfffn) | ((packed >> 32n) & 0xffff_f000n);
  const minor = (packed & 0xffn) | ((packed >> 12n) & 0xffff_ff00n);
  return `${major}:${minor}`;
}
