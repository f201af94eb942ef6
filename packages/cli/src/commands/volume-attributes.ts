import type { Volume } from "@chatelaine/volumes";
import { showSize } from "../terminal/sizes.ts";

/** What people see of a volume. */
export function attributesOf(volume: Volume) {
  return {
    path: volume.path,
    id: volume.id,
    key: volume.keyId,
    "key slots": volume.slots.join(", "),
    cipher: `${volume.cipher}, ${volume.volumeKeyBitLength} bits`,
    "sector size": volume.sectorSize,
    "data offset": showSize(volume.dataOffset),
    label: volume.label === "" ? undefined : volume.label,
  };
}
