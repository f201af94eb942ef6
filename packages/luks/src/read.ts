import { type DeviceReference, withDevice } from "./device.ts";
import type { LuksHeader } from "./header.ts";
import { loadLuks } from "./load.ts";

/**
 * Reads the header on a device; of a LUKS2 header's two copies the newer intact one. Needs no passphrase.
 *
 * @throws `not_luks`, `corrupt_header`, `unsupported`, `io`
 */
export async function readLuks(device: DeviceReference): Promise<LuksHeader> {
  const operation = "read header";
  return withDevice(operation, device, "read", async (opened) =>
    (await loadLuks(operation, opened)).describe(),
  );
}
