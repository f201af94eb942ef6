import { fstatSync, readFileSync, type Stats, statSync } from "node:fs";
import type { BlockDevice } from "./device.ts";

/**
 * Whether two opened devices are one, whatever their names are: hard links of a file, two nodes of a block device, a loop
 * device and the file behind it.
 */
export function isSameDevice(one: BlockDevice, other: BlockDevice): boolean {
  if (one === other) return true;
  if (one.fd === undefined || other.fd === undefined) return false;
  const [first, second] = [fstatSync(one.fd), fstatSync(other.fd)].map(behindLoop);
  if (first === undefined || second === undefined) return false;
  if (first.isBlockDevice() && second.isBlockDevice()) return first.rdev === second.rdev;
  return first.dev === second.dev && first.ino === second.ino;
}

/** Of a loop device, the file that it shows, if that still has its name. */
function behindLoop(status: Stats): Stats {
  if (!status.isBlockDevice()) return status;
  // makedev(3) of Linux: twelve bits of major number, twenty of minor.
  const major = Math.floor(status.rdev / 256) & 0xfff;
  const minor = (status.rdev & 0xff) | ((status.rdev >>> 12) & 0xfff00);
  try {
    const folder = `/sys/dev/block/${major}:${minor}/loop`;
    return statSync(readFileSync(`${folder}/backing_file`, "utf8").replace(/\n$/, ""));
  } catch {
    return status;
  }
}
