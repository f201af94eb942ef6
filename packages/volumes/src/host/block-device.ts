import { readFile, readlink, stat } from "node:fs/promises";
import { basename } from "node:path";
import { type DeviceNumber, deviceNumber } from "./safe-text.ts";

/** A block device as the kernel knows it. */
export interface BlockDevice {
  readonly number: DeviceNumber;
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

async function numberOf(path: string): Promise<DeviceNumber | undefined> {
  const status = await stat(path).catch(() => undefined);
  return status?.isBlockDevice() === true ? deviceNumber(status.rdev) : undefined;
}
