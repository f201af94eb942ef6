import { attributeOf } from "./block-devices.ts";
import { kernelNames } from "./kernel-files.ts";

/** The volume group that a physical volume of LVM belongs to. */
export interface VolumeGroup {
  readonly name: string;
  /** 32 letters and digits. */
  readonly id: string;
}

/** Reads so many bytes from a place of a disk; fewer at its end. */
export type ReadAt = (offset: number, length: number) => Promise<Buffer>;

const sector = 512;
const labelBytes = 32;
const mostMetadataBytes = 16 * 1024 * 1024;

/**
 * The group that a disk's LVM label and metadata name (lib/format_text/layout.h of LVM2): the label in one of the first
 * four sectors, in it a list of data areas and one of metadata areas, and in such an area where its newest text is.
 *
 * @returns undefined if it is no physical volume, or of no group
 */
export async function volumeGroupOf(readAt: ReadAt): Promise<VolumeGroup | undefined> {
  const start = await readAt(0, 4 * sector);
  for (let at = 0; at + sector <= start.length; at += sector) {
    const label = start.subarray(at, at + sector);
    if (label.toString("latin1", 0, 8) !== "LABELONE") continue;
    for (const area of metadataAreas(label)) {
      const group = parseGroup(await newestText(readAt, area));
      if (group !== undefined) return group;
    }
  }
  return undefined;
}

/** A logical volume of the group that is active, as device-mapper calls it. */
export function activeVolumeOf({ id }: VolumeGroup): string | undefined {
  const active = kernelNames("/sys/class/block").find((name) =>
    attributeOf(name, "dm/uuid").startsWith(`LVM-${id}`),
  );
  return active && attributeOf(active, "dm/name");
}

interface Area {
  readonly offset: number;
  readonly bytes: number;
}

function metadataAreas(label: Buffer): readonly Area[] {
  // The physical volume's UUID and size, then the two lists, each ended by an entry of zeroes.
  let at = label.readUInt32LE(20) + labelBytes + 8;
  const lists: Area[][] = [[], []];
  for (const list of lists) {
    for (; at + 16 <= label.length; at += 16) {
      const offset = safeNumber(label.readBigUInt64LE(at));
      const bytes = safeNumber(label.readBigUInt64LE(at + 8));
      if (offset === 0) break;
      list.push({ offset, bytes });
    }
    at += 16;
  }
  return lists[1] ?? [];
}

/** The metadata is written round and round behind the area's first sector. */
async function newestText(readAt: ReadAt, area: Area): Promise<string> {
  const header = await readAt(area.offset, sector);
  if (header.length < sector || header.toString("latin1", 4, 20) !== " LVM2 x[5A%r0N*>") return "";
  const offset = safeNumber(header.readBigUInt64LE(40));
  const bytes = safeNumber(header.readBigUInt64LE(48));
  if (bytes === 0 || bytes > mostMetadataBytes || offset < sector || offset > area.bytes) return "";
  const first = Math.min(bytes, area.bytes - offset);
  const text = await readAt(area.offset + offset, first);
  const rest = bytes > first ? await readAt(area.offset + sector, bytes - first) : Buffer.alloc(0);
  return Buffer.concat([text, rest]).toString("latin1");
}

/** Such as `vg { id = "hyqy5P-…"`. */
function parseGroup(text: string): VolumeGroup | undefined {
  const [, name, id] = /^\s*([\w.+-]+)\s*\{\s*id\s*=\s*"([0-9A-Za-z-]{38})"/.exec(text) ?? [];
  return name === undefined || id === undefined ? undefined : { name, id: id.replaceAll("-", "") };
}

function safeNumber(value: bigint): number {
  return value > BigInt(Number.MAX_SAFE_INTEGER) ? 0 : Number(value);
}
