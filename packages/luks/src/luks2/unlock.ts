import type { KdfLimits } from "../crypto/kdf.ts";
import type { BlockDevice } from "../device/device.ts";
import { LuksError } from "../errors.ts";
import type { CheckedHeader } from "../format/checked-header.ts";
import { cryptsetupAdvice } from "../format/cryptsetup-advice.ts";
import { slotError } from "../format/slot-error.ts";
import { meetsDigest } from "./digest.ts";
import { openKeyslot } from "./keyslot.ts";
import type { Luks2Header } from "./load.ts";
import type { Luks2Digest, Luks2Keyslot } from "./metadata.ts";
import { slotObstacle } from "./slot-obstacle.ts";

/**
 * Tries the slots that are bound to the data, by priority, or the one asked for.
 *
 * @param raw what `header` was checked of
 * @returns the volume key's bytes, to be zeroed by the caller
 * @throws `wrong_passphrase`, `no_such_slot`; `too_costly` only if no slot opens; `unsupported` only if none can be tried
 */
export async function unlockLuks2(
  operation: string,
  device: BlockDevice,
  raw: Luks2Header,
  header: CheckedHeader,
  passphrase: Uint8Array,
  slot: number | undefined,
  limits: KdfLimits,
): Promise<{ slot: number; key: Uint8Array }> {
  const digest = raw.metadata.digests[header.digest.number] as Luks2Digest;
  let obstacle: LuksError | undefined;
  let ignored: Ignored | undefined;
  let isTried = false;
  for (const candidate of candidates(operation, device, raw, digest, slot)) {
    const keyslot = raw.metadata.keyslots[candidate] as Luks2Keyslot;
    if (!header.waysIn.includes(candidate)) {
      ignored ??= whyIgnored(device, header, candidate, keyslot);
      continue;
    }
    isTried = true;
    try {
      const key = await openKeyslot(device, keyslot, passphrase, limits);
      if (await meetsDigest(key, digest, limits)) return { slot: candidate, key };
      key.fill(0);
    } catch (error) {
      if (!(error instanceof LuksError) || !passable.has(error.code)) throw error;
      obstacle ??= slotError(operation, device.name, candidate, error);
    }
  }
  if (obstacle !== undefined) throw obstacle;
  if (ignored !== undefined && !isTried) {
    const { reason, advice } = ignored;
    throw new LuksError("unsupported", `${operation} ${device.name}: ${reason}${advice}`);
  }
  const reasons = [
    ...(ignored === undefined ? [] : [ignored.reason]),
    ...(slot === undefined ? untried(raw, digest) : []),
  ];
  const note = reasons.map((reason) => `; ${reason}`).join("");
  throw new LuksError(
    "wrong_passphrase",
    `${operation} ${device.name}: no key slot opens with this passphrase${note}`,
  );
}

/** Bound slots that are tried only if they are named. */
function untried({ metadata }: Luks2Header, digest: Luks2Digest): readonly string[] {
  return digest.keyslots
    .filter((id) => metadata.keyslots[id]?.priority === 0)
    .map((id) => `key slot ${id} is not tried, because its priority is "ignore"`);
}

/** A slot that is bound to the data and that this library cannot open. */
interface Ignored {
  readonly reason: string;
  readonly advice: string;
}

function whyIgnored(
  { name }: BlockDevice,
  { uuid }: CheckedHeader,
  slot: number,
  keyslot: Luks2Keyslot,
): Ignored {
  const { reason = "unknown kind", isForCryptsetup = false } = slotObstacle(keyslot) ?? {};
  const advice = isForCryptsetup ? cryptsetupAdvice(name, 2, uuid) : "";
  return { reason: `key slot ${slot} is ignored: ${reason}`, advice };
}

/** What is wrong with one slot must not hide another that opens. */
const passable = new Set(["unsupported", "too_costly"]);

/** Slots of other digests open other keys: they are no way in. */
function candidates(
  operation: string,
  device: BlockDevice,
  { metadata }: Luks2Header,
  digest: Luks2Digest,
  slot: number | undefined,
): readonly number[] {
  const bound = Object.entries(metadata.keyslots)
    .filter(([id, { type }]) => type === "luks2" && digest.keyslots.includes(id))
    .map(([id, keyslot]) => ({ number: Number(id), priority: keyslot.priority ?? 1 }))
    .toSorted((a, b) => a.number - b.number);
  if (slot !== undefined) {
    if (bound.some(({ number }) => number === slot)) return [slot];
    const isThere = Object.hasOwn(metadata.keyslots, slot);
    throw new LuksError(
      "no_such_slot",
      isThere
        ? `${operation} ${device.name}: key slot ${slot} is not bound to the data`
        : `${operation} ${device.name}: there is no key slot ${slot}`,
    );
  }
  return bound
    .filter(({ priority }) => priority !== 0)
    .toSorted((a, b) => b.priority - a.priority)
    .map(({ number }) => number);
}
