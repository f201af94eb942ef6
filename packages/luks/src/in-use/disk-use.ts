import type { FileHandle } from "node:fs/promises";
import { kernelNameOf, wholeOf } from "./block-devices.ts";
import { isLockedByOthers } from "./file-locks.ts";
import type { DiskIdentity } from "./identity.ts";
import { kernelInodeOf } from "./inode-in-kernel.ts";
import { type KernelUser, kernelUsersOf, numbersOf } from "./kernel-users.ts";
import { attachedLoops, behindLoop, loopDevicesOf } from "./loop-devices.ts";
import { type MountNamespace, mountNamespaces } from "./mount-namespaces.ts";
import { type ProcessUser, processesUsing } from "./open-files.ts";
import { activeVolumeOf, volumeGroupOf } from "./physical-volume.ts";
import { processIds } from "./process-files.ts";
import { suspendedAtOrBelow } from "./suspended.ts";
import { swapAreas } from "./swap-areas.ts";

/** What uses a disk, or may write to it. */
export type DiskUser =
  | KernelUser
  | ProcessUser
  /** A group of LVM that the disk is a physical volume of, and that has an active volume, perhaps none on this disk. */
  | { readonly type: "volume-group"; readonly name: string; readonly active: string }
  /** A process that this one may not see has a lock of fcntl(2) on it. */
  | { readonly type: "lock" };

/** A user of a disk other than this process. */
export interface DiskUse {
  readonly users: readonly DiskUser[];
  /** What could not be looked at, in words; empty if everything was seen. */
  readonly unseen: readonly string[];
}

/** How closely a disk is looked at. */
export interface DiskUseOptions {
  /**
   * Default true: also who has the disk open for writing, or locked. It takes some milliseconds, and more where many
   * processes run.
   */
  readonly processes?: boolean | undefined;
}

/**
 * Who uses a disk.
 *
 * @param handle by which this process has it open; without it less is seen on file systems such as Btrfs
 */
export async function useOf(
  identity: DiskIdentity,
  handle: FileHandle | undefined,
  { processes = true }: DiskUseOptions = {},
): Promise<DiskUse> {
  const pids = processIds();
  const namespaces = mountNamespaces(pids);
  const swaps = await swapAreas(namespaces[0]);
  const users: DiskUser[] = [...(await kernelUsersOf(identity, namespaces, swaps))];
  let unseenProcesses = 0;
  if (processes) {
    // A device that others have suspended, below their own, would not answer.
    if (users.length === 0) users.push(...(await groupOf(identity, handle)));
    const openers = await openersOf(identity, handle, pids, namespaces);
    users.push(...openers.users);
    unseenProcesses = openers.unseenProcesses;
  }
  // The users of the file behind a loop device are users of the loop device.
  for (const { loop, file } of await filesBehind(identity, namespaces)) {
    users.push(...(await kernelUsersOf(file, namespaces, swaps, loop)));
    if (processes) users.push(...(await openersOf(file, undefined, pids, namespaces)).users);
  }
  return { users, unseen: unseenOf(pids, unseenProcesses) };
}

/** A mapping, and what it lies on. */
export type MappingUser = Pick<
  Extract<KernelUser, { readonly type: "mapping" }>,
  "name" | "uuid" | "on"
>;

/** What device-mapper has made of a disk. Where no loop device is attached, no process is looked at. */
export async function mappingsOf(identity: DiskIdentity): Promise<readonly MappingUser[]> {
  const namespaces = attachedLoops().length === 0 ? [] : mountNamespaces(processIds());
  const users = await kernelUsersOf(identity, namespaces, []);
  return users.filter((user) => user.type === "mapping");
}

/** Whether a loop device shows the disk. It can be attached at any time, whatever lock is held. */
export async function loopsOf(identity: DiskIdentity): Promise<readonly DiskUser[]> {
  const { certain } = await loopDevicesOf(identity, mountNamespaces([]));
  return certain.map(({ name, file }) => ({
    type: "loop",
    device: `/dev/${name}`,
    file,
    isCertain: true,
  }));
}

async function openersOf(
  identity: DiskIdentity,
  handle: FileHandle | undefined,
  pids: readonly number[],
  namespaces: readonly MountNamespace[],
): Promise<{ readonly users: readonly DiskUser[]; readonly unseenProcesses: number }> {
  const place = kernelInodeOf(identity, handle?.fd, namespaces);
  const isLocked = place !== undefined && isLockedByOthers(place);
  const { processes, unseenProcesses } = await processesUsing(pids, {
    disks: numbersOf(identity),
    place: identity.type === "file" ? place : undefined,
    namespaces,
    isLocked,
  });
  const isHidden = isLocked && processes.length === 0;
  return { users: isHidden ? [{ type: "lock" }] : processes, unseenProcesses };
}

async function groupOf(
  identity: DiskIdentity,
  handle: FileHandle | undefined,
): Promise<readonly DiskUser[]> {
  if (identity.type !== "device" || handle === undefined) return [];
  if (suspendedAtOrBelow(identity.number) !== undefined) return [];
  const group = await volumeGroupOf(async (offset, length) => {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(length), 0, length, offset);
    return buffer.subarray(0, bytesRead);
  });
  if (group === undefined) return [];
  const active = activeVolumeOf(group);
  return active === undefined ? [] : [{ type: "volume-group", name: group.name, active }];
}

async function filesBehind(
  identity: DiskIdentity,
  namespaces: readonly MountNamespace[],
): Promise<readonly { readonly loop: string; readonly file: DiskIdentity }[]> {
  const device = identity.type === "device" ? kernelNameOf(identity.number) : undefined;
  if (device === undefined) return [];
  const loop = wholeOf(device) ?? device;
  return (await behindLoop(loop, namespaces)).map((file) => ({ loop, file }));
}

function unseenOf(pids: readonly number[], unseenProcesses: number): readonly string[] {
  if (pids.length === 0) return ["processes and mounts, because /proc shows none"];
  if (unseenProcesses === 0) return [];
  return [`the open files of ${unseenProcesses} processes of other users`];
}
