import type { ObjectId } from "@chatelaine/keys/interface";
import type { LuksHeader } from "@chatelaine/luks";
import { tokensOf } from "../disk/tokens.ts";
import type { Volume } from "../model/volume.ts";

/** Describes the volume that a key opens, from its header. */
export function volumeOfHeader(header: LuksHeader, path: string, keyId: ObjectId): Volume {
  const token = tokensOf(header).find(({ object }) => object === keyId);
  const { uuid, cipher, volumeKeyBitLength, sectorSize, dataOffset, label } = header;
  return {
    id: uuid,
    path,
    keyId,
    slots:
      token?.keyslots ?? header.keyslots.filter(({ isBound }) => isBound).map(({ slot }) => slot),
    cipher,
    volumeKeyBitLength,
    sectorSize,
    dataOffset,
    label,
  };
}
