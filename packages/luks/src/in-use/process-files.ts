import { lstatSync, readdirSync } from "node:fs";
import { kernelLink, kernelNames, kernelText } from "./kernel-files.ts";

// What /proc/PID says of a process's open files. Nothing here waits for a lock on its memory, which a process that hangs
// may hold for ever: its command line and maps are not read.

/** The ids of all processes that this one may know of. */
export function processIds(): readonly number[] {
  return kernelNames("/proc")
    .map(Number)
    .filter((pid) => pid > 0);
}

/** @returns none of one that has ended; `unseen` if this process may not look */
export function descriptorsOf(pid: number): readonly string[] | "unseen" {
  try {
    return readdirSync(`/proc/${pid}/fd`);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const isRefused = code === "EACCES" || code === "EPERM";
    return isRefused && !isKernelThread(pid) ? "unseen" : [];
  }
}

/** PF_KTHREAD among the flags, the seventh field behind the name (proc(5), /proc/PID/stat). */
function isKernelThread(pid: number): boolean {
  const text = kernelText(`/proc/${pid}/stat`);
  const flags = Number(text.slice(text.lastIndexOf(")") + 2).split(" ")[6]);
  return (flags & 0x0020_0000) !== 0;
}

/** An open file in the kernel's own words (proc(5), /proc/PID/fdinfo). */
export interface OpenFile {
  /** Opened for writing. */
  readonly writes: boolean;
  readonly mountId: string | undefined;
  /** Since Linux 5.14. */
  readonly inode: string | undefined;
  readonly hasLock: boolean;
}

/**
 * @param alsoReaders false leaves out, at less cost, what is open for reading alone
 * @returns undefined for what is no file or device with a path, and if it is closed by now
 */
export function openFile(
  pid: number,
  descriptor: string,
  alsoReaders: boolean,
): OpenFile | undefined {
  const path = `/proc/${pid}/fd/${descriptor}`;
  // A socket or pipe has no path; the usual character devices are no disk.
  const target = kernelLink(path);
  if (target?.startsWith("/") !== true || otherDevices.test(target)) return undefined;
  if (!alsoReaders && !isLinkOfWriter(path)) return undefined;
  return readOpenFile(pid, descriptor);
}

/** @returns undefined if it is closed by now */
export function readOpenFile(
  process: number | "self",
  descriptor: string | number,
): OpenFile | undefined {
  const text = kernelText(`/proc/${process}/fdinfo/${descriptor}`);
  const field = (name: string) => new RegExp(`^${name}:\\s*(\\d+)$`, "m").exec(text)?.[1];
  const flags = field("flags");
  if (flags === undefined) return undefined;
  return {
    // The access mode of open(2): 0 is reading alone.
    writes: (Number.parseInt(flags, 8) & 3) !== 0,
    mountId: field("mnt_id"),
    inode: field("ino"),
    hasLock: /^lock:/m.test(text),
  };
}

const otherDevices = /^\/(?:dev\/(?:null|zero|full|u?random|tty|ptmx|pts\/\d+)$|memfd:)/;

/** The mode of the link says how the file was opened (proc(5), /proc/PID/fd). */
function isLinkOfWriter(path: string): boolean {
  try {
    return (lstatSync(path).mode & 0o200) !== 0;
  } catch {
    return false;
  }
}
