import type { LuksHeader, VolumeKey } from "@chatelaine/luks";
import type { CryptTable } from "./crypt-table.ts";

/** One segment, encrypted, and nothing that asks for a treatment of its own. */
export function isSimple({ segments, flags, requirements }: LuksHeader): boolean {
  const [segment, ...others] = segments;
  if (segment?.type !== "crypt" || segment.hasIntegrity || others.length > 0) return false;
  return flags.length === 0 && requirements.length === 0;
}

/** How the kernel is told of a disk that is simple. */
export function luksTable(
  disk: string,
  name: string,
  header: LuksHeader,
  key: VolumeKey,
): CryptTable {
  const [segment] = header.segments;
  if (segment === undefined) throw new Error(`${disk}: has no segment`);
  const { cipher, offset, size, sectorSize, ivTweak } = segment;
  const uuid = `CRYPT-LUKS${header.version}-${header.uuid.replaceAll("-", "")}-${name}`;
  return { name, uuid, disk, cipher, key, offset, size, sectorSize, ivTweak };
}
