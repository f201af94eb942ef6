import {
  chmodSync,
  closeSync,
  copyFileSync,
  existsSync,
  fsyncSync,
  openSync,
  renameSync,
  rmSync,
} from "node:fs";
import { dirname } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { systemClock } from "../clock.ts";
import type { ServerConfig } from "../config.ts";
import { checkRootKeys } from "../crypto/root-key.ts";
import { openRootKeys } from "../open-root-keys.ts";
import { openStore } from "../open-store.ts";
import { listRootKeys } from "../store/operations/keys.ts";
import { ControlError } from "./control.ts";

/**
 * Puts a backup in the place of the SQLite database. No server may run on it. What
 * was there stays beside it, as `<database>.before-restore`.
 *
 * @throws ControlError if the backup is damaged, RootKeyError if it was written
 *   with another root key than the one at hand
 */
export async function restoreBackup(config: ServerConfig, backup: string): Promise<void> {
  const path = config.path("database", "keys.db");
  if (/^postgres(ql)?:/.test(path))
    throw new ControlError("restore: use PostgreSQL's own tools (pg_restore) for this database");
  assertWhole(backup);
  // Opening takes the lock, so no server runs; closing leaves nothing in the log.
  if (existsSync(path)) await (await openStore(config, systemClock())).close();
  const fresh = `${path}.restoring`;
  copyFileSync(backup, fresh);
  chmodSync(fresh, 0o600);
  sync(fresh);
  const aside = `${path}.before-restore`;
  if (existsSync(path)) renameSync(path, aside);
  for (const suffix of ["-wal", "-shm"]) rmSync(path + suffix, { force: true });
  renameSync(fresh, path);
  sync(dirname(path));
  const store = await openStore(config, systemClock());
  try {
    checkRootKeys(await openRootKeys(config, store), await store.read(listRootKeys, null));
  } finally {
    await store.close();
  }
}

function assertWhole(backup: string): void {
  if (!existsSync(backup)) throw new ControlError(`restore ${backup}: there is no such file`);
  let verdict: unknown;
  try {
    const database = new DatabaseSync(backup, { readOnly: true });
    try {
      verdict = database.prepare("PRAGMA integrity_check").get()?.["integrity_check"];
      database.prepare("SELECT id FROM root_keys LIMIT 1").get();
    } finally {
      database.close();
    }
  } catch (error) {
    throw new ControlError(`restore ${backup}: it is no backup of a key server`, { cause: error });
  }
  if (verdict !== "ok") throw new ControlError(`restore ${backup}: it is damaged`);
}

function sync(path: string): void {
  const file = openSync(path, "r");
  try {
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}
