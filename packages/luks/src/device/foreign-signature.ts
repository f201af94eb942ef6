import { LuksError } from "../errors.ts";
import { type FoundSignature, findSignatures } from "./data-signatures.ts";
import { type BlockDevice, type DeviceReference, withDevice } from "./device.ts";

/**
 * The signatures near the beginning of a device that are not of LUKS. The MBR that protects a GPT counts as part of it.
 *
 * A GPT's second copy at the end is not among them: it outlives a whole disk that is formatted as LUKS.
 */
export async function foreignSignatures(device: BlockDevice): Promise<readonly FoundSignature[]> {
  const found = (await findSignatures(device)).filter(({ kind }) => kind !== "luks");
  const hasGpt = found.some(({ kind }) => kind === "gpt");
  return found.map((one) => (hasGpt && one.kind === "mbr" ? { ...one, kind: "gpt" } : one));
}

/**
 * What a device holds near its beginning in addition to LUKS, in the words of `LuksError.holds`, such as `lvm`.
 *
 * @returns each kind once; empty if nothing is recognised, which does not mean that the device is blank
 */
export async function foreignContent(device: DeviceReference): Promise<readonly string[]> {
  const operation = "detect content";
  return withDevice(operation, device, "read", async (opened) =>
    kindsOf(await foreignSignatures(opened)),
  );
}

/**
 * Refuses a device that holds other data and a LUKS header that does not prove itself current:
 * the second copy of LUKS2 alone, or LUKS1, which has no checksum. One of the two is stale. Who writes to the disk, or
 * maps it, by the wrong one destroys the other.
 *
 * Every reading of such a header ends here, so that no caller can forget it.
 *
 * @param luks the header, in words for the message
 * @throws `ambiguous`
 */
export async function requireNoForeignSignature(
  operation: string,
  device: BlockDevice,
  luks: string,
): Promise<void> {
  const found = await foreignSignatures(device);
  if (found.length === 0) return;
  const kinds = kindsOf(found);
  const { name } = device;
  throw new LuksError(
    "ambiguous",
    `${operation} ${name}: it holds ${describeSignatures(found)}, and ${luks}: one of them is stale; ` +
      `if LUKS is current, run "chatelaine luks repair ${name} --over ${kinds.join(" ")}", else "--over luks"`,
    { holds: kinds },
  );
}

/** Such as `lvm at byte 512`: each kind once, with its first place. */
export function describeSignatures(found: readonly FoundSignature[]): string {
  return kindsOf(found)
    .map((kind) => `${kind} at byte ${found.find((one) => one.kind === kind)?.offset}`)
    .join(", ");
}

function kindsOf(found: readonly FoundSignature[]): readonly string[] {
  return [...new Set(found.map(({ kind }) => kind))];
}
