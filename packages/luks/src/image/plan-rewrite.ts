import { hashNameOf } from "../crypto/hashes.ts";
import { LuksError } from "../errors.ts";
import type { CheckedDisk } from "../format/disk.ts";
import { type KeyslotSpec, priorityName } from "../format/keyslot-spec.ts";
import { type CarryOver, carryOverOf } from "../luks2/carry-over.ts";
import { CheckedLuks2Disk } from "../luks2/checked-disk.ts";
import { type FormatPlan, planFormat } from "../luks2/format.ts";
import { maxEntries } from "../luks2/metadata.ts";
import { type HeaderPlan, type ImageFormat, planHeader } from "./new-header.ts";

/**
 * Plans a header for the same data with another volume key and other slots. Everything else is as before.
 *
 * @param opened the slot that the present passphrase opens
 * @throws `slot_in_use`, `invalid_argument`
 */
export function planRewrite(
  operation: string,
  disk: CheckedDisk,
  opened: number,
  keyslots: readonly KeyslotSpec[],
): HeaderPlan {
  const { uuid, dataOffset, volumeKeyBitLength, headerSize, ...header } = disk.header;
  if (!(disk instanceof CheckedLuks2Disk)) {
    const hash = hashNameOf(header.digest.hash) ?? "sha256";
    const { cipher } = header;
    const same = { uuid, dataOffset, volumeKeyBitLength, hash, cipher } as const;
    return planHeader(operation, { version: 1, keyslots, ...same });
  }
  const carried = carryOverOf(disk);
  const plan = planFormat({
    keyslots: numberedSlots(operation, carried, opened, keyslots),
    uuid,
    dataOffset,
    sectorSize: header.sectorSize as 512,
    headerSize,
    keyslotsSize: header.headerAreaBytes - 2 * headerSize,
    returnVolumeKey: true,
  });
  const segment = disk.raw.metadata.segments["0"] ?? plan.segment;
  return { ...plan, segment, volumeKeyBytes: volumeKeyBitLength / 8, carried };
}

/**
 * Plans another kind of header for the same data. From LUKS2 to LUKS2 it keeps what `format` does not name.
 *
 * @throws as {@link planRewrite}
 */
export function planConversion(
  operation: string,
  disk: CheckedDisk,
  opened: number,
  format: ImageFormat,
): HeaderPlan {
  if (!(disk instanceof CheckedLuks2Disk) || format.version === 1) {
    return planHeader(operation, format);
  }
  const carried = carryOverOf(disk);
  const keyslots = numberedSlots(operation, carried, opened, format.keyslots);
  const { headerSize } = disk.header;
  const plan = planHeader(operation, { headerSize, ...format, keyslots });
  return isLuks2Plan(plan) ? { ...plan, carried } : plan;
}

function isLuks2Plan(plan: HeaderPlan): plan is FormatPlan {
  return "segment" in plan;
}

/**
 * Gives new slots their numbers, so that what refers to a slot stays right: the first takes the number of the slot that
 * was opened, and its priority; none takes that of a slot that stays.
 */
function numberedSlots(
  operation: string,
  { header, slots }: CarryOver,
  opened: number,
  specs: readonly KeyslotSpec[],
): readonly KeyslotSpec[] {
  // What is no list is for the planner to refuse.
  if (!Array.isArray(specs)) return specs;
  const asked = specs.flatMap(({ slot }: KeyslotSpec) => (slot === undefined ? [] : [slot]));
  const inUse = asked.find((slot) => Object.hasOwn(slots, slot));
  if (inUse !== undefined) {
    throw new LuksError("slot_in_use", `${operation} slot ${inUse}: it holds another key`);
  }
  const taken = new Set([...asked, ...Object.keys(slots).map(Number)]);
  return specs.map((spec: KeyslotSpec) => {
    const slot = spec.slot ?? [opened, ...Array(maxEntries).keys()].find((n) => !taken.has(n));
    if (slot === undefined) throw new LuksError("no_space", `${operation}: no free key slot`);
    taken.add(slot);
    const { priority } = header.metadata.keyslots[slot] ?? {};
    return {
      ...(priority === undefined ? {} : { priority: priorityName(priority) }),
      ...spec,
      slot,
    };
  });
}
