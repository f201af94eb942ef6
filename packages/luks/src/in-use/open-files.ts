import { statSync } from "node:fs";
import { setImmediate } from "node:timers/promises";
import { type DiskIdentity, identityOf, isSame } from "./identity.ts";
import type { KernelInode } from "./inode-in-kernel.ts";
import { kernelText } from "./kernel-files.ts";
import { isRemote, type Mount, type MountNamespace } from "./mount-namespaces.ts";
import { descriptorsOf, openFile } from "./process-files.ts";

/** Another process that has a disk open. */
export interface ProcessUser {
  readonly type: "process";
  readonly pid: number;
  /** Its name, as of /proc/PID/comm. */
  readonly program: string;
  readonly holds: "write access" | "lock";
}

/** What is looked for. */
export interface OpenFileQuery {
  /** The same disk under each of its numbers: itself, its partitions, the disk that it is a part of. */
  readonly disks: readonly DiskIdentity[];
  /** Of a file; undefined of a block device, which may have many nodes. */
  readonly place: KernelInode | undefined;
  readonly namespaces: readonly MountNamespace[];
  /** Somebody has a lock on it: then processes that only read count too, if they have one. */
  readonly isLocked: boolean;
}

export interface OpenFileFindings {
  readonly processes: readonly ProcessUser[];
  /** How many processes do not show this one their open files, since they are other users'. */
  readonly unseenProcesses: number;
}

/** Between so many open files the event loop gets its turn. */
const filesAtOnce = 500;

/**
 * The other processes that have a disk open for writing, or hold a lock on it. A process that ends meanwhile has nothing
 * open any more.
 */
export async function processesUsing(
  pids: readonly number[],
  query: OpenFileQuery,
): Promise<OpenFileFindings> {
  const mounts = new Map(
    query.namespaces.flatMap((namespace) => namespace.mounts.map((mount) => [mount.id, mount])),
  );
  const processes: ProcessUser[] = [];
  let [unseenProcesses, files] = [0, 0];
  for (const pid of pids) {
    if (pid === process.pid) continue;
    const descriptors = descriptorsOf(pid);
    if (descriptors === "unseen") {
      unseenProcesses++;
      continue;
    }
    let holds: ProcessUser["holds"] | undefined;
    for (const descriptor of descriptors) {
      if (++files % filesAtOnce === 0) await setImmediate();
      holds = heldBy(pid, descriptor, query, mounts) ?? holds;
      if (holds === "write access") break;
    }
    if (holds === undefined) continue;
    processes.push({ type: "process", pid, program: kernelText(`/proc/${pid}/comm`), holds });
  }
  return { processes, unseenProcesses };
}

function heldBy(
  pid: number,
  descriptor: string,
  query: OpenFileQuery,
  mounts: ReadonlyMap<string, Mount>,
): ProcessUser["holds"] | undefined {
  const info = openFile(pid, descriptor, query.isLocked);
  if (info === undefined || !(info.writes || (query.isLocked && info.hasLock))) return undefined;
  const { place, disks } = query;
  const mount = info.mountId === undefined ? undefined : mounts.get(info.mountId);
  if (!mayBeHere(info.inode, mount, place)) return undefined;
  const found = identityOfOpenFile(pid, descriptor);
  if (found === undefined || !disks.some((disk) => isSame(disk, found))) return undefined;
  return info.writes ? "write access" : "lock";
}

/** Asks no file system but the disk's own, because one whose server is away would not answer. */
function mayBeHere(
  inode: string | undefined,
  mount: Mount | undefined,
  place: KernelInode | undefined,
): boolean {
  if (place === undefined) return mount !== undefined && !isRemote(mount);
  if (inode !== undefined && inode !== place.inode) return false;
  const isElsewhere =
    mount !== undefined && place.number !== undefined && mount.number !== place.number;
  return !isElsewhere;
}

function identityOfOpenFile(pid: number, descriptor: string): DiskIdentity | undefined {
  try {
    return identityOf(statSync(`/proc/${pid}/fd/${descriptor}`, { bigint: true }));
  } catch {
    return undefined;
  }
}
