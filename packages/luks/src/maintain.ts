import { type DeviceReference, withDevice } from "./device.ts";
import { requireName, requireUuid } from "./format-common.ts";
import { loadLuks, loadLuks2Disk } from "./load.ts";
import { Luks2Disk } from "./luks2/disk.ts";
import { refuseUnknownOptions } from "./options.ts";

/** What a disk is called; what is absent stays. */
export interface Relabel {
  /** At most 47 bytes. */
  readonly label?: string;
  /** At most 47 bytes. */
  readonly subsystem?: string;
  readonly uuid?: string;
}

/** Changes label, subsystem or UUID of a LUKS2 disk. @throws `unsupported` on LUKS1 */
export async function relabel(device: DeviceReference, names: Relabel): Promise<void> {
  const operation = "relabel";
  refuseUnknownOptions(operation, names, ["label", "subsystem", "uuid"]);
  const { label, subsystem, uuid } = names;
  const changed = {
    ...(label !== undefined && { label: requireName(operation, "label", label) }),
    ...(subsystem !== undefined && { subsystem: requireName(operation, "subsystem", subsystem) }),
    ...(uuid !== undefined && { uuid: requireUuid(operation, uuid) }),
  };
  await withDevice(operation, device, "write", async (opened) => {
    await (await loadLuks2Disk(operation, opened)).change(operation, {}, changed);
  });
}

/**
 * Rewrites both copies of a LUKS2 header from the newer intact one.
 *
 * @returns false if there was nothing to repair: both copies were intact and alike, or it is LUKS1
 * @throws `corrupt_header` if no copy is intact: a header backup is the way back then
 */
export async function repairHeader(device: DeviceReference): Promise<boolean> {
  const operation = "repair header";
  return withDevice(operation, device, "write", async (opened) => {
    const disk = await loadLuks(operation, opened);
    if (!(disk instanceof Luks2Disk)) return false;
    const { primary, secondary } = disk.header.copies;
    if (primary === "ok" && secondary === "ok") return false;
    await disk.change(operation, {});
    return true;
  });
}
