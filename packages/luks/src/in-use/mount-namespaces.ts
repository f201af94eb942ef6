import { kernelLink, kernelText, unescaped } from "./kernel-files.ts";

/** One mount (proc(5), /proc/PID/mountinfo). */
export interface Mount {
  /** Its own in the whole system. */
  readonly id: string;
  /** `MAJOR:MINOR` of the file system; that of the block device, if it is on one alone. */
  readonly number: string;
  /** What of the file system is mounted. */
  readonly root: string;
  /** Where. */
  readonly folder: string;
  readonly type: string;
  readonly source: string;
}

/** What some processes see as the file system. */
export interface MountNamespace {
  /** One of them. Undefined of our own namespace. */
  readonly pid: number | undefined;
  readonly mounts: readonly Mount[];
}

/** Our own first, then all others, as far as this process may know them. */
export function mountNamespaces(pids: readonly number[]): readonly MountNamespace[] {
  const seen = new Set([kernelLink("/proc/self/ns/mnt")]);
  const namespaces: MountNamespace[] = [{ pid: undefined, mounts: mountsOf("self") }];
  for (const pid of pids) {
    const namespace = kernelLink(`/proc/${pid}/ns/mnt`);
    if (namespace === undefined || seen.has(namespace)) continue;
    seen.add(namespace);
    namespaces.push({ pid, mounts: mountsOf(pid) });
  }
  return namespaces;
}

function mountsOf(process: number | "self"): readonly Mount[] {
  const lines = kernelText(`/proc/${process}/mountinfo`).split("\n");
  return lines.flatMap((line) => {
    const fields = line.split(" ");
    const [id, , number, root, folder] = fields;
    const [type, source] = fields.slice(fields.indexOf("-", 6) + 1);
    if (id === undefined || number === undefined || root === undefined || folder === undefined) {
      return [];
    }
    return [
      {
        id,
        number,
        root: unescaped(root),
        folder: unescaped(folder),
        type: type ?? "",
        source: unescaped(source ?? ""),
      },
    ];
  });
}

/**
 * The file system that a path leads to in a namespace, and the path in it: where two namespaces have the same, the path
 * leads to the same file.
 */
export function placeOf(path: string, namespace: MountNamespace): string {
  const { number, root, folder } = mountOf(path, namespace) ?? { number: "", root: "", folder: "" };
  return `${number} ${root} ${path.slice(folder.length)}`;
}

/** The mount that an absolute path lies on, as far as no link on the way leads elsewhere. */
export function mountOf(path: string, { mounts }: MountNamespace): Mount | undefined {
  let deepest: Mount | undefined;
  for (const mount of mounts) {
    const { folder } = mount;
    const isAbove = folder === "/" || path === folder || path.startsWith(`${folder}/`);
    // Of two mounts at one place, the later covers the other.
    if (isAbove && folder.length >= (deepest?.folder.length ?? 0)) deepest = mount;
  }
  return deepest;
}

/** Whether a file system has a server, which may be away. Others are on devices of this machine, or in memory. */
export function isRemote({ type }: Mount): boolean {
  return remoteTypes.test(type);
}

const remoteTypes = /^(?:nfs|cifs|smb|9p|ceph|afs|coda|lustre|fuse|autofs)/;

/** Where this process finds the files of a namespace; empty for its own. */
export function rootOf({ pid }: MountNamespace): string {
  return pid === undefined ? "" : `/proc/${pid}/root`;
}
