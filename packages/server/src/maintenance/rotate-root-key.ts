import { RootKeyError } from "../crypto/root-key/root-key-error.ts";
import type { RootKeyFile } from "../crypto/root-key/slots.ts";
import { admitRootKeys, rewrapSystemKey } from "../keyring/system-keys.ts";
import { rotateRowTags } from "../row-tagging/rotate-row-tags.ts";
import type { ServiceContext } from "../services/context.ts";
import {
  deleteOldRootKeys,
  findForeignProjectKeys,
  findForeignSystemKeys,
  replaceWrappedKeys,
} from "../store/operations/keys.ts";

const batchSize = 100;

/**
 * Makes a new root key current, wraps every project's key by it and gives every row a tag
 * under a new key, while others read and write. The next call finishes an interrupted rotation.
 *
 * @param file until the end it holds both keys
 * @returns how many keys were wrapped again
 * @throws RootKeyError if the file does not exist
 */
export async function rotateRootKey(
  context: ServiceContext,
  file: RootKeyFile,
): Promise<{ readonly rootKeyId: number; readonly rewrapped: number }> {
  const { store, keys, clock } = context;
  const before = await file.open();
  if (!before)
    throw new RootKeyError("absent", `rotate root-key: there is no root key file ${file.path}`);
  const ring = before.all.size > 1 ? before : await file.rotate();
  await admitRootKeys(store, ring, clock);
  keys.useRootKeys(ring);
  const rootKeyId = ring.current.id;
  // Before the other keys: the old one is never wrapped by the new root key.
  await rotateRowTags(store, ring);
  const systemKeys = await store.read(findForeignSystemKeys, { rootKeyId });
  await store.write(replaceWrappedKeys, {
    projectKeys: [],
    systemKeys: systemKeys.map((row) => rewrapSystemKey(row, ring)),
  });
  let rewrapped = systemKeys.length;
  for (;;) {
    const rows = await store.read(findForeignProjectKeys, { rootKeyId, limit: batchSize });
    if (rows.length === 0) break;
    const projectKeys = rows.map((row) => keys.rewrap(row));
    await store.write(replaceWrappedKeys, { projectKeys, systemKeys: [] });
    rewrapped += rows.length;
  }
  await store.write(deleteOldRootKeys, { current: rootKeyId });
  keys.useRootKeys(await file.keepCurrent());
  return { rootKeyId, rewrapped };
}
