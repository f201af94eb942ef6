import { readFile, readlink, stat } from "node:fs/promises";
import { basename } from "node:path";

/** A block device as the kernel knows it. */
export interface BlockDevice {
  /** As `MAJOR:MINOR`. */
  readonly number: string;
  readonly bytes: number;
}

/** @returns undefined for anything else, such as a file */
export async function blockDevice(path: string): Promise<BlockDevice | undefined> {
  const number = await numberOf(path);
  if (number === undefined) return undefined;
  const sectors = await readFile(`/sys/dev/block/${number}/size`, "ascii").catch(() => "");
  return /^\d+\n?$/.test(sectors) ? { number, bytes: Number(sectors) * 512 } : undefined;
}

/** Such as `dm-0`: what /sys/class/block calls a block device. @returns undefined for anything else */
export async function kernelNameOf(path: string): Promise<string | undefined> {
  const number = await numberOf(path);
  if (number === undefined) return undefined;
  const link = await readlink(`/sys/dev/block/${number}`).catch(() => undefined);
  return link && basename(link);
}

/** What the kernel says of a block device of a name such as `dm-0`; empty if it has no such attribute. */
export async function attributeOf(kernelName: string, attribute: string): Promise<string> {
  const path = `/sys/class/block/${kernelName}/${attribute}`;
  return (await readFile(path, "utf8").catch(() => "")).trim();
}

async function numberOf(path: string): Promise<string | undefined> {
  const status = await stat(path).catch(() => undefined);
  if (status?.isBlockDevice() !== true) return undefined;
  // makedev(3) of Linux: twelve bits of major number, twenty of minor.
  const major = Math.floor(status.rdev / 256) & 0xfff;
  const minor = (status.rdev & 0xff) | ((status.rdev >>> 12) & 0xfff00);
  return `${major}:${minor}`;
}
