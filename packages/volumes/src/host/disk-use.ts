import { readdir, readFile, readlink, realpath, stat } from "node:fs/promises";
import { VolumeError } from "../errors.ts";
import { attributeOf, kernelNameOf } from "./block-device.ts";

/** The kernel's dm-crypt, showing a disk's plaintext. */
export interface DiskMapping {
  /** `/dev/mapper/NAME` without the folder. */
  readonly name: string;
  /** The block device that it lies on: the disk, or the loop device of a file. */
  readonly device: string;
}

const blockFolder = "/sys/class/block";

/**
 * Who uses a disk besides us: a LUKS mapping, whose name and device are returned, or nobody.
 * A mounted block device is not seen here; whoever opens it exclusively is told.
 *
 * @throws `busy` if anything else does: another mapping, a loop device, or a process
 *   that has the file open for writing (as far as this process may see others)
 */
export async function mappingOf(operation: string, path: string): Promise<DiskMapping | undefined> {
  const { isFile, devices, holders } = await usersOf(path);
  const [holder, ...others] = holders;
  if (holder?.isLuks === true && others.length === 0) return holder;
  if (holder !== undefined) {
    throw busy(operation, path, `${holders.map(({ name }) => name).join(", ")} lies on it`);
  }
  if (!isFile) return undefined;
  if (devices.length > 0) throw busy(operation, path, `/dev/${devices.join(", ")} shows it`);
  const writer = await writerOf(path);
  if (writer !== undefined) throw busy(operation, path, `process ${writer} has it open`);
  return undefined;
}

/** Refuses a disk whose plaintext, or which itself, is in use. @throws `busy` */
export async function requireUnused(operation: string, path: string): Promise<void> {
  const mapping = await mappingOf(operation, path);
  if (mapping === undefined) return;
  throw busy(operation, path, `/dev/mapper/${mapping.name} is open: close it first`);
}

/** The first LUKS mapping of a disk, whoever else uses it. */
export async function luksMappingOf(path: string): Promise<DiskMapping | undefined> {
  return (await usersOf(path)).holders.find(({ isLuks }) => isLuks);
}

/** What lies on a disk in the kernel. */
async function usersOf(path: string) {
  const isFile = (await stat(path)).isFile();
  const devices = isFile
    ? await loopDevicesOf(path)
    : [await kernelNameOf(path)].filter((name) => name !== undefined);
  const holders: (DiskMapping & { readonly isLuks: boolean })[] = [];
  for (const device of devices) {
    for (const holder of await readdir(`${blockFolder}/${device}/holders`).catch(() => [])) {
      const isLuks = (await attributeOf(holder, "dm/uuid")).startsWith("CRYPT-LUKS");
      const name = (await attributeOf(holder, "dm/name")) || holder;
      holders.push({ name, device: `/dev/${device}`, isLuks });
    }
  }
  return { isFile, devices, holders };
}

/** The block device by which the kernel knows a disk: itself, or the loop device of a file, if it has one. */
export async function blockDeviceOf(path: string): Promise<string | undefined> {
  if (!(await stat(path)).isFile()) return path;
  const [loop] = await loopDevicesOf(path);
  return loop && `/dev/${loop}`;
}

/** Such as `loop0`. */
async function loopDevicesOf(path: string): Promise<readonly string[]> {
  const file = await realpath(path);
  const found: string[] = [];
  for (const name of await readdir(blockFolder).catch(() => [])) {
    if (name.startsWith("loop") && (await attributeOf(name, "loop/backing_file")) === file) {
      found.push(name);
    }
  }
  return found;
}

async function writerOf(path: string): Promise<number | undefined> {
  const file = await realpath(path);
  for (const pid of (await readdir("/proc").catch(() => [])).map(Number)) {
    if (!(pid > 0) || pid === process.pid) continue;
    for (const descriptor of await readdir(`/proc/${pid}/fd`).catch(() => [])) {
      const target = await readlink(`/proc/${pid}/fd/${descriptor}`).catch(() => undefined);
      if (target !== file) continue;
      const info = await readFile(`/proc/${pid}/fdinfo/${descriptor}`, "ascii").catch(() => "");
      // Octal, as of open(2): the last two bits are 0 for reading only.
      if ((Number.parseInt(/flags:\s*(\d+)/.exec(info)?.[1] ?? "0", 8) & 3) !== 0) return pid;
    }
  }
  return undefined;
}

function busy(operation: string, path: string, reason: string): VolumeError {
  return new VolumeError("busy", `${operation} ${path}: it is in use: ${reason}`);
}
