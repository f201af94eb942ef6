import {
  type Consumer,
  grantsAccess,
  KeyManagerError,
  type ObjectId,
  type ObjectInfo,
  tracksConsumers,
} from "@chatelaine/keys/interface";
import { VolumeError } from "../model/errors.ts";
import type { VolumeRecord } from "../model/ledger.ts";
import type { KeySource } from "../model/volume.ts";
import { isCode, missingKey } from "./missing-key.ts";
import { keyBitLength } from "./passphrase.ts";

/**
 * Has a key generated for a volume, and registers the volume as its consumer, so
 * that nobody deletes it under the disk. If it rejects, `discardKeysNamed` removes
 * what may have been made.
 */
export async function createManagedKey(
  source: KeySource,
  volumeId: string,
  name: string,
  bitLength: 256 | 512 = keyBitLength,
): Promise<ObjectId> {
  const keyId = await source.keyManager.createKey(source.caller, {
    algorithm: "aes",
    bitLength,
    name,
    nameIsUnique: true,
  });
  await grantRead(source, keyId);
  await registerConsumer(source, volumeId, keyId);
  return keyId;
}

/**
 * Lets the source's readers read a key, besides whoever may already.
 *
 * @throws `KeyManagerError` `unsupported` if the backend grants nothing
 */
export async function grantRead(
  { keyManager, caller, readers = [] }: KeySource,
  keyId: ObjectId,
): Promise<void> {
  if (readers.length === 0) return;
  if (!grantsAccess(keyManager)) {
    throw new KeyManagerError(
      "unsupported",
      `grant key ${keyId}: this key manager does not support read grants`,
    );
  }
  const access = await keyManager.readAccess(caller, keyId);
  const userIds = [...new Set([...access.userIds, ...readers])];
  await keyManager.setReadAccess(caller, keyId, { ...access, userIds });
}

/** Deletes whatever was made under a name, heard of or not. */
export async function discardKeysNamed(
  source: KeySource,
  volumeId: string,
  name: string,
): Promise<void> {
  for (const { id } of await keysNamed(source, name)) await discardKey(source, volumeId, id);
}

/**
 * Ends a volume's need of a key, and deletes the key if it was made for this
 * volume. A key that the user brought, and one that other consumers need, stays.
 *
 * @returns whether the key is gone
 */
export async function discardKey(
  source: KeySource,
  volumeId: string,
  keyId: ObjectId,
): Promise<boolean> {
  const { keyManager, caller } = source;
  try {
    const info = await keyManager.describe(caller, keyId);
    if (isMadeFor(volumeId, info)) return await deleteKey(source, volumeId, keyId);
    await releaseKey(source, volumeId, info);
    return false;
  } catch (error) {
    if (isCode(error, "not_found")) return true;
    throw error;
  }
}

/**
 * Deletes a key that the caller named, once it is not this volume's any more.
 *
 * @returns false if other consumers need it
 */
export async function deleteKey(
  source: KeySource,
  volumeId: string,
  keyId: ObjectId,
): Promise<boolean> {
  const { keyManager, caller } = source;
  try {
    await releaseKey(source, volumeId, await keyManager.describe(caller, keyId));
    await keyManager.delete(caller, keyId);
    return true;
  } catch (error) {
    if (isCode(error, "in_use")) return false;
    if (isCode(error, "not_found")) return true;
    throw error;
  }
}

/**
 * Refuses a key that only a disk names, unless it is in the caller's own project, and its name or
 * a consumer says that it is this volume's. Asks for no secret bytes.
 *
 * @throws `missing_key`, `untrusted`
 */
export async function requireRegisteredKey(
  source: KeySource,
  path: string,
  volumeId: string,
  keyId: ObjectId,
): Promise<void> {
  const { keyManager, caller } = source;
  const refusal = (reason: string, options?: { readonly cause: unknown }) =>
    new VolumeError(
      "untrusted",
      `open ${path}: the disk is not in the ledger, and its key ${keyId} ${reason}: ` +
        "import the disk with its key, or give the key with --key",
      options,
    );
  const info = await keyManager.describe(caller, keyId).catch((cause: unknown) => {
    if (isCode(cause, "not_found")) {
      throw missingKey(keyId, cause, `open ${path}`);
    }
    if (isCode(cause, "forbidden")) throw refusal("belongs to another project", { cause });
    throw cause;
  });
  if (!isRegisteredFor(volumeId, info)) throw refusal("is not registered for this volume");
  if (!(await isOwn(source, info))) throw refusal("belongs to another project");
}

