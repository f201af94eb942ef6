import { type CheckedHeader, requireAttached, type VolumeKey } from "@chatelaine/luks";
import type { CryptTable } from "./crypt-table.ts";
import { luksMappingUuid, type MappingName } from "./safe-text.ts";

/** Nothing that asks for a treatment of its own: neither integrity, nor flags, nor a detached header. */
export function isSimple({ segment, flags, dataOffset, headerAreaBytes }: CheckedHeader): boolean {
  return segment.integrity === undefined && flags.length === 0 && dataOffset >= headerAreaBytes;
}

/**
 * How the kernel is told of a disk that is simple, by the header that was checked.
 *
 * @throws `LuksError` `unsupported` for a detached header
 */
export function luksTable(
  disk: string,
  name: MappingName,
  header: CheckedHeader,
  key: VolumeKey,
): CryptTable {
  requireAttached(`map ${disk}`, header);
  const { cipher, offset, size, sectorSize, ivTweak } = header.segment;
  const uuid = luksMappingUuid(header.version, header.uuid, name);
  return { name, uuid, disk, cipher, key, offset, size, sectorSize, ivTweak };
}
