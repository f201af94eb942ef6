import { access, constants } from "node:fs/promises";
import { requireAnswering } from "@chatelaine/luks";
import { VolumeError } from "../model/errors.ts";
import { attributeOf, kernelNameOf } from "./block-device.ts";

/**
 * Refuses what cannot be written, before anything is made that would have to be taken back: a read-only block device, which
 * Linux opens for writing all the same; a file on a read-only mount; an immutable file, also for root.
 *
 * @throws `io`; `LuksError` `busy` of a device that is suspended
 */
export async function requireWritable(operation: string, path: string): Promise<void> {
  await requireAnswering(operation, path);
  const refusal = (reason: string, cause?: unknown) =>
    new VolumeError("io", `${operation} ${path}: ${reason}`, { cause });
  const name = await kernelNameOf(path);
  if (name !== undefined && (await attributeOf(name, "ro")) === "1") {
    throw refusal(
      `the device is read-only; make it writable first, as with blockdev --setrw ${path}`,
    );
  }
  await access(path, constants.W_OK).catch((cause: NodeJS.ErrnoException) => {
    const reason = reasons.get(cause.code) ?? cause.message;
    throw refusal(reason, cause);
  });
}

const reasons = new Map<string | undefined, string>([
  ["EACCES", "this user has no write permission: run the command as its owner or as root"],
  ["EPERM", "it is not writable: if lsattr shows that it is immutable, run chattr -i first"],
  ["EROFS", "its file system is mounted read-only: remount it read-write first"],
]);
