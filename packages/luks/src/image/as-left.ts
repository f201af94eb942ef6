import { sectorCipher } from "../crypto/choose-cipher.ts";
import { parseCipher } from "../crypto/cipher-spec.ts";
import type { DataCipher } from "../data/data-cipher.ts";
import type { BlockDevice } from "../device/device.ts";
import { LuksError } from "../errors.ts";
import type { CheckedHeader } from "../format/checked-header.ts";
import type { LuksDisk } from "../format/disk.ts";
import { loadLuks } from "../header/load.ts";
import type { ImageJournal } from "./journal.ts";

// Between a cut and the resumption nothing is held, and the image may be replaced, restored, resized or changed by others.
// To go on then would move data by wrong bounds, or through a wrong key.

/** @throws `changed` if the image has another size than it can have been left with */
export function requireSizeAsLeft(
  operation: string,
  image: BlockDevice,
  journal: ImageJournal,
  sizes: readonly number[],
): void {
  if (sizes.includes(image.size)) return;
  const reason = `it has ${image.size} bytes, and was left with ${sizes.join(" or ")}`;
  throw notAsLeft(operation, image, journal, reason);
}

/** @throws `changed` if the header on the image is not of the volume key that the journal's header has */
export function requireKeyAsLeft(
  operation: string,
  image: BlockDevice,
  journal: ImageJournal,
  present: LuksDisk,
  left: CheckedHeader,
): void {
  if (isOfKey(present, left)) return;
  const reason = "it has another volume key than it was left with";
  throw notAsLeft(operation, image, journal, reason);
}

/**
 * Of a decryption of which no batch is in the journal: the image begins with its header, or with the data of a batch that
 * was cut.
 *
 * @param headerFile the header in the journal, which `left` is of
 * @param side the encryption of the data
 * @throws `changed`
 */
export async function requireHeaderAsLeft(
  operation: string,
  image: BlockDevice,
  journal: ImageJournal,
  headerFile: BlockDevice,
  left: CheckedHeader,
  side: DataCipher,
): Promise<void> {
  const present = await loadLuks(operation, image).catch(() => undefined);
  if (present && isOfKey(present, left)) return;
  const start = await firstSector(image, 0, side.sectorSize);
  if (isSameStart(start, await firstSector(headerFile, 0, side.sectorSize))) return;
  const data = await firstSector(image, left.dataOffset, side.sectorSize);
  const cipher = sectorCipher(parseCipher(operation, side.cipher), side.key, side.sectorSize);
  cipher.decrypt(data, side.ivTweak);
  const isCut = isSameStart(start, data);
  data.fill(0);
  if (isCut) return;
  const reason = present ? "it has another volume key than it was left with" : "its header is gone";
  throw notAsLeft(operation, image, journal, reason);
}

/** @param reason such as `it is LUKS now` */
export function notAsLeft(
  operation: string,
  image: BlockDevice,
  journal: ImageJournal,
  reason: string,
): LuksError {
  return new LuksError(
    "changed",
    `${operation} ${image.name}: ${reason}: bring it back as it was left, and resume; ${journal.folder} is of no other image`,
  );
}

function isOfKey(present: LuksDisk, left: CheckedHeader): boolean {
  const digest = left.digests.find((one) => one.digest === left.digest.number);
  const { digests } = present.describe();
  return digest !== undefined && digests.some((one) => one.fingerprint === digest.fingerprint);
}

/** The first 512 bytes of a device. */
export function firstSectorOf(device: BlockDevice): Promise<Uint8Array> {
  return firstSector(device, 0, 512);
}

async function firstSector(
  device: BlockDevice,
  offset: number,
  bytes: number,
): Promise<Uint8Array> {
  const sector = new Uint8Array(bytes);
  await device.read(offset, sector);
  return sector;
}

/** No disk writes less than 512 bytes, whatever is cut. */
function isSameStart(one: Uint8Array, other: Uint8Array): boolean {
  return Buffer.compare(one.subarray(0, 512), other.subarray(0, 512)) === 0;
}
