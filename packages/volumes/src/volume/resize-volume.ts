import { stat } from "node:fs/promises";
import { refuseUnknownOptions } from "@chatelaine/keys/interface";
import { checkHeader, layoutOf } from "@chatelaine/luks";
import { occupantOf } from "../disk/location.ts";
import { perform } from "../engine/perform.ts";
import { blockDevice } from "../host/block-device.ts";
import { mappingOf } from "../host/disk-use.ts";
import { requireCryptsetup } from "../host/reencryption.ts";
import { requireWritable } from "../host/writable.ts";
import { VolumeError } from "../model/errors.ts";
import type { VolumeContext } from "../model/volume-context.ts";
import { recoverFor } from "../operations/registry.ts";
import { resizeOperation } from "../operations/resize.ts";
import { recordedLocation, refuseMismatch } from "../record/recorded-disk.ts";
import { proveVolume, type VerifiedVolume } from "./verify-volume.ts";

/** How far a volume is to grow. */
export interface ResizeVolumeOptions {
  /** For the data, in bytes, a multiple of the volume's sector size. Of a file; a block device has the size it has. */
  readonly sizeBytes?: number | undefined;
}

/** A volume, and how much there is room for in it. */
export interface ResizedVolume extends VerifiedVolume {
  /** Of the data. */
  readonly sizeBytes: number;
  /** The kernel shows its plaintext, in the new size. */
  readonly isOpen: boolean;
}

/**
 * Makes a volume larger: grows its file, or takes what its block device has grown by;
 * if it is open, its mapping grows too. Then grow the file system on it.
 *
 * It is never made smaller, since nobody can say whether a file system still needs the
 * end: clone its data into a smaller volume instead.
 *
 * @throws `invalid_argument` for a smaller size, or a device whose data would not be whole sectors; `unsupported`, `busy`, `mismatch`, `missing_key`,
 *   `wrong_key`, before anything is changed; `unfinished`
 */
export async function resizeVolume(
  context: VolumeContext,
  path: string,
  options: ResizeVolumeOptions = {},
): Promise<ResizedVolume> {
  refuseUnknownOptions("resizeVolume", options, ["sizeBytes"]);
  await recoverFor(context, path);
  const { id, keyId, sectorSize, dataOffset } = await proveVolume(context, path, {
    mayHaveGrown: true,
  });
  const location = await recordedLocation(context.ledger, path);
  await refuseMismatch(context, id, path);
  const { segment } = await checkHeader(path);
  if (segment.size !== "dynamic") {
    throw new VolumeError("unsupported", `resize ${path}: its header gives its data a fixed size`);
  }
  const after = await fileSize(path, options.sizeBytes, sectorSize, dataOffset);
  if (after !== undefined) await requireWritable("resize", location);
  const mapping = await mappingOf("resize", location);
  if (mapping !== undefined) await requireCryptsetup();
  const before = (await stat(location)).size;
  await perform(resizeOperation, context, {
    volumeId: id,
    keyId,
    input: { location, keyId, ...(after !== undefined && { file: { before, after } }) },
  });
  const volume = await proveVolume(context, path);
  const { size: sizeBytes } = layoutOf(await checkHeader(path));
  return { ...volume, sizeBytes, isOpen: mapping !== undefined };
}

/** @returns the size that the file is to have; undefined of a block device */
async function fileSize(
  path: string,
  sizeBytes: number | undefined,
  sectorSize: number,
  dataOffset: number,
): Promise<number | undefined> {
  const refusal = (reason: string) =>
    new VolumeError("invalid_argument", `resize ${path}: ${reason}`);
  if ((await occupantOf(path)) === "device") {
    if (sizeBytes !== undefined) {
      throw refusal(
        "the size of a block device is fixed: grow the device first, and leave the size out here",
      );
    }
    const room = ((await blockDevice(path))?.bytes ?? dataOffset) - dataOffset;
    const rest = room % sectorSize;
    if (rest === 0) return undefined;
    throw refusal(
      `its ${room} bytes for data are not a multiple of the sector size, ${sectorSize}, so the kernel would not open it: make the device ${sectorSize - rest} bytes larger or ${rest} smaller`,
    );
  }
  if (sizeBytes === undefined) throw refusal("a file needs a size");
  if (!Number.isSafeInteger(sizeBytes) || sizeBytes % sectorSize !== 0) {
    throw refusal(`the size must be a multiple of ${sectorSize} bytes`);
  }
  const { size } = await stat(path);
  if (dataOffset + sizeBytes >= size) return dataOffset + sizeBytes;
  throw refusal(
    `it has ${size - dataOffset} bytes and is never shrunk, because its file system may use the end`,
  );
}
