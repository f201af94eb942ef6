import { FileServers } from "./answering.ts";
import { attributeOf } from "./block-devices.ts";
import { type DiskIdentity, deviceNumber, isSame } from "./identity.ts";
import { identityAt } from "./identity-at.ts";
import { kernelNames } from "./kernel-files.ts";
import { isRemote, type MountNamespace, mountOf, placeOf } from "./mount-namespaces.ts";

/** A loop device, which shows a file, or another block device, as a block device. */
export interface LoopDevice {
  /** Such as `loop0`. */
  readonly name: string;
  /** What it shows, as the kernel calls it: a path in the namespace of the process that attached it. */
  readonly file: string;
}

/** The loop devices that show a disk. */
export interface LoopDevices {
  readonly certain: readonly LoopDevice[];
  /** What they show is not to be found under its name, and may be this disk. */
  readonly possible: readonly LoopDevice[];
}

/**
 * Compares by device and inode: the kernel tells programs like this one only a path (LOOP_GET_STATUS is an ioctl), which
 * may be one in another mount namespace, and leads nowhere once that name of the file is deleted.
 */
export async function loopDevicesOf(
  disk: DiskIdentity,
  namespaces: readonly MountNamespace[],
): Promise<LoopDevices> {
  const [certain, possible]: [LoopDevice[], LoopDevice[]] = [[], []];
  const servers = new FileServers();
  for (const loop of attachedLoops()) {
    const near = namespaces.filter((namespace) => !isOnOtherServer(loop, namespace, disk));
    const shown = await shownBy(loop, near, servers);
    if (shown.some((one) => isSame(disk, one))) certain.push(loop);
    else if (shown.length === 0 && mayShow(loop, disk)) possible.push(loop);
  }
  return { certain, possible };
}

/** What a device shows, if it is a loop device: each file that its path may mean. */
export async function behindLoop(
  name: string,
  namespaces: readonly MountNamespace[],
): Promise<readonly DiskIdentity[]> {
  const file = attributeOf(name, "loop/backing_file");
  return file === "" ? [] : shownBy({ name, file }, namespaces, new FileServers());
}

export function attachedLoops(): readonly LoopDevice[] {
  return kernelNames("/sys/block").flatMap((name) => {
    const file = name.startsWith("loop") ? attributeOf(name, "loop/backing_file") : "";
    return file === "" ? [] : [{ name, file }];
  });
}

async function shownBy(
  { file }: LoopDevice,
  namespaces: readonly MountNamespace[],
  servers: FileServers,
): Promise<readonly DiskIdentity[]> {
  const places = new Set<string>();
  const found: DiskIdentity[] = [];
  for (const namespace of namespaces) {
    const place = placeOf(file, namespace);
    if (places.has(place)) continue;
    places.add(place);
    const identity = await identityAt(file, namespace, servers);
    if (identity !== undefined) found.push(identity);
  }
  return found;
}

/**
 * Whether a loop device's file lies with a file server that the disk has nothing to do with, so that the server need not
 * be asked. One of the disk's size is asked for: under that name, the file may have been covered by a mount.
 */
function isOnOtherServer(loop: LoopDevice, namespace: MountNamespace, disk: DiskIdentity): boolean {
  const mount = mountOf(loop.file, namespace);
  if (mount === undefined || !isRemote(mount)) return false;
  if (disk.type === "file" && deviceNumber(disk.dev) === mount.number) return false;
  return !mayShow(loop, disk);
}

/**
 * By the size alone, since nothing else is known: the loop device has that of its file, unless it was given a limit. A file
 * that was made larger meanwhile is not recognised.
 */
function mayShow({ name }: LoopDevice, disk: DiskIdentity): boolean {
  if (disk.type !== "file") return false;
  const numberIn = (attribute: string) => BigInt(attributeOf(name, attribute) || "0");
  const rest = (disk.bytes - numberIn("loop/offset")) / 512n;
  const sectors = numberIn("size");
  return numberIn("loop/sizelimit") === 0n ? rest === sectors : rest >= sectors;
}
