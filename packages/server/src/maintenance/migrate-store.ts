import { DatabaseSync } from "node:sqlite";
import { systemClock } from "../clock.ts";
import { all, one, operation, run, type SqlValue } from "../store/operation.ts";
import { PostgresStore } from "../store/postgres/postgres-store.ts";
import { SqliteStore } from "../store/sqlite/sqlite-store.ts";
import { ControlError } from "./control.ts";

type AnyRow = Readonly<Record<string, SqlValue>>;

export const insertRows = operation(
  import.meta.url,
  "insertRows",
  function* (p: { readonly table: string; readonly rows: readonly AnyRow[] }) {
    for (const row of p.rows) {
      const columns = Object.keys(row);
      yield* run(
        `INSERT INTO ${p.table} (${columns.join(", ")}) VALUES (${columns.map(() => "?").join(", ")})`,
        ...columns.map((column) => row[column] ?? null),
      );
    }
  },
);

export const countRootKeys = operation(import.meta.url, "countRootKeys", function* () {
  const row = yield* one<{ n: number }>("SELECT CAST(COUNT(*) AS INTEGER) AS n FROM root_keys");
  return row?.n ?? 0;
});

export const countRows = operation(
  import.meta.url,
  "countRows",
  function* (p: { readonly table: string }) {
    const row = yield* one<{ n: number }>(`SELECT CAST(COUNT(*) AS INTEGER) AS n FROM ${p.table}`);
    return row?.n ?? 0;
  },
);

export const readRows = operation(
  import.meta.url,
  "readRows",
  function* (p: { readonly table: string; readonly limit: number; readonly offset: number }) {
    return yield* all<AnyRow>(
      `SELECT * FROM ${p.table} ORDER BY 1, 2 LIMIT ? OFFSET ?`,
      p.limit,
      p.offset,
    );
  },
);

const batchSize = 500;

/**
 * Copies a SQLite database into an empty PostgreSQL one. The SQLite server must
 * be stopped; its file is left as it is. The root key file stays the same.
 *
 * @returns how many rows each table has
 * @throws ControlError if the target is not empty
 */
export async function migrateStore(
  sqlitePath: string,
  postgresUrl: string,
): Promise<Readonly<Record<string, number>>> {
  const now = systemClock().timestamp();
  const from = await SqliteStore.open({ path: sqlitePath, now });
  try {
    const to = await PostgresStore.open({ url: postgresUrl, now });
    try {
      if ((await to.read(countRootKeys, null)) > 0)
        throw new ControlError(
          "migrate-store: the PostgreSQL database is not empty; give a fresh one",
        );
      const copied: Record<string, number> = {};
      for (const table of tablesInOrder(sqlitePath)) {
        for (let offset = 0; ; offset += batchSize) {
          const rows = await from.read(readRows, { table, limit: batchSize, offset });
          await to.write(insertRows, { table, rows });
          if (rows.length < batchSize) break;
        }
        const count = await to.read(countRows, { table });
        if (count !== (await from.read(countRows, { table })))
          throw new ControlError(`migrate-store: ${table} did not arrive whole`);
        copied[table] = count;
      }
      return copied;
    } finally {
      await to.close();
    }
  } finally {
    await from.close();
  }
}

/** All tables but the migrations', those that others refer to first. */
function tablesInOrder(path: string): readonly string[] {
  const database = new DatabaseSync(path, { readOnly: true });
  try {
    const names = database
      .prepare(
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' AND name <> 'migrations'",
      )
      .all()
      .map((row) => String(row["name"]));
    const needs = new Map(
      names.map((name) => [
        name,
        database
          .prepare(`PRAGMA foreign_key_list(${name})`)
          .all()
          .map((row) => String(row["table"])),
      ]),
    );
    const ordered: string[] = [];
    while (ordered.length < names.length)
      for (const name of names)
        if (!ordered.includes(name) && needs.get(name)?.every((other) => ordered.includes(other)))
          ordered.push(name);
    return ordered;
  } finally {
    database.close();
  }
}
