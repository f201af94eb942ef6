import { randomUUID } from "node:crypto";
import { type ObjectId, refuseUnknownOptions } from "@chatelaine/keys/interface";
import { locationOf, occupantOf } from "../disk/location.ts";
import { perform } from "../engine/perform.ts";
import { blockDevice } from "../host/block-device.ts";
import { VolumeError } from "../model/errors.ts";
import type { VolumeContext } from "../model/volume-context.ts";
import { beginningOf, type CreateInput, createOperation } from "../operations/create.ts";
import { recoverFor } from "../operations/registry.ts";
import { refuseRecorded } from "../record/recorded-disk.ts";
import { type VerifiedVolume, verifyVolume } from "./verify-volume.ts";

/** What volume, and with which key. */
export interface CreateVolumeOptions {
  /** Of a file that does not exist yet, or of a blank block device. */
  readonly path: string;
  /** For the data, in bytes, a multiple of `sectorSize`; the file is 16 MiB larger. Only for files. */
  readonly sizeBytes?: number | undefined;
  /** Of the encryption, in bytes. Default 512. */
  readonly sectorSize?: 512 | 1024 | 2048 | 4096 | undefined;
  /** In the LUKS header; at most 47 bytes. Default none. */
  readonly label?: string | undefined;
  /**
   * Default `luks2`. LUKS1 is for readers that know nothing else, such as QEMU: it
   * has 512-byte sectors and no label, and the ledger alone says which key it needs.
   */
  readonly format?: "luks1" | "luks2" | undefined;
  /**
   * A key of the user's own, which must be in the key manager already. It outlives
   * the volume. Default: one is made for this volume alone, and deleted with it.
   */
  readonly keyId?: ObjectId | undefined;
}

/**
 * Makes an encrypted volume: LUKS2, AES-256 in XTS mode, one key slot. Resolves
 * once the disk has been seen to open with its key, and the ledger has it.
 *
 * A block device that holds anything is refused. If it rejects, or its process
 * dies, neither disk nor key is left once `recover` has run.
 *
 * @throws `exists`, `invalid_argument`; `LuksError` `holds_data`, `too_small`; `KeyManagerError`
 */
export async function createVolume(
  context: VolumeContext,
  options: CreateVolumeOptions,
): Promise<VerifiedVolume> {
  refuseUnknownOptions("createVolume", options, [
    "path",
    "sizeBytes",
    "sectorSize",
    "label",
    "format",
    "keyId",
  ]);
  await recoverFor(context, options.path);
  const input = await checkedInput(context, options);
  const volumeId = randomUUID();
  const { format = "luks2" } = input;
  await perform(createOperation, context, {
    volumeId,
    input,
    changes: [{ type: "put", volume: beginningOf(context, volumeId, input.location, { format }) }],
  });
  return verifyVolume(context, options.path);
}

async function checkedInput(
  { ledger }: VolumeContext,
  options: CreateVolumeOptions,
): Promise<CreateInput> {
  const { path, sizeBytes, sectorSize = 512, label = "", format = "luks2", keyId } = options;
  if (format === "luks1" && (sectorSize !== 512 || label !== "")) {
    throw refusal(path, "LUKS1 has 512-byte sectors and no label");
  }
  const location = await locationOf(path);
  const occupant = await occupantOf(location);
  const common = { location, sectorSize, label, format, ...(keyId !== undefined && { keyId }) };
  if (occupant === "file") {
    throw new VolumeError(
      "exists",
      `create ${path}: it already exists, and an existing file is never overwritten`,
    );
  }
  if (occupant === "device") {
    await refuseRecorded(ledger, "create", path);
    if (sizeBytes !== undefined) {
      throw refusal(path, "the size of a block device is fixed: leave it out");
    }
    const bytes = (await blockDevice(location))?.bytes ?? 0;
    if (bytes % sectorSize === 0) return { ...common, occupant };
    throw refusal(path, `its ${bytes} bytes are not a multiple of the sector size, ${sectorSize}`);
  }
  if (sizeBytes === undefined || !Number.isSafeInteger(sizeBytes) || sizeBytes < sectorSize) {
    throw refusal(path, `a new file needs a size of at least ${sectorSize} bytes`);
  }
  if (sizeBytes % sectorSize !== 0) {
    throw refusal(path, `the size must be a multiple of ${sectorSize} bytes`);
  }
  return { ...common, occupant: "file", sizeBytes };
}

function refusal(path: string, reason: string): VolumeError {
  return new VolumeError("invalid_argument", `create ${path}: ${reason}`);
}
