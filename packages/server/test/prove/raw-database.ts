import { DatabaseSync, type SQLInputValue } from "node:sqlite";
import { Client } from "pg";
import { toPostgres } from "../../src/store/postgres/statement-text.ts";

export type Value = string | number | Uint8Array | null;
export type Row = Readonly<Record<string, Value>>;

export interface Column {
  readonly name: string;
  readonly kind: "text" | "number" | "bytes";
  readonly nullable: boolean;
}

export interface Table {
  readonly name: string;
  readonly columns: readonly Column[];
  readonly key: readonly string[];
}

/** The database as its own administrator uses it: no server, no foreign keys, any table. */
export interface RawDatabase {
  /** `?` for each argument. */
  query(sql: string, ...args: readonly Value[]): Promise<readonly Row[]>;
  /** Every table with its columns, from the database's own catalogue. */
  tables(): Promise<readonly Table[]>;
  close(): Promise<void>;
}

export function rawSqlite(path: string): RawDatabase {
  const database = new DatabaseSync(path);
  database.exec("PRAGMA busy_timeout = 5000; PRAGMA foreign_keys = OFF; PRAGMA synchronous = OFF");
  const query = async (sql: string, ...args: readonly Value[]) =>
    database.prepare(sql).all(...(args as SQLInputValue[])) as unknown as readonly Row[];
  return {
    query,
    async tables() {
      const names = await query(
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%' ORDER BY name",
      );
      return Promise.all(
        names.map(async ({ name }) => {
          const columns = await query("SELECT * FROM pragma_table_info(?)", name ?? null);
          return {
            name: String(name),
            key: columns
              .filter((column) => Number(column["pk"]) > 0)
              .toSorted((a, b) => Number(a["pk"]) - Number(b["pk"]))
              .map((column) => String(column["name"])),
            columns: columns.map((column) => ({
              name: String(column["name"]),
              kind: kindOf(String(column["type"])),
              nullable: column["notnull"] === 0 && column["pk"] === 0,
            })),
          };
        }),
      );
    },
    async close() {
      database.close();
    },
  };
}

export async function rawPostgres(url: string): Promise<RawDatabase> {
  const client = new Client({ connectionString: url });
  await client.connect();
  await client.query("SET session_replication_role = replica");
  await client.query("SET synchronous_commit = off");
  const query = async (sql: string, ...args: readonly Value[]) =>
    (await client.query<Row>(toPostgres(sql), [...args])).rows;
  return {
    query,
    async tables() {
      const columns = await query(
        `SELECT table_name, column_name, data_type, is_nullable FROM information_schema.columns
         WHERE table_schema = current_schema() ORDER BY table_name, ordinal_position`,
      );
      const keys = await query(
        `SELECT k.table_name, k.column_name FROM information_schema.key_column_usage k
         JOIN information_schema.table_constraints c
           ON c.constraint_name = k.constraint_name AND c.table_schema = k.table_schema
         WHERE k.table_schema = current_schema() AND c.constraint_type = 'PRIMARY KEY'
         ORDER BY k.table_name, k.ordinal_position`,
      );
      return [...Map.groupBy(columns, (column) => String(column["table_name"]))].map(
        ([name, own]) => ({
          name,
          key: keys
            .filter((key) => key["table_name"] === name)
            .map((key) => String(key["column_name"])),
          columns: own.map((column) => ({
            name: String(column["column_name"]),
            kind: kindOf(String(column["data_type"])),
            nullable: column["is_nullable"] === "YES",
          })),
        }),
      );
    },
    close: () => client.end(),
  };
}

function kindOf(type: string): Column["kind"] {
  if (/int/i.test(type)) return "number";
  return /blob|bytea/i.test(type) ? "bytes" : "text";
}
