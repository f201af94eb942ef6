import { LuksError } from "../errors.ts";
import type { Luks2Header } from "./load.ts";

/** A stretch of the key slots area, in bytes. */
export interface Area {
  readonly offset: number;
  readonly size: number;
}

/**
 * Finds room for key material in the key slots area (LUKS2 On-Disk Format, section 2.1, figure 1).
 *
 * @param taken areas to keep clear of besides those of the header's own slots
 * @throws `no_space`
 */
export function freeArea(
  operation: string,
  name: string,
  { binary, metadata }: Luks2Header,
  size: number,
  taken: readonly Area[] = [],
): Area {
  const used = [...Object.values(metadata.keyslots).map(areaOf), ...taken].toSorted(
    (a, b) => a.offset - b.offset,
  );
  const end = 2 * binary.headerSize + Number(metadata.config.keyslots_size);
  let offset = 2 * binary.headerSize;
  for (const area of used) {
    if (area.offset - offset >= size) break;
    offset = Math.max(offset, area.offset + area.size);
  }
  if (offset + size > end) {
    throw new LuksError("no_space", `${operation} ${name}: the key slots area is full`);
  }
  return { offset, size };
}

export function areaOf(keyslot: Luks2Header["metadata"]["keyslots"][string]): Area {
  return { offset: Number(keyslot.area.offset), size: Number(keyslot.area.size) };
}
