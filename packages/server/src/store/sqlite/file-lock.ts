import { closeSync, mkdirSync, openSync } from "node:fs";
import { dirname } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { ServerError } from "../../model/server-error.ts";

/** SQLite's primary code for a lock that another process has. */
const busy = 5;

/**
 * Takes a database file for this process, by an open transaction in `<path>.lock`;
 * the system lets go of it when the process dies. {@link DatabaseSync.close} does before.
 *
 * @throws `locked` if another process has it, `unavailable` if it cannot be locked
 */
export function lockFile(path: string): DatabaseSync {
  const lock = new DatabaseSync(`${path}.lock`, { timeout: 0 });
  try {
    lock.exec("PRAGMA journal_mode = DELETE; BEGIN EXCLUSIVE");
    return lock;
  } catch (error) {
    lock.close();
    const { errcode = 0 } = error as { readonly errcode?: number };
    if ((errcode & 0xff) !== busy) {
      const reason = `${(error as Error).message}; move this file away if no server created it`;
      throw new ServerError("unavailable", `open ${path}.lock: ${reason}`, { cause: error });
    }
    throw new ServerError(
      "locked",
      `open ${path}: another process serves this database; stop it first, or use PostgreSQL for several`,
      { cause: error },
    );
  }
}

/** Makes the file, and the folder around it, before SQLite would: others may read neither. Its log takes the file's mode. */
export function makePrivate(path: string): void {
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    for (const file of [path, `${path}.lock`]) closeSync(openSync(file, "a", 0o600));
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new ServerError("unavailable", `${path}: cannot be created or written: ${reason}`, {
      cause,
    });
  }
}
