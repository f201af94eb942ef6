import { closeSync, existsSync, openSync, readSync } from "node:fs";

const magic = "SQLite format 3\0";

/**
 * Tells whether a file holds something else than a SQLite database. To SQLite itself a file of a few bytes is an empty
 * database, and it writes over them.
 *
 * @returns false if no file is there, or an empty one
 * @throws an error of `node:fs` if the file cannot be read
 */
export function isOtherThanSqlite(path: string): boolean {
  // A first start that was cut leaves any bytes; SQLite clears them by its journal.
  if (!existsSync(path) || existsSync(`${path}-journal`)) return false;
  const start = Buffer.alloc(magic.length);
  const file = openSync(path, "r");
  try {
    return readSync(file, start) > 0 && start.toString("latin1") !== magic;
  } finally {
    closeSync(file);
  }
}
