import { constants } from "node:fs";
import { open, stat } from "node:fs/promises";
import { useText } from "../in-use/busy-error.ts";
import {
  type DiskUse,
  type DiskUseOptions,
  type DiskUser,
  type MappingUser,
  mappingsOf,
  useOf,
} from "../in-use/disk-use.ts";
import { identityOf } from "../in-use/identity.ts";
import { refuseUnknownOptions } from "../options.ts";
import { ioError } from "./device.ts";

/**
 * Finds the users of a disk (a file or a block device) other than this process. It compares inode and device number, whatever the
 * disk is called, and writes nothing.
 *
 * Seen are loop devices, file systems, swap space, what device-mapper (dm-crypt, LVM), MD and the like have made of the
 * disk or its partitions, in every mount namespace that this process may look into; and processes that have the disk open
 * for writing, or a lock of fcntl(2) on it, such as a QEMU that only reads.
 *
 * Not seen are other hosts, processes outside this PID namespace, a process that has only a memory map left, and without
 * root the open files of other users. On systems other than Linux nothing is seen.
 *
 * @throws `invalid_argument` if nothing is there, `io`
 */
export async function diskUse(path: string, options: DiskUseOptions = {}): Promise<DiskUse> {
  const operation = "check use";
  refuseUnknownOptions(operation, options, ["processes"]);
  const handle = await open(path, constants.O_RDONLY | constants.O_NONBLOCK).catch(() => undefined);
  try {
    const status = await (handle?.stat({ bigint: true }) ?? stat(path, { bigint: true }));
    const identity = identityOf(status);
    return identity === undefined
      ? { users: [], unseen: [] }
      : await useOf(identity, handle, options);
  } catch (cause) {
    throw ioError(operation, path, cause);
  } finally {
    await handle?.close();
  }
}

/**
 * What device-mapper has made of a disk, such as dm-crypt's mapping of its plaintext. Looks at nothing else, so that it
 * takes a small part of the time of {@link diskUse}.
 *
 * @throws `invalid_argument` if nothing is there, `io`
 */
export async function diskMappings(path: string): Promise<readonly MappingUser[]> {
  const status = await stat(path, { bigint: true }).catch((cause: unknown) => {
    throw ioError("check mappings", path, cause);
  });
  const identity = identityOf(status);
  return identity === undefined ? [] : mappingsOf(identity);
}

/**
 * What to tell people about the users of a disk: who they are and what to do first, such as `it is in use: /dev/sdb1 is
 * mounted at /srv; first umount /srv`. It has no secrets, and no control characters.
 */
export function describeDiskUse(users: readonly DiskUser[]): string {
  return useText(users);
}
