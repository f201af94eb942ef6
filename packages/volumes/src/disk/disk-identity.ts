import { readFile, stat } from "node:fs/promises";
import { deviceNumber } from "../host/safe-text.ts";

declare const brand: unique symbol;

/**
 * Which disk a path leads to, whatever it is called: the number of a block device, or file system and inode of a file.
 * The numbers may be others after a restart: compare two, and keep none.
 */
export type DiskIdentity = string & { readonly [brand]: "disk identity" };

/**
 * A loop device that shows the whole of a file is that file.
 *
 * @returns undefined if nothing is there, or neither a file nor a block device
 */
export async function diskIdentity(path: string): Promise<DiskIdentity | undefined> {
  const found = await stat(path, { bigint: true }).catch(() => undefined);
  if (found?.isFile() === true) return `file ${found.dev}:${found.ino}` as DiskIdentity;
  if (found?.isBlockDevice() !== true) return undefined;
  const number = deviceNumber(Number(found.rdev));
  return (await fileBehind(number)) ?? (`device ${number}` as DiskIdentity);
}

/** True if both paths lead to the same disk; false if either leads to none. */
export async function isSameDisk(one: string, other: string): Promise<boolean> {
  const identity = await diskIdentity(one);
  return identity !== undefined && identity === (await diskIdentity(other));
}

/** The file that a loop device shows from its first byte to its last. */
async function fileBehind(number: string): Promise<DiskIdentity | undefined> {
  const attribute = (name: string) =>
    readFile(`/sys/dev/block/${number}/loop/${name}`, "utf8").then(
      (text) => text.trim(),
      () => "",
    );
  const file = await attribute("backing_file");
  if (file === "" || (await attribute("offset")) !== "0") return undefined;
  if ((await attribute("sizelimit")) !== "0") return undefined;
  const found = await stat(file, { bigint: true }).catch(() => undefined);
  return found?.isFile() === true ? (`file ${found.dev}:${found.ino}` as DiskIdentity) : undefined;
}
