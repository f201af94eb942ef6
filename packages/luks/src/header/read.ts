import { type DeviceReference, withDevice } from "../device/device.ts";
import type { CheckedHeader } from "../format/checked-header.ts";
import type { LuksHeader } from "../format/header.ts";
import { loadLuks } from "./load.ts";

/**
 * Reads the header on a device, to look at it; of a LUKS2 header's two copies the newer intact one. Needs no passphrase.
 *
 * Anyone who can write the device decides what it says. Use {@link checkHeader} for everything that acts on it.
 *
 * @throws `not_luks`, `corrupt_header`, `ambiguous`, `unsupported`, `io`
 */
export async function readLuks(device: DeviceReference): Promise<LuksHeader> {
  const operation = "read header";
  return withDevice(operation, device, "read", async (opened) =>
    (await loadLuks(operation, opened)).describe(),
  );
}

/**
 * Reads the header on a device once, and checks that it can be opened and mapped safely:
 *
 * - exactly one data segment, with a cipher of the table `segmentCiphers`, a volume key that fits it, and an offset,
 *   size and IV tweak that the kernel takes as they are;
 * - exactly one digest covers that segment, of a kind that we can compute;
 * - no null cipher anywhere; a UUID of RFC 4122 in lower case; no text with control characters;
 * - no requirement that we do not know, and no re-encryption under way.
 *
 * A slot of an unknown kind stays in the header and is never used.
 *
 * @throws `untrusted_header`, `in_reencryption`, and what {@link readLuks} throws
 */
export async function checkHeader(device: DeviceReference): Promise<CheckedHeader> {
  const operation = "check header";
  return withDevice(operation, device, "read", async (opened) =>
    (await loadLuks(operation, opened)).checked(operation),
  );
}
