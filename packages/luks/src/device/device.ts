import { constants } from "node:fs";
import { type FileHandle, lstat, open, readFile, realpath, stat } from "node:fs/promises";
import { LuksError } from "../errors.ts";
import { busyError } from "../in-use/busy-error.ts";
import { DeviceGuard } from "../in-use/device-guard.ts";
import { useOf } from "../in-use/disk-use.ts";
import { refuseOtherUse } from "../in-use/header-changes.ts";
import { type HeaderLock, lockHeader } from "../in-use/header-lock.ts";
import { identityOf } from "../in-use/identity.ts";
import { kernelLink, kernelText } from "../in-use/kernel-files.ts";
import { requireAnswering } from "../in-use/suspended.ts";
import { writeAll } from "./write-all.ts";

/**
 * What a LUKS header and its data live on: random access to a fixed number of bytes.
 *
 * `openDevice` makes one of a file or block device; anything else that keeps these promises will do.
 */
export interface BlockDevice {
  /** For messages. */
  readonly name: string;
  /** In bytes, as found when the device was opened. */
  readonly size: number;
  /** Fills all of `into` from byte `offset`. @throws `too_small` at the end of the device, `io` */
  read(offset: number, into: Uint8Array): Promise<void>;
  /** Writes all of `bytes` at byte `offset`. @throws `io` */
  write(offset: number, bytes: Uint8Array): Promise<void>;
  /** Resolves when everything written so far survives a loss of power. */
  sync(): Promise<void>;
  /** Its file descriptor in this process, if it has one: worker threads can share the work then. */
  readonly fd?: number;
}

/**
 * A path of a regular file or block device, an open file handle, or a {@link BlockDevice}.
 *
 * A symbolic link is followed only where it names a block device (as /dev/disk/by-id does):
 * one that leads to a regular file is refused, because a user who can change the link could choose which file is overwritten.
 */
export type DeviceReference = string | FileHandle | BlockDevice;

/**
 * - `read`: the device is not written.
 * - `write`: a header is changed. The disk may be mapped; one that is used as something else than LUKS is `busy`. Others
 *   that change the header, cryptsetup among them, are waited for, half a minute at most, and wait for the end of this.
 * - `exclusive`: everything may change. A block device that is mapped, mounted or otherwise claimed is `busy` at once; right
 *   before the first write, so is every disk that is in use elsewhere (see `diskUse`).
 *
 * Only what is opened by its path is looked at: a handle's users are for its owner to know.
 */
export type DeviceAccess = "read" | "write" | "exclusive";

/** What {@link withDevice} lends: of what was opened by its path to be changed, more than its owner sees. */
export interface OpenedDevice extends BlockDevice {
  /**
   * Keeps others away until the device is closed, as far as they respect a lock, and looks who uses it. Called before long
   * work, and before a caller is told that it may begin.
   *
   * @throws `busy`
   */
  claim?(): Promise<void>;
  /** Looks who uses it, as the first `write` does: for those who write through `fd`. @throws `busy` */
  requireUnused?(): Promise<void>;
  /** Looks for loop devices, which no lock keeps from being attached: from time to time in long work. @throws `busy` */
  requireNotShown?(): Promise<void>;
  /** Gives a regular file another size. Durable when it resolves. @throws `busy`, `io` */
  readonly resize?: ((bytes: number) => Promise<void>) | undefined;
}

/** Opens `reference`, lends it to `work`, and closes what it opened itself. */
export async function withDevice<T>(
  operation: string,
  reference: DeviceReference,
  access: DeviceAccess,
  work: (device: OpenedDevice) => Promise<T>,
): Promise<T> {
  if (typeof reference === "string") {
    const handle = await openPath(operation, reference, access);
    return lendThenClose(operation, reference, handle, async () => {
      let lock: HeaderLock | undefined;
      try {
        if (access === "write") {
          await refuseOtherUse(operation, reference, handle);
          lock = await lockHeader(operation, reference, handle);
        }
        const isExclusive = access === "exclusive";
        const guard = isExclusive ? await DeviceGuard.of(operation, reference, handle) : undefined;
        return await work(await deviceOf(operation, reference, handle, guard));
      } finally {
        await lock?.release();
      }
    });
  }
  if ("stat" in reference) {
    const path = kernelLink(`/proc/self/fd/${reference.fd}`);
    const name = path?.startsWith("/") === true ? path : `file descriptor ${reference.fd}`;
    return work(await deviceOf(operation, name, reference));
  }
  return work(reference);
}

