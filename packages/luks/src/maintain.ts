import { type DeviceReference, withDevice } from "./device.ts";
import { LuksError } from "./errors.ts";
import { requireUuid } from "./format-common.ts";
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
  for (const [name, value] of Object.entries(names)) {
    if (typeof value !== "string" || Buffer.byteLength(value) > 47 || value.includes("\0")) {
      throw new LuksError(
        "invalid_argument",
        `${operation} ${name}: must be at most 47 bytes without NUL`,
      );
    }
  }
  if (names.uuid !== undefined) requireUuid(operation, names.uuid);
  await withDevice(operation, device, "write", async (opened) => {
    await (await loadLuks2Disk(operation, opened)).change(operation, {}, names);
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
