import { accessSync, constants } from "node:fs";
import { dirname } from "node:path";
import type { ServerConfig } from "../config/config.ts";
import type { RootKeyRing } from "../crypto/root-key/ring.ts";
import type { RootKeyFile } from "../crypto/root-key/slots.ts";
import type { Store } from "../store/store.ts";
import { rootKeyFileOf } from "./open-root-keys.ts";

/**
 * True if a start may tag a database whose rows have no tags: only on SQLite, where one server has the database to
 * itself, and only if the root key file says that it never happened and can be made to say that it did. Everywhere else
 * the administrator runs `chatelaine server tag-rows`.
 */
export function mayTagRows(config: ServerConfig, store: Store, rootKeys: RootKeyRing): boolean {
  const file = rootKeyFileOf(config);
  return store.dialect === "sqlite" && file !== undefined && !rootKeys.rowsTagged && canMark(file);
}

/** Records outside the database that its rows have tags, if the root key comes from a file that can be replaced. */
export function recordRowsTagged(config: ServerConfig, rootKeys: RootKeyRing): void {
  const file = rootKeyFileOf(config);
  if (file !== undefined && !rootKeys.rowsTagged && canMark(file)) file.markRowsTagged();
}

function canMark({ path }: RootKeyFile): boolean {
  try {
    accessSync(path, constants.W_OK);
    accessSync(dirname(path), constants.W_OK);
    return true;
  } catch {
    return false;
  }
}
