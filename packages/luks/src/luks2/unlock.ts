import type { BlockDevice } from "../device.ts";
import { LuksError } from "../errors.ts";
import type { KdfLimits } from "../kdf.ts";
import { inOrder } from "./describe.ts";
import { digestOfKeyslot, meetsDigest } from "./digest.ts";
import { openKeyslot } from "./keyslot.ts";
import type { Luks2Header } from "./load.ts";

/**
 * Tries the slots by priority, or the one asked for.
 *
 * @returns the volume key's bytes, to be zeroed by the caller
 * @throws `wrong_passphrase`, `no_such_slot`, `too_costly` and `unsupported` only if no slot opens
 */
export async function unlockLuks2(
  operation: string,
  device: BlockDevice,
  header: Luks2Header,
  passphrase: Uint8Array,
  slot: number | undefined,
  limits: KdfLimits,
): Promise<{ slot: number; key: Uint8Array }> {
  let obstacle: unknown;
  for (const candidate of candidates(operation, device, header, slot)) {
    const keyslot = header.metadata.keyslots[candidate];
    const digest = digestOfKeyslot(header.metadata, String(candidate))?.[1];
    if (!keyslot) continue;
    try {
      if (!digest) throw unproven(operation, device, candidate);
      const key = await openKeyslot(device, keyslot, passphrase, limits);
      if (await meetsDigest(key, digest, limits)) return { slot: candidate, key };
      key.fill(0);
    } catch (error) {
      if (!(error instanceof LuksError) || !passable.has(error.code)) throw error;
      obstacle ??= error;
    }
  }
  if (obstacle !== undefined) throw obstacle;
  throw new LuksError("wrong_passphrase", `${operation} ${device.name}: no key slot opens with it`);
}

function unproven(operation: string, device: BlockDevice, slot: number): LuksError {
  return new LuksError(
    "unsupported",
    `${operation} ${device.name}: slot ${slot} has no digest of a type that we know`,
  );
}

/** What is wrong with one slot must not hide another that opens. */
const passable = new Set(["unsupported", "too_costly"]);

function candidates(
  operation: string,
  device: BlockDevice,
  { metadata }: Luks2Header,
  slot: number | undefined,
): readonly number[] {
  const slots = inOrder(metadata.keyslots).filter(([, { type }]) => type === "luks2");
  if (slot !== undefined) {
    if (slots.some(([number]) => number === slot)) return [slot];
    throw new LuksError(
      "no_such_slot",
      `${operation} ${device.name}: there is no key slot ${slot}`,
    );
  }
  return slots
    .filter(([, { priority }]) => priority !== 0)
    .toSorted(([, a], [, b]) => (b.priority ?? 1) - (a.priority ?? 1))
    .map(([number]) => number);
}
