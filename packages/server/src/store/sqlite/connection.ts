import { DatabaseSync, type SQLInputValue, type StatementSync } from "node:sqlite";
import type { Statement, StatementResult } from "../operation.ts";
import { StoreError } from "../store.ts";

/** Lists compose their filters into SQL, so the number of texts is large, though finite. */
const maxStatements = 500;

/** Of SQLite's own pages; the system caches the file besides. No memory map: what it touches counts as resident. */
const writerCacheKiB = 4_096;
const readerCacheKiB = 8_192;

/** In milliseconds, for what another process does in the file. Node.js 22.14 ignores DatabaseSync's option for it. */
const waitForOthers = "PRAGMA busy_timeout = 5000";

/** A connection with its prepared statements. */
export class Connection {
  readonly database: DatabaseSync;
  readonly #statements = new Map<string, { readonly statement: StatementSync; reads: boolean }>();

  private constructor(database: DatabaseSync) {
    this.database = database;
  }

  /**
   * Opens the connection that writes: write-ahead log, every commit synced to the disk,
   * deleted rows overwritten with zeroes. Each is asserted, because SQLite ignores what it cannot set.
   */
  static writer(path: string): Connection {
    const database = new DatabaseSync(path);
    database.exec(waitForOthers);
    assertPragma(database, "journal_mode = WAL", "journal_mode", "wal");
    assertPragma(database, "synchronous = FULL", "synchronous", 2);
    assertPragma(database, "secure_delete = ON", "secure_delete", 1);
    assertPragma(database, "foreign_keys = ON", "foreign_keys", 1);
    assertPragma(database, "case_sensitive_like = ON");
    database.exec(`PRAGMA cache_size = -${writerCacheKiB}`);
    return new Connection(database);
  }

  /** Opens a connection that only reads. The writer must have made the file. */
  static reader(path: string): Connection {
    const database = new DatabaseSync(path, { readOnly: true });
    database.exec(waitForOthers);
    assertPragma(database, "query_only = ON", "query_only", 1);
    assertPragma(database, "case_sensitive_like = ON");
    database.exec(`PRAGMA cache_size = -${readerCacheKiB}`);
    return new Connection(database);
  }

  /** Executes one statement. @throws what {@link storeError} makes of SQLite's error */
  execute(statement: Statement): StatementResult {
    try {
      let prepared = this.#statements.get(statement.sql);
      if (!prepared) {
        const compiled = this.database.prepare(statement.sql);
        prepared = {
          statement: compiled,
          reads: /^\s*(SELECT|WITH)|\bRETURNING\b/i.test(statement.sql),
        };
        if (this.#statements.size >= maxStatements) this.#statements.clear();
        this.#statements.set(statement.sql, prepared);
      }
      const args = statement.args as SQLInputValue[];
      if (prepared.reads) return { rows: prepared.statement.all(...args), changes: 0 };
      return { rows: [], changes: Number(prepared.statement.run(...args).changes) };
    } catch (error) {
      throw storeError(error);
    }
  }

  /** Executes a script of several statements. */
  script(sql: string): void {
    try {
      this.database.exec(sql);
    } catch (error) {
      throw storeError(error);
    }
  }

  close(): void {
    this.#statements.clear();
    this.database.close();
  }
}

function assertPragma(
  database: DatabaseSync,
  set: string,
  name?: string,
  expected?: string | number,
): void {
  database.prepare(`PRAGMA ${set}`).all();
  if (name === undefined) return;
  const found = database.prepare(`PRAGMA ${name}`).get()?.[name];
  if (found !== expected)
    throw new StoreError(
      "unavailable",
      `open database: PRAGMA ${set} has no effect (${String(found)})`,
    );
}

/** Primary result codes that mean "not now": busy, locked, no memory, read-only, interrupted, I/O, full, cannot open, protocol, not a database. */
const passing = new Set([5, 6, 7, 8, 9, 10, 13, 14, 15, 26]);

/** Tells a database that is away or full from a mistake of ours, which stays as it is. */
export function storeError(error: unknown): unknown {
  const code = (error as { readonly errcode?: number }).errcode;
  if (code === undefined || !passing.has(code & 0xff)) return error;
  return new StoreError("unavailable", `database: ${(error as Error).message}`, { cause: error });
}
