import type { ServerConfig } from "../config/config.ts";
import {
  createRootKeyFile,
  RootKeyError,
  type RootKeyRing,
  readRootKeyFile,
  rootKeyFromText,
} from "../crypto/root-key.ts";
import { listRootKeys } from "../store/operations/keys.ts";
import type { Store } from "../store/store.ts";

/**
 * The root keys that the configuration names. Makes the file at the first start,
 * and only then: a database that was written with a root key does not get another.
 *
 * @throws RootKeyError
 */
export async function openRootKeys(config: ServerConfig, store: Store): Promise<RootKeyRing> {
  const value = config.secret("rootKey.value");
  if (value) return rootKeyFromText(value);
  const path = rootKeyPath(config);
  const found = readRootKeyFile(path);
  if (found) return found;
  const recorded = await store.read(listRootKeys, null);
  if (recorded.length > 0)
    throw new RootKeyError(
      `root key file ${path}: it is missing, and this database was written with a root key; restore the file from its backup`,
    );
  return createRootKeyFile(path);
}

export function rootKeyPath(config: ServerConfig): string {
  return config.path("rootKey.file", "root-key");
}
