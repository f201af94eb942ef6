import { randomUUID } from "node:crypto";
import { stat } from "node:fs/promises";
import { refuseUnknownOptions } from "@chatelaine/keys/interface";
import { LuksError, readLuks } from "@chatelaine/luks";
import { locationOf, occupantOf } from "../disk/location.ts";
import { perform } from "../engine/perform.ts";
import { blockDevice } from "../host/block-device.ts";
import { VolumeError } from "../model/errors.ts";
import type { VolumeContext } from "../model/volume-context.ts";
import { beginningOf, headerBytes } from "../operations/create.ts";
import { type EncryptInput, encryptOperation, examine } from "../operations/encrypt.ts";
import { inPlaceInput, journalFolder } from "../operations/in-place.ts";
import { recoverFor } from "../operations/registry.ts";
import { refuseRecorded } from "../record/recorded-disk.ts";
import type { CreateVolumeOptions } from "./create-volume.ts";
import { type VerifiedVolume, verifyVolume } from "./verify-volume.ts";

/** How a disk with data becomes a volume. */
export interface EncryptVolumeOptions
  extends Pick<CreateVolumeOptions, "sectorSize" | "label" | "format" | "keyId"> {
  /** Folder for what a resumption needs, made and removed by the operation. Default: the file's path with `.chatelaine` behind it. Required for a block device. */
  readonly journal?: string | undefined;
  /**
   * A block device cannot grow by the header's 16 MiB: its last bytes, as many, must be free,
   * so shrink the file system first. If they are free but not zero: `["unrecognised"]`.
   */
  readonly allowDestroyingData?: readonly string[] | undefined;
}

/**
 * Encrypts a plain disk where it is, under a key of its own; its data stay. A file
 * grows by 16 MiB. Nobody may use the disk meanwhile, nor while it waits for `recover`.
 *
 * It can be killed at any instant: no data are lost, and `recover` takes it back if no
 * byte of the disk has been changed, or else goes on.
 *
 * @throws `exists` if it is LUKS already, `busy`, `invalid_argument`, `io` if there is no room;
 *   `LuksError` `holds_data`, `too_small`; all before the disk is changed; `unfinished`
 */
export async function encryptVolume(
  context: VolumeContext,
  path: string,
  options: EncryptVolumeOptions = {},
): Promise<VerifiedVolume> {
  await recoverFor(context, path);
  const input = await inputOf(context, path, options);
  const { location, format } = input;
  const volumeId = randomUUID();
  await perform(encryptOperation, context, {
    volumeId,
    input,
    changes: [{ type: "put", volume: beginningOf(context, volumeId, location, { format }) }],
  });
  return verifyVolume(context, path);
}

/** What encrypting a disk would touch. */
export interface EncryptionPreview {
  readonly path: string;
  /** By which it grows. */
  readonly headerBytes: number;
  /** Folder of the journal, meanwhile. */
  readonly journal: string;
}

/** What `encryptVolume` would do, refused as it would refuse it. Changes nothing. */
export async function previewEncryption(
  context: VolumeContext,
  path: string,
  options: EncryptVolumeOptions = {},
): Promise<EncryptionPreview> {
  const input = await inputOf(context, path, options);
  await examine(input);
  return {
    path,
    headerBytes: input.occupant === "file" ? headerBytes : 0,
    journal: journalFolder(input),
  };
}

async function inputOf(
  { ledger }: VolumeContext,
  path: string,
  options: EncryptVolumeOptions,
): Promise<EncryptInput> {
  refuseUnknownOptions("encryptVolume", options, [
    "sectorSize",
    "label",
    "format",
    "keyId",
    "journal",
    "allowDestroyingData",
  ]);
  const { sectorSize = 512, label = "", format = "luks2", keyId } = options;
  if (format === "luks1" && (sectorSize !== 512 || label !== "")) {
    throw new VolumeError(
      "invalid_argument",
      `encrypt ${path}: LUKS1 has 512-byte sectors and no label`,
    );
  }
  const location = await locationOf(path);
  const occupant = await occupantOf(location);
  if (occupant === "nothing") {
    throw new VolumeError("not_found", `encrypt ${path}: no such file or device`);
  }
  await refuseLuks(path);
  await requireWholeSectors(path, sectorSize);
  await refuseRecorded(ledger, "encrypt", path);
  const { allowDestroyingData = [] } = options;
  return {
    ...(await inPlaceInput("encrypt", location, options.journal)),
    occupant,
    sectorSize,
    label,
    format,
    ...(keyId !== undefined && { keyId }),
    allowDestroyingData,
  };
}

async function refuseLuks(path: string): Promise<void> {
  const isLuks = await readLuks(path).then(
    () => true,
    (error: unknown) => {
      if (error instanceof LuksError && ["not_luks", "too_small"].includes(error.code))
        return false;
      throw error;
    },
  );
  if (isLuks)
    throw new VolumeError(
      "exists",
      `encrypt ${path}: it is already LUKS: run "chatelaine volume adopt"`,
    );
}

async function requireWholeSectors(path: string, sectorSize: number): Promise<void> {
  const size = (await blockDevice(path))?.bytes ?? (await stat(path)).size;
  if (size > 0 && size % sectorSize === 0) return;
  throw new VolumeError(
    "invalid_argument",
    `encrypt ${path}: its size, ${size} bytes, must be a multiple of ${sectorSize}`,
  );
}
