import { randomFillSync } from "node:crypto";
import type { BlockDevice } from "../device/device.ts";
import { LuksError } from "../errors.ts";
import type { Luks2Header } from "./load.ts";
import type { Luks2Keyslot } from "./metadata.ts";

/** A stretch of the device, in bytes. */
export interface Area {
  readonly offset: number;
  readonly size: number;
}

/**
 * Finds room for key material in the key slots area (LUKS2 On-Disk Format, section 2.1, figure 1).
 *
 * @param taken areas to avoid, in addition to those of the header's own slots
 * @throws `no_space`
 */
export function freeArea(
  operation: string,
  name: string,
  { binary, metadata }: Luks2Header,
  size: number,
  taken: readonly Area[] = [],
): Area {
  const used = [...Object.values(metadata.keyslots).map(areaOf), ...taken];
  const place = {
    offset: 2 * binary.headerSize,
    size: Number(metadata.config.keyslots_size),
  };
  return roomIn(operation, name, place, size, used);
}

/**
 * The first stretch of `size` bytes in `place` that none of `used` touches.
 *
 * @throws `no_space`
 */
export function roomIn(
  operation: string,
  name: string,
  place: Area,
  size: number,
  used: readonly Area[],
): Area {
  let { offset } = place;
  for (const area of used.toSorted((a, b) => a.offset - b.offset)) {
    if (area.offset - offset >= size) break;
    offset = Math.max(offset, area.offset + area.size);
  }
  if (offset + size > place.offset + place.size) {
    throw new LuksError("no_space", `${operation} ${name}: the key slots area is full`);
  }
  return { offset, size };
}

export function areaOf({ area }: Luks2Keyslot): Area {
  return { offset: Number(area.offset), size: Number(area.size) };
}

/** Overwrites an area with random bytes. Durable when it resolves. */
export async function eraseArea(device: BlockDevice, { offset, size }: Area): Promise<void> {
  const chunk = new Uint8Array(Math.min(size, 1024 * 1024));
  for (let done = 0; done < size; done += chunk.length) {
    const part = randomFillSync(chunk.subarray(0, size - done));
    await device.write(offset + done, part);
  }
  await device.sync();
}
