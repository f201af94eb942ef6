import {
  chmodSync,
  closeSync,
  copyFileSync,
  existsSync,
  fsyncSync,
  linkSync,
  openSync,
  renameSync,
  rmSync,
} from "node:fs";
import { dirname } from "node:path";
import { DatabaseSync } from "node:sqlite";
import type { ServerConfig } from "../config/config.ts";
import { checkRootKeys } from "../crypto/root-key/ring.ts";
import { maxSealsOfKey } from "../keyring/project-keys.ts";
import { systemClock } from "../model/clock.ts";
import { ServerError } from "../model/server-error.ts";
import { openRootKeys } from "../parts/open-root-keys.ts";
import { listRootKeys, useUpProjectKeys } from "../store/operations/keys.ts";
import { lockFile, makePrivate } from "../store/sqlite/file-lock.ts";
import { SqliteStore } from "../store/sqlite/sqlite-store.ts";

/**
 * Puts a backup in the place of the SQLite database, whatever that is like. No server may run on it. What was there
 * stays beside it, as `<database>.before-restore`.
 *
 * @throws ServerError if the backup is damaged, RootKeyError if it was written with another root key than the one at
 *   hand, a database error if it is of a newer version or a server runs; nothing is changed then
 */
export async function restoreBackup(config: ServerConfig, backup: string): Promise<void> {
  const path = config.path("database", "keys.db");
  if (/^postgres(ql)?:/.test(path))
    throw new ServerError(
      "unsupported",
      "restore: use PostgreSQL's own tools (pg_restore) for this database",
    );
  assertWhole(backup);
  makePrivate(path);
  const lock = lockFile(path);
  try {
    const fresh = `${path}.restoring`;
    try {
      await prepare(config, backup, fresh);
      replace(path, fresh);
    } finally {
      for (const suffix of ["", "-wal", "-shm", ".lock"]) rmSync(fresh + suffix, { force: true });
    }
  } finally {
    lock.close();
  }
}

/** Makes a copy that a server of this version with this root key can start on. */
async function prepare(config: ServerConfig, backup: string, fresh: string): Promise<void> {
  copyFileSync(backup, fresh);
  chmodSync(fresh, 0o600);
  const store = await SqliteStore.open({ path: fresh, now: systemClock().timestamp() });
  try {
    checkRootKeys(await openRootKeys(config, store), await store.read(listRootKeys, null));
    // What the keys sealed since the backup is not counted in it: new seals get new keys.
    await store.write(useUpProjectKeys, { seals: maxSealsOfKey });
  } finally {
    await store.close();
  }
  sync(fresh);
}

/** There is a database under its name all the time, whenever the power goes. */
function replace(path: string, fresh: string): void {
  emptyLog(path);
  const aside = `${path}.before-restore`;
  for (const suffix of ["-wal", "-shm", ""]) {
    rmSync(aside + suffix, { force: true });
    if (existsSync(path + suffix)) linkSync(path + suffix, aside + suffix);
  }
  // SQLite would take it for the new file's.
  for (const suffix of ["-wal", "-shm"]) rmSync(path + suffix, { force: true });
  renameSync(fresh, path);
  sync(dirname(path));
}

/** So that the old database is whole without its log, unless it is damaged, which may be why it is replaced. */
function emptyLog(path: string): void {
  try {
    const database = new DatabaseSync(path);
    try {
      database.exec("PRAGMA wal_checkpoint(TRUNCATE)");
    } finally {
      database.close();
    }
  } catch {
    // As above.
  }
}

function assertWhole(backup: string): void {
  if (!existsSync(backup))
    throw new ServerError("not_found", `restore ${backup}: there is no such file`);
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
    throw new ServerError("integrity", `restore ${backup}: it is not a backup of a key server`, {
      cause: error,
    });
  }
  if (verdict !== "ok") throw new ServerError("integrity", `restore ${backup}: it is damaged`);
}

function sync(path: string): void {
  const file = openSync(path, "r");
  try {
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}
