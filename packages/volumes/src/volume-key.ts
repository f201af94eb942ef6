import {
  type Consumer,
  type KeyManager,
  KeyManagerError,
  type ObjectId,
  tracksConsumers,
} from "@chatelaine/keys";
import { VolumeError } from "./errors.ts";
import { keyBitLength } from "./passphrase.ts";
import type { KeySource } from "./volume.ts";

/**
 * Has a key generated for a volume, and registers the volume as its consumer, so
 * that nobody deletes it under the disk. If it rejects, no key is left.
 */
export async function createVolumeKey(source: KeySource, volumeId: string): Promise<ObjectId> {
  const { keyManager, caller } = source;
  const keyId = await keyManager.createKey(caller, {
    algorithm: "aes",
    bitLength: keyBitLength,
    name: keyName(volumeId),
    nameIsUnique: true,
  });
  try {
    if (tracksConsumers(keyManager))
      await keyManager.addConsumer(caller, keyId, consumerOf(volumeId));
    return keyId;
  } catch (error) {
    throw await afterDeletingKey(source, volumeId, keyId, error);
  }
}

/**
 * Deletes a volume's key, after the volume itself.
 *
 * @returns false if the key stays, because others need it too.
 */
export async function deleteVolumeKey(
  source: KeySource,
  volumeId: string,
  keyId: ObjectId,
): Promise<boolean> {
  const { keyManager, caller } = source;
  try {
    await releaseKey(source, volumeId, keyId);
    await keyManager.delete(caller, keyId);
    return true;
  } catch (error) {
    if (isCode(error, "in_use")) return false;
    if (isCode(error, "not_found")) return true;
    throw error;
  }
}

/** Deletes a key that has no volume after all; the error to reject with tells if that failed. */
export async function afterDeletingKey(
  source: KeySource,
  volumeId: string,
  keyId: ObjectId,
  error: unknown,
): Promise<unknown> {
  try {
    await deleteVolumeKey(source, volumeId, keyId);
    return error;
  } catch (leftover) {
    return new VolumeError(
      "left_behind",
      `${messageOf(error)}; and its key ${keyId} could not be deleted: ${messageOf(leftover)}`,
      { cause: error },
    );
  }
}

async function releaseKey(
  { keyManager, caller }: KeySource,
  volumeId: string,
  keyId: ObjectId,
): Promise<void> {
  if (!tracksConsumers(keyManager)) return;
  if (!(await isConsumer(keyManager, { keyManager, caller }, volumeId, keyId))) return;
  await keyManager.removeConsumer(caller, keyId, consumerOf(volumeId));
}

async function isConsumer(
  keyManager: KeyManager,
  { caller }: KeySource,
  volumeId: string,
  keyId: ObjectId,
): Promise<boolean> {
  const { consumers } = await keyManager.describe(caller, keyId);
  const own = consumerOf(volumeId);
  return consumers.some(
    ({ service, resourceType, resourceId }) =>
      service === own.service && resourceType === own.resourceType && resourceId === own.resourceId,
  );
}

/** Unique by the volume's id: what was made but not heard of can be found by it. */
export function keyName(volumeId: string): string {
  return `volume-${volumeId}`;
}

function consumerOf(volumeId: string): Consumer {
  return { service: "volume", resourceType: "volume", resourceId: volumeId };
}

function isCode(error: unknown, code: KeyManagerError["code"]): boolean {
  return error instanceof KeyManagerError && error.code === code;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
