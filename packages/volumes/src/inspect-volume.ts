import { objectId } from "@chatelaine/keys";
import { parseChatelaineToken, readLuks } from "@chatelaine/luks";
import { VolumeError } from "./errors.ts";
import type { Volume } from "./volume.ts";

/**
 * Reads off a disk which volume it is and which key it needs. Asks no key manager.
 *
 * @throws `not_a_volume` if it names no key; `LuksError` if it has no LUKS header
 */
export async function inspectVolume(path: string): Promise<Volume> {
  const header = await readLuks(path);
  const token = header.tokens
    .map((entry) => parseChatelaineToken(entry.token))
    .find((candidate) => candidate !== undefined);
  if (token === undefined) {
    throw new VolumeError(
      "not_a_volume",
      `inspect ${path}: its LUKS header has no chatelaine token, so it does not say which key it needs`,
    );
  }
  const { uuid, cipher, volumeKeyBitLength, sectorSize, dataOffset, label } = header;
  return {
    id: uuid,
    path,
    keyId: objectId(token.object),
    slots: token.keyslots,
    cipher,
    volumeKeyBitLength,
    sectorSize,
    dataOffset,
    label,
  };
}
