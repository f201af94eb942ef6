import { statSync } from "node:fs";
import {
  attributeOf,
  holdersOf,
  kernelNameOf,
  nodeOf,
  partitionsOf,
  upwardsOf,
  wholeOf,
} from "./block-devices.ts";
import { type DiskIdentity, identityOf, isSame } from "./identity.ts";
import { loopDevicesOf } from "./loop-devices.ts";
import type { MountNamespace } from "./mount-namespaces.ts";
import type { SwapArea } from "./swap-areas.ts";

/** What the kernel does with a disk. */
export type KernelUser =
  /** Shows a file as a block device. */
  | {
      readonly type: "loop";
      readonly device: string;
      /** In the kernel's words. */
      readonly file: string;
      /** False if the file is not to be found under that name, and may be this one. */
      readonly isCertain: boolean;
    }
  /** Has a file system on it mounted. */
  | {
      readonly type: "mount";
      readonly device: string;
      readonly folder: string;
      /** A process that sees it there; undefined if this one does. */
      readonly pid: number | undefined;
    }
  /** Has a device of device-mapper on it: dm-crypt, a logical volume, a path of several. */
  | {
      readonly type: "mapping";
      /** The device that it lies on. */
      readonly on: string;
      /** `/dev/mapper/NAME` without the folder. */
      readonly name: string;
      /** Says who made it, such as `CRYPT-LUKS2-…` or `LVM-…`. */
      readonly uuid: string;
      readonly mountedAt: readonly string[];
    }
  /** Has made another device of it, such as /dev/md0. */
  | {
      readonly type: "holder";
      readonly on: string;
      readonly device: string;
      readonly mountedAt: readonly string[];
    }
  /** Swaps to it. */
  | { readonly type: "swap"; readonly path: string };

/** Everything but the processes that have the disk open. @param except a loop device that does not count */
export async function kernelUsersOf(
  disk: DiskIdentity,
  namespaces: readonly MountNamespace[],
  swaps: readonly SwapArea[],
  except?: string,
): Promise<readonly KernelUser[]> {
  const users: KernelUser[] = [];
  const name = disk.type === "device" ? kernelNameOf(disk.number) : undefined;
  if (name !== undefined) users.push(...claimsOfDisk(name, namespaces));
  const { certain, possible } = await loopDevicesOf(disk, namespaces);
  for (const [loops, isCertain] of [
    [certain, true],
    [possible, false],
  ] as const) {
    for (const loop of loops.filter((one) => one.name !== except)) {
      users.push({ type: "loop", device: nodeOf(loop.name), file: loop.file, isCertain });
      if (isCertain) users.push(...claimsOfDisk(loop.name, namespaces));
    }
  }
  const disks = numbersOf(
    disk,
    certain.map((loop) => loop.name),
  );
  for (const { path, identity } of swaps) {
    if (disks.some((one) => isSame(one, identity))) users.push({ type: "swap", path });
  }
  return users;
}

/** A disk, its partitions and the disk that it is a part of. @param loops that show it */
export function numbersOf(
  disk: DiskIdentity,
  loops: readonly string[] = [],
): readonly DiskIdentity[] {
  const name = disk.type === "device" ? kernelNameOf(disk.number) : undefined;
  const whole = name === undefined ? undefined : wholeOf(name);
  const roots = [...(name === undefined ? [] : [name]), ...loops];
  const names = [...roots, ...roots.flatMap(partitionsOf), ...(whole === undefined ? [] : [whole])];
  const others = names.map((one) => ({ type: "device", number: attributeOf(one, "dev") }) as const);
  return [disk, ...others];
}

/** Of the disk and its partitions; of a partition, also what lies on the whole disk. */
function claimsOfDisk(name: string, namespaces: readonly MountNamespace[]): readonly KernelUser[] {
  const whole = wholeOf(name);
  return [
    ...[name, ...partitionsOf(name)].flatMap((one) => claimsOf(one, namespaces)),
    ...(whole === undefined ? [] : claimsOf(whole, namespaces)),
  ];
}

function claimsOf(name: string, namespaces: readonly MountNamespace[]): readonly KernelUser[] {
  const device = nodeOf(name);
  const mounts = mountsOf(name, namespaces).map(
    (mount): KernelUser => ({ type: "mount", device, ...mount }),
  );
  const holders = holdersOf(name).map((holder): KernelUser => {
    const mountedAt = upwardsOf(holder)
      .flatMap((above) => mountsOf(above, namespaces))
      .map(({ folder }) => folder);
    const mapping = attributeOf(holder, "dm/name");
    if (mapping === "") return { type: "holder", on: device, device: nodeOf(holder), mountedAt };
    const uuid = attributeOf(holder, "dm/uuid");
    return { type: "mapping", on: device, name: mapping, uuid, mountedAt };
  });
  return [...mounts, ...holders];
}

/** In our own namespace, or else in the first of the others that has it mounted. */
function mountsOf(
  name: string,
  namespaces: readonly MountNamespace[],
): readonly { readonly folder: string; readonly pid: number | undefined }[] {
  const number = attributeOf(name, "dev");
  if (number === "") return [];
  for (const { pid, mounts } of namespaces) {
    const found = mounts.filter(
      (mount) => mount.number === number || isSourceOf(mount.source, mount.number, number),
    );
    if (found.length > 0) return found.map(({ folder }) => ({ folder, pid }));
  }
  return [];
}

/** Btrfs and the like have a number of their own, and name one of their devices. */
function isSourceOf(source: string, fileSystem: string, number: string): boolean {
  if (!fileSystem.startsWith("0:") || !source.startsWith("/dev/")) return false;
  try {
    return isSame({ type: "device", number }, identityOf(statSync(source, { bigint: true })));
  } catch {
    return false;
  }
}
