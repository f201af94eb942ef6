import type { BlockDevice } from "../device/device.ts";
import type { Luks2Disk } from "./disk.ts";
import { type Area, areaOf, freeArea } from "./key-area.ts";
import type { Luks2Header } from "./load.ts";
import type { Luks2Keyslot } from "./metadata.ts";
import { writeCopies } from "./store.ts";

/**
 * Writes a saved header over the present one. Slots whose material would overwrite that of a present
 * slot move to free room, so that the present header opens until the saved one has replaced it.
 *
 * @param present undefined if the device has no readable header
 * @throws `no_space` if the key slots area cannot hold both for the moment
 */
export async function restoreLuks2(
  operation: string,
  source: BlockDevice,
  saved: Luks2Header,
  target: BlockDevice,
  present: Luks2Disk | undefined,
): Promise<void> {
  const keyslots: Record<string, Luks2Keyslot> = {};
  const taken: Area[] = Object.values(saved.metadata.keyslots).map(areaOf);
  for (const [id, keyslot] of Object.entries(saved.metadata.keyslots)) {
    const area = areaOf(keyslot);
    const material = new Uint8Array(area.size);
    await source.read(area.offset, material);
    let offset = area.offset;
    if (present && !(await isSafe(target, present, area, material))) {
      offset = freeArea(operation, target.name, present.header, area.size, taken).offset;
      taken.push({ offset, size: area.size });
    }
    await target.write(offset, material);
    keyslots[id] = { ...keyslot, area: { ...keyslot.area, offset: String(offset) } };
  }
  await target.sync();
  const { salt: _salt, offset: _offset, ...binary } = saved.binary;
  const sequence = Math.max(binary.sequence, present?.header.binary.sequence ?? 0) + 1;
  const secondaryFirst = present !== undefined && present.header.copies.secondary !== "ok";
  const metadata = { ...saved.metadata, keyslots };
  await writeCopies(operation, target, { ...binary, sequence }, metadata, {
    source: saved.text,
    secondaryFirst,
  });
}

/** True where no present slot has its material, or the very same. */
async function isSafe(
  target: BlockDevice,
  present: Luks2Disk,
  area: Area,
  material: Uint8Array,
): Promise<boolean> {
  const isClear = Object.values(present.header.metadata.keyslots)
    .map(areaOf)
    .every(({ offset, size }) => offset + size <= area.offset || offset >= area.offset + area.size);
  if (isClear) return true;
  const now = new Uint8Array(area.size);
  await target.read(area.offset, now);
  return Buffer.compare(now, material) === 0;
}