/** As {@link withDevice}, for a file that the caller has made and closes itself. @param name for messages, such as its path */
export async function withOpenFile<T>(
  operation: string,
  name: string,
  handle: FileHandle,
  work: (device: OpenedDevice) => Promise<T>,
): Promise<T> {
  return work(await deviceOf(operation, name, handle));
}

async function openPath(
  operation: string,
  path: string,
  access: DeviceAccess,
): Promise<FileHandle> {
  try {
    await requireAnswering(operation, path);
    const target = (await lstat(path)).isSymbolicLink() ? await realpath(path) : path;
    const isBlockDevice = (await stat(target)).isBlockDevice();
    if (isBlockDevice && access !== "read") await refuseReadOnly(operation, path);
    if (target !== path && !isBlockDevice) {
      throw new LuksError(
        "invalid_argument",
        `${operation} ${path}: is a symbolic link to a file: name the file itself`,
      );
    }
    const flags =
      (access === "read" ? constants.O_RDONLY : constants.O_RDWR) |
      constants.O_NOFOLLOW |
      // Without O_CREAT, Linux takes O_EXCL on a block device as "fail if it is claimed".
      (access === "exclusive" && isBlockDevice ? constants.O_EXCL : 0) |
      constants.O_NONBLOCK;
    return await open(target, flags);
  } catch (cause) {
    if (access === "exclusive" && (cause as { code?: unknown } | null)?.code === "EBUSY") {
      throw busyError(operation, path, await usersAt(path));
    }
    throw ioError(operation, path, cause);
  }
}

/** Linux opens a read-only block device for writing, and fails the first write. @throws `io` */
async function refuseReadOnly(operation: string, path: string): Promise<void> {
  const identity = identityOf(await stat(path, { bigint: true }));
  if (identity?.type !== "device") return;
  if (kernelText(`/sys/dev/block/${identity.number}/ro`) !== "1") return;
  throw new LuksError(
    "io",
    `${operation} ${path}: the device is read-only; make it writable first, as with blockdev --setrw ${path}`,
  );
}

/** Of a block device that cannot be opened exclusively. */
async function usersAt(path: string) {
  const identity = identityOf(await stat(path, { bigint: true }));
  return identity === undefined ? [] : (await useOf(identity, undefined)).users;
}

/**
 * As {@link withDevice}, for a file of our own in a folder that others may write: no link is followed, and nothing but a
 * regular file is taken.
 *
 * @param flags of open(2); a file that is made is readable by its owner alone
 * @throws `invalid_argument`, `io`
 */
export async function withRegularFile<T>(
  operation: string,
  path: string,
  flags: number,
  work: (file: BlockDevice) => Promise<T>,
): Promise<T> {
  const safe = flags | constants.O_NOFOLLOW | constants.O_NONBLOCK;
  const handle = await open(path, safe, 0o600).catch((cause: unknown) => {
    throw ioError(operation, path, cause);
  });
  return lendThenClose(operation, path, handle, async () => {
    const status = await handle.stat();
    if (status.isFile()) return work(new HandleDevice(path, status.size, handle));
    throw new LuksError("invalid_argument", `${operation} ${path}: is no regular file`);
  });
}

/** Closing may fail, as on NFS whose server is away. That is an error, but never hides the one of the work. */
async function lendThenClose<T>(
  operation: string,
  path: string,
  handle: FileHandle,
  work: () => Promise<T>,
): Promise<T> {
  let result: T;
  try {
    result = await work();
  } catch (error) {
    await handle.close().catch(() => undefined);
    throw error;
  }
  await handle.close().catch((cause: unknown) => {
    throw ioError(operation, path, cause);
  });
  return result;
}

async function deviceOf(
  operation: string,
  name: string,
  handle: FileHandle,
  guard?: DeviceGuard,
): Promise<OpenedDevice> {
  try {
    const status = await handle.stat();
    if (status.isFile()) return new HandleDevice(name, status.size, handle, guard, true);
    if (status.isBlockDevice()) {
      return new HandleDevice(name, await blockDeviceSize(handle, status.rdev), handle, guard);
    }
  } catch (cause) {
    throw ioError(operation, name, cause);
  }
  throw new LuksError(
    "invalid_argument",
    `${operation} ${name}: is neither a file nor a block device`,
  );
}

