import { readFile, stat } from "node:fs/promises";

/** A block device as the kernel knows it. */
export interface BlockDevice {
  /** As `MAJOR:MINOR`. */
  readonly number: string;
  readonly bytes: number;
}

/** @returns undefined for anything else, such as a file */
export async function blockDevice(path: string): Promise<BlockDevice | undefined> {
  const status = await stat(path).catch(() => undefined);
  if (status?.isBlockDevice() !== true) return undefined;
  // makedev(3) of Linux: twelve bits of major number, twenty of minor.
  const major = Math.floor(status.rdev / 256) & 0xfff;
  const minor = (status.rdev & 0xff) | ((status.rdev >>> 12) & 0xfff00);
  const number = `${major}:${minor}`;
  const sectors = await readFile(`/sys/dev/block/${number}/size`, "ascii").catch(() => "");
  return /^\d+\n?$/.test(sectors) ? { number, bytes: Number(sectors) * 512 } : undefined;
}
