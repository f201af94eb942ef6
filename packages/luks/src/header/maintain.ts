import { type DeviceReference, withDevice } from "../device/device.ts";
import { requireName, requireUuid } from "../format/format-common.ts";
import { Luks2Disk } from "../luks2/disk.ts";
import { requireNoReencryption } from "../luks2/usable.ts";
import { refuseUnknownOptions } from "../options.ts";
import { chooseReading } from "./choose-reading.ts";
import { loadLuks, loadLuks2Disk } from "./load.ts";

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

/** How a header is repaired. */
export interface RepairHeaderOptions {
  /**
   * For a device that holds a LUKS header and something else (`ambiguous`): what gives way, in the words of
   * `LuksError.holds`. `["lvm"]` erases the signature of LVM and repairs LUKS; `["luks"]` erases the magic of the old
   * LUKS header and leaves everything else as it is. Default: nothing does.
   */
  readonly over?: readonly string[];
}

/**
 * Rewrites both copies of a LUKS2 header from the newer intact one.
 *
 * @returns false if nothing to repair: both copies were intact and alike, or it is LUKS1
 * @throws `corrupt_header` if no copy is intact: a header backup is the way back then; `ambiguous` if the device holds
 *   something else that `over` does not name; `in_reencryption`: cryptsetup repairs both copies when it goes on
 */
export async function repairHeader(
  device: DeviceReference,
  options: RepairHeaderOptions = {},
): Promise<boolean> {
  const operation = "repair header";
  refuseUnknownOptions(operation, options, ["over"]);
  const { over = [] } = options;
  // What is mounted or otherwise claimed is current, whatever is chosen.
  const access = over.length === 0 ? "write" : "exclusive";
  return withDevice(operation, device, access, async (opened) => {
    const reading = over.length === 0 ? "unchanged" : await chooseReading(operation, opened, over);
    if (reading === "foreign") return true;
    const disk = await loadLuks(operation, opened);
    const isWhole =
      !(disk instanceof Luks2Disk) ||
      (disk.header.copies.primary === "ok" && disk.header.copies.secondary === "ok");
    if (!isWhole) {
      // cryptsetup may be about to write the next state of its work, which an older one must not replace.
      requireNoReencryption(operation, opened.name, disk.header);
      await disk.change(operation, {});
    }
    return !isWhole || reading === "luks";
  });
}
