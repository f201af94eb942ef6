import { DatabaseSync, type SQLInputValue, type StatementSync } from "node:sqlite";
import { isOtherThanSqlite } from "@chatelaine/keys/interface";
import { ServerError } from "../../model/server-error.ts";
import type { Statement, StatementResult } from "../operation.ts";

/** Lists compose their filters into SQL, so the number of texts is large, though finite. */
const maxStatements = 500;

/** SQLite's own page cache; the system also caches the file. No memory map, because its pages count as resident. */
const writerCacheKiB = 4_096;
const readerCacheKiB = 8_192;

/** In milliseconds, for what another process does in the file. Node.js 22.14 ignores DatabaseSync's option for it. */
const waitForOthers = "PRAGMA busy_timeout = 5000";

interface Prepared {
  readonly statement: StatementSync;
  /** Turns what SQLite returns for a row into an object; absent for statements that return none. */
  readonly toRow?: (returned: unknown) => unknown;
}

/** A connection with its prepared statements. */
export class Connection {
  readonly database: DatabaseSync;
  readonly #path: string;
  readonly #statements = new Map<string, Prepared>();

  private constructor(path: string, readOnly: boolean) {
    this.#path = path;
    assertDatabase(path);
    this.database = translating(path, () => new DatabaseSync(path, { readOnly }));
    this.script(waitForOthers);
  }

  /**
   * Opens the connection that writes: write-ahead log, every commit synced to the disk,
   * deleted rows overwritten with zeroes. Each is asserted, because SQLite ignores what it cannot set.
   *
   * @throws `unavailable` if the file is not a database; it is not changed
   */
  static writer(path: string): Connection {
    const connection = new Connection(path, false);
    connection.#set("journal_mode = WAL", "journal_mode", "wal");
    connection.#set("synchronous = FULL", "synchronous", 2);
    connection.#set("secure_delete = ON", "secure_delete", 1);
    connection.#set("foreign_keys = ON", "foreign_keys", 1);
    connection.#set("case_sensitive_like = ON");
    connection.#set(`cache_size = -${writerCacheKiB}`);
    return connection;
  }

  /** Opens a connection that only reads. The writer must have made the file. */
  static reader(path: string): Connection {
    const connection = new Connection(path, true);
    connection.#set("query_only = ON", "query_only", 1);
    connection.#set("case_sensitive_like = ON");
    connection.#set(`cache_size = -${readerCacheKiB}`);
    return connection;
  }

  /** Executes one statement. @throws what {@link storeError} makes of SQLite's error */
  execute(statement: Statement): StatementResult {
    try {
      const { statement: prepared, toRow } = this.#prepare(statement.sql);
      const args = statement.args as SQLInputValue[];
      if (args.some(isEmptyBytes)) throw new Error("an empty byte array cannot be bound: use null");
      if (toRow) return { rows: prepared.all(...args).map(toRow), changes: 0 };
      return { rows: [], changes: Number(prepared.run(...args).changes) };
    } catch (error) {
      throw storeError(error, this.#path);
    }
  }

  /** Runs reads that were asked together on one snapshot of the database, so that its locks are taken once. None may throw. */
  readTogether(reads: readonly (() => void)[]): void {
    this.#attempt("BEGIN");
    for (const read of reads) read();
    this.#attempt("COMMIT");
  }

  /** Executes a script of several statements. */
  script(sql: string): void {
    translating(this.#path, () => this.database.exec(sql));
  }

  #set(pragma: string, name?: string, expected?: string | number): void {
    translating(this.#path, () => this.database.prepare(`PRAGMA ${pragma}`).all());
    if (name === undefined) return;
    const found = this.database.prepare(`PRAGMA ${name}`).get()?.[name];
    if (found !== expected)
      throw new ServerError(
        "unavailable",
        `open database ${this.#path}: PRAGMA ${pragma} has no effect (${String(found)})`,
      );
  }

  close(): void {
    this.#statements.clear();
    this.database.close();
  }

  /** What fails here, fails in the reads, too, which tell their callers; SQLite may have ended the transaction by itself. */
  #attempt(sql: "BEGIN" | "COMMIT"): void {
    try {
      this.execute({ sql, args: [] });
    } catch {
      // As above.
    }
  }

  #prepare(sql: string): Prepared {
    const known = this.#statements.get(sql);
    if (known) return known;
    const statement = this.database.prepare(sql);
    const reads = /^\s*(SELECT|WITH)|\bRETURNING\b/i.test(sql);
    const prepared = { statement, ...(reads && { toRow: rowMaker(statement) }) };
    if (this.#statements.size >= maxStatements) this.#statements.clear();
    this.#statements.set(sql, prepared);
    return prepared;
  }
}

/**
 * Node.js makes each row a dictionary, which is slow to make and slow to read. From an array of its values, and a
 * template of its names, comes an object like any other. Before 22.16 Node.js has no such arrays.
 */
function rowMaker(statement: StatementSync): (returned: unknown) => unknown {
  if (!("setReturnArrays" in statement)) return (returned) => returned;
  statement.setReturnArrays(true);
  const names = statement.columns().map(({ name }) => name);
  const template: Record<string, unknown> = Object.fromEntries(names.map((name) => [name, null]));
  return (returned) => {
    const row = { ...template };
    for (let at = 0; at < names.length; at++)
      row[names[at] ?? ""] = (returned as readonly unknown[])[at];
    return row;
  };
}

/** SQLite would write over a file of a few bytes. */
function assertDatabase(path: string): void {
  if (!translating(path, () => isOtherThanSqlite(path))) return;
  throw new ServerError("unavailable", `database ${path}: file is not a database; ${otherFile}`);
}

const otherFile =
  "name the right one in the setting database, or put a backup in its place with chatelaine server restore";

/** Primary result codes that mean "not now": busy, locked, no memory, read-only, interrupted, I/O, full, cannot open, protocol, not a database. */
const passing = new Set([5, 6, 7, 8, 9, 10, 13, 14, 15, 26]);

const notADatabase = 26;

function translating<T>(path: string, action: () => T): T {
  try {
    return action();
  } catch (error) {
    throw storeError(error, path);
  }
}

/** Distinguishes a database that is away or full from a programming error, which is passed on unchanged. */
function storeError(error: unknown, path: string): unknown {
  const code = (error as { readonly errcode?: number }).errcode;
  if (code === undefined || !passing.has(code & 0xff)) return error;
  const advice = (code & 0xff) === notADatabase ? `; ${otherFile}` : "";
  const message = `database ${path}: ${(error as Error).message}${advice}`;
  return new ServerError("unavailable", message, { cause: error });
}

/** Node.js before 24 binds them as NULL, so that no version may be given any. */
function isEmptyBytes(value: SQLInputValue): boolean {
  return value instanceof Uint8Array && value.length === 0;
}