/** Whether a key says that it is a volume's, by its name or by a consumer. Of a key that is not there: no. */
export async function isRegistered(
  { keyManager, caller }: KeySource,
  volumeId: string,
  keyId: ObjectId,
): Promise<boolean> {
  try {
    return isRegisteredFor(volumeId, await keyManager.describe(caller, keyId));
  } catch (error) {
    if (isCode(error, "not_found")) return false;
    throw error;
  }
}

function isRegisteredFor(volumeId: string, info: ObjectInfo): boolean {
  return isMadeFor(volumeId, info) || isConsumedBy(volumeId, info);
}

/** Only what is in the caller's own project is ever listed. */
async function isOwn({ keyManager, caller }: KeySource, info: ObjectInfo): Promise<boolean> {
  const filter = info.name === undefined ? {} : { name: info.name };
  for await (const { id } of keyManager.list(caller, filter)) if (id === info.id) return true;
  return false;
}

/** Attributes of a row whose key a disk of another ledger may need: it was registered for the volume before. */
export const sharedKey: Readonly<Record<string, string>> = { sharedKey: "true" };

/** The ledger's own key of a volume, which goes with it; undefined if another ledger may need it. */
export function discardableKey(record: VolumeRecord | undefined): ObjectId | undefined {
  return record?.attributes["sharedKey"] === undefined ? record?.keyId : undefined;
}

/** The attributes of a row once it has a key that was made for it. */
export function withOwnKey({
  sharedKey: _shared,
  ...attributes
}: VolumeRecord["attributes"]): VolumeRecord["attributes"] {
  return attributes;
}

/** Where the backend can: the volume keeps the key from being deleted. */
export async function registerConsumer(
  { keyManager, caller }: KeySource,
  volumeId: string,
  keyId: ObjectId,
): Promise<void> {
  if (!tracksConsumers(keyManager)) return;
  await keyManager.addConsumer(caller, keyId, consumerOf(volumeId)).catch((cause: unknown) => {
    throw isCode(cause, "not_found") ? missingKey(keyId, cause) : cause;
  });
}

/** Ends a volume's need of a key; the key itself stays. */
export async function unregisterConsumer(
  source: KeySource,
  volumeId: string,
  keyId: ObjectId,
): Promise<void> {
  try {
    await releaseKey(source, volumeId, await source.keyManager.describe(source.caller, keyId));
  } catch (error) {
    if (!isCode(error, "not_found")) throw error;
  }
}

async function releaseKey(
  { keyManager, caller }: KeySource,
  volumeId: string,
  info: ObjectInfo,
): Promise<void> {
  if (!isConsumedBy(volumeId, info) || !tracksConsumers(keyManager)) return;
  await keyManager.removeConsumer(caller, info.id, consumerOf(volumeId)).catch((error: unknown) => {
    if (!isCode(error, "not_found")) throw error;
  });
}

/** What bears a name, in the order of creation. */
export async function keysNamed(
  { keyManager, caller }: KeySource,
  name: string,
): Promise<ObjectInfo[]> {
  return Array.fromAsync(keyManager.list(caller, { name }));
}

/**
 * Names a key after its volume and the operation that made it: what was made but
 * not heard of can be found by it, and is told from a key that somebody brought.
 */
export function keyName(volumeId: string, operationId: string): string {
  return `volume-${volumeId}-${operationId}`;
}

/** The volume that a key was made for, as its name says; undefined for a key that others made. */
export function volumeOfKeyName(name: string | undefined): string | undefined {
  return /^volume-([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})(?:-[0-9a-f-]{36})?$/.exec(
    name ?? "",
  )?.[1];
}

/** The volume is registered as the key's consumer. */
export function isConsumedBy(volumeId: string, { consumers }: ObjectInfo): boolean {
  const own = consumerOf(volumeId);
  return consumers.some(
    ({ service, resourceType, resourceId }) =>
      service === own.service && resourceType === own.resourceType && resourceId === own.resourceId,
  );
}

function isMadeFor(volumeId: string, { name }: ObjectInfo): boolean {
  return volumeOfKeyName(name) === volumeId;
}

/** What stands in the key manager for a volume that needs a key. */
export function consumerOf(volumeId: string): Consumer {
  return { service: "volume", resourceType: "volume", resourceId: volumeId };
}
