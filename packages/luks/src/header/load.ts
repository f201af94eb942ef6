import type { BlockDevice } from "../device/device.ts";
import { refuseMarked } from "../device/in-place-mark.ts";
import { LuksError } from "../errors.ts";
import type { CheckedDisk, LuksDisk } from "../format/disk.ts";
import { diskOf } from "../format/snapshot.ts";
import { Luks1Disk } from "../luks1/disk.ts";
import { luksVersion } from "../luks2/binary-header.ts";
import { CheckedLuks2Disk } from "../luks2/checked-disk.ts";
import { Luks2Disk } from "../luks2/disk.ts";
import { shellWord } from "../texts/shell-word.ts";

/**
 * Reads the LUKS header on a device, of either version, for inspection.
 *
 * @throws `not_luks`, `corrupt_header`, `ambiguous`, `unsupported`; `in_reencryption` for an image that is half encrypted in
 *   place, and for LUKS1 in re-encryption: their headers are elsewhere then
 */
export async function loadLuks(operation: string, device: BlockDevice): Promise<LuksDisk> {
  const start = new Uint8Array(Math.min(8, device.size));
  await device.read(0, start);
  const version = start.length === 8 ? luksVersion(start) : undefined;
  if (isLuks1InReencryption(start)) {
    throw new LuksError(
      "in_reencryption",
      `${operation} ${device.name}: a re-encryption of this LUKS1 disk has not finished: ` +
        `run "chatelaine luks resume ${shellWord(device.name)}" if chatelaine began it ("chatelaine recover" for a volume), ` +
        `or "cryptsetup reencrypt ${shellWord(device.name)}" in the folder that has its files LUKS-UUID.log, .org and .new`,
    );
  }
  await refuseMarked(operation, device);
  if (version === 1) return Luks1Disk.load(operation, device);
  if (version !== undefined && version > 2) {
    throw new LuksError("unsupported", `${operation} ${device.name}: LUKS version ${version}`);
  }
  return Luks2Disk.load(operation, device);
}

/** In place of the magic while cryptsetup, or this library, re-encrypts LUKS1, so that the disk cannot be opened. */
const luks1ReencryptionMagic = "LUKS\xde\xad";

function isLuks1InReencryption(start: Uint8Array): boolean {
  return Buffer.from(start).toString("latin1").startsWith(luks1ReencryptionMagic);
}

/**
 * Reads a header that is to be used, checks it, and gives what acts by it.
 *
 * @throws as {@link loadLuks}, and `untrusted_header`, `in_reencryption`
 */
export async function loadChecked(operation: string, device: BlockDevice): Promise<CheckedDisk> {
  const header = (await loadLuks(operation, device)).checked(operation);
  return diskOf(operation, header, device);
}

/** As {@link loadChecked}, for what LUKS1 does not have. @throws `unsupported` */
export async function loadLuks2Disk(
  operation: string,
  device: BlockDevice,
): Promise<CheckedLuks2Disk> {
  const disk = await loadChecked(operation, device);
  if (disk instanceof CheckedLuks2Disk) return disk;
  throw new LuksError("unsupported", `${operation} ${device.name}: LUKS1 does not support this`);
}
