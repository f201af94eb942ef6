import type { ServerConfig } from "../config/config.ts";
import type { RootKeyRing } from "../crypto/root-key/ring.ts";
import { RootKeyError } from "../crypto/root-key/root-key-error.ts";
import { openRootKeyValue, RootKeyFile } from "../crypto/root-key/slots.ts";
import { listRootKeys } from "../store/operations/keys.ts";
import type { Store } from "../store/store.ts";

/**
 * Opens the root keys that the configuration names. Creates the file at the first start, and only then: a database that was
 * written with a root key does not get another.
 *
 * @throws RootKeyError
 */
export async function openRootKeys(config: ServerConfig, store: Store): Promise<RootKeyRing> {
  const found = await findRootKeys(config);
  if (found) return found;
  const file = new RootKeyFile(rootKeyPath(config));
  const recorded = await store.read(listRootKeys, null);
  if (recorded.length > 0)
    throw new RootKeyError(
      "absent",
      `root key file ${file.path}: it is missing, and this database was written with a root key; restore the file from its backup`,
    );
  return file.create();
}

/**
 * The root keys that the configuration names.
 *
 * @returns undefined if their file does not exist
 * @throws RootKeyError
 */
export async function findRootKeys(config: ServerConfig): Promise<RootKeyRing | undefined> {
  const value = config.secret("rootKey.value");
  return value ? openRootKeyValue(value) : new RootKeyFile(rootKeyPath(config)).open();
}

/** The file that the root keys are in; undefined if they are a setting. */
export function rootKeyFileOf(config: ServerConfig): RootKeyFile | undefined {
  return config.text("rootKey.value") === undefined
    ? new RootKeyFile(rootKeyPath(config))
    : undefined;
}

export function rootKeyPath(config: ServerConfig): string {
  return config.path("rootKey.file", "root-key");
}