/** In bytes. From sysfs where there is one; else by searching for the last byte that can be read. */
async function blockDeviceSize(handle: FileHandle, rdev: number): Promise<number> {
  // makedev(3) of Linux: twelve bits of major number, twenty of minor.
  const major = Math.floor(rdev / 256) & 0xfff;
  const minor = (rdev & 0xff) | ((rdev >>> 12) & 0xfff00);
  const sectors = await readFile(`/sys/dev/block/${major}:${minor}/size`, "ascii").catch(() => "");
  if (/^\d+\n?$/.test(sectors)) return Number(sectors) * 512;
  const byte = new Uint8Array(1);
  const readable = async (offset: number) =>
    (await handle.read(byte, 0, 1, offset)).bytesRead === 1;
  let beyond = 1;
  while (await readable(beyond - 1)) beyond *= 2;
  let size = Math.floor(beyond / 2);
  while (size < beyond - 1) {
    const middle = Math.floor((size + beyond) / 2);
    if (await readable(middle - 1)) size = middle;
    else beyond = middle;
  }
  return size;
}

class HandleDevice implements OpenedDevice {
  readonly name: string;
  readonly fd: number;
  readonly resize: OpenedDevice["resize"];
  #size: number;
  readonly #handle: FileHandle;
  readonly #guard: DeviceGuard | undefined;

  constructor(
    name: string,
    size: number,
    handle: FileHandle,
    guard?: DeviceGuard,
    isResizable = false,
  ) {
    this.name = name;
    this.fd = handle.fd;
    this.resize = isResizable ? (bytes) => this.#resize(bytes) : undefined;
    this.#size = size;
    this.#handle = handle;
    this.#guard = guard;
  }

  get size(): number {
    return this.#size;
  }

  async claim(): Promise<void> {
    await this.#guard?.claim();
  }

  async requireUnused(): Promise<void> {
    await this.#guard?.requireUnused();
  }

  async requireNotShown(): Promise<void> {
    await this.#guard?.requireNotShown();
  }

  async read(offset: number, into: Uint8Array): Promise<void> {
    let done = 0;
    while (done < into.length) {
      const { bytesRead } = await this.#handle
        .read(into, done, into.length - done, offset + done)
        .catch((cause: unknown) => {
          throw ioError("read", this.name, cause);
        });
      if (bytesRead === 0) {
        throw new LuksError("too_small", `read ${this.name}: ends at byte ${offset + done}`);
      }
      done += bytesRead;
    }
  }

  async write(offset: number, bytes: Uint8Array): Promise<void> {
    await this.#guard?.beforeWriting();
    await writeAll(this.#handle, bytes, offset).catch((cause: unknown) => {
      throw ioError("write", this.name, cause);
    });
  }

  async sync(): Promise<void> {
    await this.#handle.sync().catch((cause: unknown) => {
      throw ioError("sync", this.name, cause);
    });
  }

  async #resize(bytes: number): Promise<void> {
    await this.#guard?.beforeWriting();
    await this.#handle.truncate(bytes).catch((cause: unknown) => {
      throw ioError("resize", this.name, cause);
    });
    this.#size = bytes;
    await this.sync();
  }
}

const meaningOf = new Map<unknown, "busy" | "invalid_argument">([
  ["EBUSY", "busy"],
  ["ETXTBSY", "busy"],
  ["ELOOP", "invalid_argument"],
  ["ENOENT", "invalid_argument"],
  ["EISDIR", "invalid_argument"],
]);

/** What the operating system's codes mean for storage, and what to do. */
const adviceOf = new Map<unknown, string>([
  ["EACCES", "this user may not: run the command as the owner or as root"],
  ["EDQUOT", "the disk quota is used up: make room, then try again"],
  ["EIO", "the storage failed: see the kernel's log (dmesg)"],
  ["ENOSPC", "no room is left on the storage: make room, then try again"],
  ["EPERM", "the kernel does not permit it: is it read-only (blockdev) or immutable (lsattr)?"],
  ["EROFS", "its file system is mounted read-only: remount it read-write first"],
  ["ESTALE", "its file server does not know the file any more: mount the file system again"],
]);

/** Wraps what the operating system threw; a {@link LuksError} passes unchanged. */
export function ioError(operation: string, subject: string, cause: unknown): LuksError {
  if (cause instanceof LuksError) return cause;
  const code = (cause as { code?: unknown } | null)?.code;
  const advice = adviceOf.get(code);
  return new LuksError(
    meaningOf.get(code) ?? "io",
    `${operation} ${subject}: ${typeof code === "string" ? code : "failed"}${advice === undefined ? "" : `, ${advice}`}`,
    { cause },
  );
}
