import { type DeviceReference, withDevice } from "./device.ts";
import type { LuksHeader } from "./header.ts";
import { describeLuks2 } from "./luks2/describe.ts";
import { loadLuks2 } from "./luks2/load.ts";

/**
 * Reads the header on a device; of a LUKS2 header's two copies the newer intact one. Needs no passphrase.
 *
 * @throws `not_luks`, `corrupt_header`, `unsupported`, `io`
 */
export async function readLuks(device: DeviceReference): Promise<LuksHeader> {
  const operation = "read header";
  return withDevice(operation, device, "read", async (opened) =>
    describeLuks2(await loadLuks2(operation, opened)),
  );
}
