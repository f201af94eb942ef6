import { LuksError } from "../errors.ts";
import type { DiskUser } from "./disk-use.ts";
import { printable } from "./kernel-files.ts";

/** More of them say nothing more to people. */
const mostUsers = 4;

/**
 * The error that says who uses a disk, and what to do about it.
 *
 * @param next what to do once it is free. Default: retry
 */
export function busyError(
  operation: string,
  subject: string,
  users: readonly DiskUser[],
  next?: string,
): LuksError {
  const then = next === undefined ? "" : `, then ${next}`;
  return new LuksError("busy", `${operation} ${subject}: ${useText(users)}${then}`);
}

/** Such as `it is in use: it is mounted at /srv; first umount /srv`. */
export function useText(users: readonly DiskUser[]): string {
  if (users.length === 0) {
    return "it is in use: the kernel or a program has claimed it; lsblk and fuser -v show more";
  }
  const shown = users.slice(0, mostUsers);
  const more = users.length > shown.length ? `; and ${users.length - shown.length} more` : "";
  const remedies = new Set(shown.toReversed().flatMap(remediesOf));
  return printable(
    `it is in use: ${shown.map(phraseOf).join("; ")}${more}; first ${[...remedies].join(", then ")}`,
  );
}

function phraseOf(user: DiskUser): string {
  switch (user.type) {
    case "loop":
      return user.isCertain
        ? `${user.device} shows it`
        : `${user.device} may show it, because its backing file is no longer at ${user.file}`;
    case "mount": {
      const where = user.pid === undefined ? "" : `, as process ${user.pid} sees it`;
      return `${user.device} is mounted at ${user.folder}${where}`;
    }
    case "mapping":
      return `/dev/mapper/${user.name} uses it${mounted(user.mountedAt)}`;
    case "holder":
      return `${user.device} uses it${mounted(user.mountedAt)}`;
    case "swap":
      return `${user.path} is swap space`;
    case "volume-group":
      return `it belongs to the LVM volume group ${user.name}, in which ${user.active} is active`;
    case "process":
      return user.holds === "lock"
        ? `process ${user.pid} has a lock on it (${user.program})`
        : `process ${user.pid} has it open for writing (${user.program})`;
    case "lock":
      return "a program has a lock on it";
  }
}

function mounted(folders: readonly string[]): string {
  return folders.length === 0 ? "" : ` and is mounted at ${folders.join(", ")}`;
}

/** What to do first comes first. */
function remediesOf(user: DiskUser): readonly string[] {
  switch (user.type) {
    case "loop":
      return [`losetup --detach ${user.device}`];
    case "mount":
      return [`umount ${user.folder}`];
    case "mapping":
      return [...user.mountedAt.map((folder) => `umount ${folder}`), closing(user)];
    case "holder":
      return [...user.mountedAt.map((folder) => `umount ${folder}`), stopping(user.device)];
    case "swap":
      return [`swapoff ${user.path}`];
    case "volume-group":
      return [`vgchange --activate n ${user.name} or vgreduce the disk`];
    case "process":
      return [`stop process ${user.pid}`];
    case "lock":
      return ["stop that program"];
  }
}

function closing({ name, uuid }: { readonly name: string; readonly uuid: string }): string {
  if (uuid.startsWith("CRYPT-")) return `cryptsetup close ${name}`;
  if (uuid.startsWith("LVM-")) return `lvchange --activate n /dev/mapper/${name}`;
  return `dmsetup remove ${name}`;
}

function stopping(device: string): string {
  return device.startsWith("/dev/md") ? `mdadm --stop ${device}` : `take ${device} away`;
}
