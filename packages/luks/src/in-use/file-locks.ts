import type { KernelInode } from "./inode-in-kernel.ts";
import { kernelText } from "./kernel-files.ts";

/**
 * Whether another process has an fcntl(2) lock on a file, as QEMU and libvirt have on the images of running guests, also on
 * those that they only read (proc(5), /proc/locks). Locks of flock(2) are left out: who takes one finds the others.
 */
export function isLockedByOthers(place: KernelInode): boolean {
  return kernelText("/proc/locks")
    .split("\n")
    .some((line) => isLockOfOthers(line, place));
}

/** @param line such as `1: OFDLCK ADVISORY READ -1 fe:00:1234 100 101`; one that waits has `->` before its kind */
function isLockOfOthers(line: string, place: KernelInode): boolean {
  const [, kind, , , pid, subject = ""] = line.trim().split(/\s+/);
  if ((kind !== "POSIX" && kind !== "OFDLCK") || Number(pid) === process.pid) return false;
  const [major = "", minor = "", inode] = subject.split(":");
  if (inode !== place.inode) return false;
  const number = `${Number.parseInt(major, 16)}:${Number.parseInt(minor, 16)}`;
  return place.number === undefined || place.number === number;
}
