import { readLuks } from "@chatelaine/luks";

/**
 * Runs an operation that replaces the volume key of an image in place. Slots without a given passphrase cannot hold the new key.
 *
 * @returns the slots that opened the image before, and are gone
 */
export async function slotsGone(image: string, work: () => Promise<unknown>): Promise<number[]> {
  const before = await waysIn(image);
  await work();
  const after = await waysIn(image);
  return before.filter((slot) => !after.includes(slot));
}

/** What is no LUKS is for the work to refuse. */
async function waysIn(image: string): Promise<number[]> {
  const header = await readLuks(image).catch(() => undefined);
  return (header?.keyslots ?? []).filter(({ isBound }) => isBound).map(({ slot }) => slot);
}
