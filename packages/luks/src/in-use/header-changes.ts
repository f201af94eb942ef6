import type { FileHandle } from "node:fs/promises";
import { busyError } from "./busy-error.ts";
import { type DiskUser, useOf } from "./disk-use.ts";
import { identityOf } from "./identity.ts";

/**
 * Refuses to change the header of a disk that is used as something else than LUKS: mounted, swap space, a part of LVM or
 * of a RAID. Its own mapping may be open, and a loop device may show it.
 *
 * @throws `busy`
 */
export async function refuseOtherUse(
  operation: string,
  subject: string,
  handle: FileHandle,
): Promise<void> {
  const identity = identityOf(await handle.stat({ bigint: true }));
  if (identity === undefined) return;
  const { users } = await useOf(identity, handle, { processes: false });
  const others = users.filter((user) => !leavesHeaderAlone(user));
  if (others.length > 0) throw busyError(operation, subject, others);
}

/** What cryptsetup calls its mappings; CRYPT-SUBDEV is one that it makes while it re-encrypts. */
const luksMapping = /^CRYPT-(?:LUKS[12]|INTEGRITY|SUBDEV|TEMP)-/;

function leavesHeaderAlone(user: DiskUser): boolean {
  return user.type === "loop" || (user.type === "mapping" && luksMapping.test(user.uuid));
}
