import { randomUUID } from "node:crypto";
import { open, rm, stat } from "node:fs/promises";
import { type ObjectId, refuseUnknownOptions } from "@chatelaine/keys";
import { chatelaineToken, formatLuks2 } from "@chatelaine/luks";
import { VolumeError } from "./errors.ts";
import { keyBitLength, lendPassphrase } from "./passphrase.ts";
import { type VerifiedVolume, verifyVolume } from "./verify-volume.ts";
import type { KeySource } from "./volume.ts";
import { afterDeletingKey, createVolumeKey } from "./volume-key.ts";

export interface CreateVolumeOptions {
  /** Of a file that does not exist yet, or of a blank block device. */
  readonly path: string;
  /** For the data, in bytes, a multiple of `sectorSize`; the file is 16 MiB larger. Only for files. */
  readonly sizeBytes?: number | undefined;
  /** Of the encryption, in bytes. Default 512. */
  readonly sectorSize?: 512 | 1024 | 2048 | 4096 | undefined;
  /** In the LUKS header; at most 47 bytes. Default none. */
  readonly label?: string | undefined;
  readonly now?: (() => Date) | undefined;
}

const headerBytes = 16 * 1024 * 1024;

/**
 * Makes an encrypted volume: LUKS2, AES-256 in XTS mode, one key slot, whose key
 * the key manager generates for this volume alone. Resolves once the disk has
 * been seen to open with it.
 *
 * A block device that holds anything is refused. If it rejects, the key is
 * deleted again, and a file that was made here is removed.
 *
 * @throws `exists`, `invalid_argument`; `LuksError` `holds_data`, `too_small`; `KeyManagerError`
 */
export async function createVolume(
  source: KeySource,
  options: CreateVolumeOptions,
): Promise<VerifiedVolume> {
  refuseUnknownOptions("createVolume", options, [
    "path",
    "sizeBytes",
    "sectorSize",
    "label",
    "now",
  ]);
  const { path } = options;
  const undoFile = await prepareDisk(options);
  try {
    const volumeId = randomUUID();
    const keyId = await createVolumeKey(source, volumeId);
    try {
      await format(source, options, volumeId, keyId);
      return await verifyVolume(source, path);
    } catch (error) {
      throw await afterDeletingKey(source, volumeId, keyId, error);
    }
  } catch (error) {
    await undoFile();
    throw error;
  }
}

async function format(
  { keyManager, caller }: KeySource,
  options: CreateVolumeOptions,
  volumeId: string,
  keyId: ObjectId,
): Promise<void> {
  const created = (options.now ?? (() => new Date()))();
  await lendPassphrase(await keyManager.get(caller, keyId), (passphrase) =>
    formatLuks2(options.path, {
      uuid: volumeId,
      keyslots: [{ passphrase, entropyBits: keyBitLength }],
      tokens: [chatelaineToken({ keyslots: [0], object: keyId, created })],
      ...(options.sectorSize !== undefined && { sectorSize: options.sectorSize }),
      ...(options.label !== undefined && { label: options.label }),
    }),
  );
}

/** @returns what removes the file again, if it was made here. */
async function prepareDisk({
  path,
  sizeBytes,
  sectorSize = 512,
}: CreateVolumeOptions): Promise<() => Promise<void>> {
  const found = await stat(path).catch((cause: NodeJS.ErrnoException) => {
    if (cause.code === "ENOENT") return undefined;
    throw new VolumeError("io", `create ${path}: ${cause.message}`, { cause });
  });
  if (found?.isBlockDevice() === true) {
    if (sizeBytes === undefined) return async () => {};
    throw new VolumeError(
      "invalid_argument",
      `create ${path}: a block device has the size it has: leave it out`,
    );
  }
  if (found !== undefined) {
    throw new VolumeError(
      "exists",
      `create ${path}: it exists already, and nothing is ever formatted over a file`,
    );
  }
  if (sizeBytes === undefined || !Number.isSafeInteger(sizeBytes) || sizeBytes < sectorSize) {
    throw new VolumeError(
      "invalid_argument",
      `create ${path}: a new file needs a size of at least ${sectorSize} bytes`,
    );
  }
  if (sizeBytes % sectorSize !== 0) {
    throw new VolumeError(
      "invalid_argument",
      `create ${path}: the size must be a multiple of ${sectorSize} bytes`,
    );
  }
  await makeSparseFile(path, headerBytes + sizeBytes);
  return () => rm(path, { force: true });
}

async function makeSparseFile(path: string, bytes: number): Promise<void> {
  try {
    const file = await open(path, "wx", 0o600);
    try {
      await file.truncate(bytes);
      await file.sync();
    } catch (error) {
      await rm(path, { force: true });
      throw error;
    } finally {
      await file.close();
    }
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    if (code === "EEXIST")
      throw new VolumeError("exists", `create ${path}: it exists already`, { cause });
    throw new VolumeError("io", `create ${path}: ${message}`, { cause });
  }
}
