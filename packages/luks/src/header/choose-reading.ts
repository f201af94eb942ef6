import type { FoundSignature } from "../device/data-signatures.ts";
import type { BlockDevice } from "../device/device.ts";
import { foreignSignatures } from "../device/foreign-signature.ts";
import { LuksError } from "../errors.ts";
import { luksVersion } from "../luks2/binary-header.ts";
import { secondaryOffsets } from "../luks2/load.ts";
import { loadLuks } from "./load.ts";

/** The decision about a device with two possible readings. */
export type Reading = "unchanged" | "luks" | "foreign";

/**
 * Gives a device with two readings (`ambiguous`) one, as wipefs does: the patterns by which the other is known are
 * overwritten with zeroes, and no other byte. Each is durable when the promise resolves, and a cut is repeated.
 *
 * @param over `["luks"]`, or all other kinds that are found: what gives way
 * @throws `ambiguous` if not all of them are named; `invalid_argument` if a LUKS header is to give way to nothing
 */
export async function chooseReading(
  operation: string,
  device: BlockDevice,
  over: readonly string[],
): Promise<Reading> {
  const givesUpLuks = over.includes("luks");
  if (givesUpLuks && over.length > 1) {
    throw new LuksError("invalid_argument", `${operation} over: contains luks and another kind`);
  }
  const ambiguity = await ambiguityOf(operation, device);
  if (!ambiguity) {
    if (!givesUpLuks) return "unchanged";
    throw new LuksError(
      "invalid_argument",
      `${operation} ${device.name}: it holds only LUKS, so its header is kept`,
    );
  }
  if (givesUpLuks) {
    await erase(device, await luksMagics(device));
    return "foreign";
  }
  const found = await foreignSignatures(device);
  if (!found.every(({ kind }) => over.includes(kind))) throw ambiguity;
  await erase(device, found);
  return "luks";
}

async function ambiguityOf(operation: string, device: BlockDevice): Promise<LuksError | undefined> {
  try {
    await loadLuks(operation, device);
    return undefined;
  } catch (error) {
    if (error instanceof LuksError && error.code === "ambiguous") return error;
    throw error;
  }
}

const magicBytes = 6;

async function luksMagics(device: BlockDevice): Promise<readonly Place[]> {
  const start = new Uint8Array(Math.min(8, device.size));
  await device.read(0, start);
  const primary = luksVersion(start) === undefined ? [] : [0];
  const offsets = [...primary, ...(await secondaryOffsets(device))];
  return offsets.map((offset) => ({ offset, length: magicBytes }));
}

type Place = Pick<FoundSignature, "offset" | "length">;

async function erase(device: BlockDevice, places: readonly Place[]): Promise<void> {
  for (const { offset, length } of places) await device.write(offset, new Uint8Array(length));
  await device.sync();
}
