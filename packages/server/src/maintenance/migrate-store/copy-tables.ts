import { createHash, type Hash } from "node:crypto";
import type { PoolClient } from "pg";
import { ServerError } from "../../model/server-error.ts";
import { toPostgres } from "../../store/postgres/statement-text.ts";
import type { Store } from "../../store/store.ts";
import type { CopyProgress } from "./copy-progress.ts";
import { pageOf, type Row, readSourceRows, type SourceTable } from "./source-tables.ts";

const rowsAtOnce = 500;

/**
 * Copies tables inside the client's transaction, reads each back, and compares.
 *
 * @returns rows by table
 * @throws ServerError if a table is not empty, has other columns, or does not read back the same
 */
export async function copyTables(
  source: Store,
  client: PoolClient,
  tables: readonly SourceTable[],
  progress: (progress: CopyProgress) => void,
): Promise<ReadonlyMap<string, number>> {
  for (const table of tables) await refuseUnlessEmpty(client, table);
  const counts = new Map<string, number>();
  for (const table of tables) {
    const copied = await copyTable(source, client, table, progress);
    const arrived = await digestOf(table, async (after) => {
      const { text, args } = pageOf(table, after);
      const { rows } = await client.query<Row>(toPostgres(text), [...args, rowsAtOnce]);
      return rows;
    });
    if (arrived.rows !== copied.rows || arrived.digest !== copied.digest)
      throw new ServerError(
        "integrity",
        `migrate store: ${table.name} does not read back as it was written; nothing was kept`,
      );
    counts.set(table.name, copied.rows);
  }
  return counts;
}

async function copyTable(
  source: Store,
  client: PoolClient,
  table: SourceTable,
  progress: (progress: CopyProgress) => void,
): Promise<Digest> {
  const insert = await insertOf(client, table);
  let done = 0;
  return digestOf(table, async (after) => {
    const rows = await source.read(readSourceRows, { table, after, limit: rowsAtOnce });
    if (rows.length > 0)
      await client.query(
        insert,
        table.columns.map((column) => rows.map((row) => row[column])),
      );
    done += rows.length;
    progress({ table: table.name, rows: done });
    return rows;
  });
}

async function refuseUnlessEmpty(client: PoolClient, { name }: SourceTable): Promise<void> {
  // Also prevents a server that was started in the meantime from writing.
  await client.query(`LOCK TABLE ${name} IN EXCLUSIVE MODE`);
  const { rows } = await client.query(`SELECT 1 FROM ${name} LIMIT 1`);
  if (rows.length > 0)
    throw new ServerError(
      "conflict",
      `migrate store: the PostgreSQL database is not empty: ${name} has rows; give it an empty one`,
    );
}

/** One array of values a column. */
async function insertOf(client: PoolClient, table: SourceTable): Promise<string> {
  const { rows } = await client.query<{ name: string; type: string }>(
    `SELECT column_name AS name, data_type AS type FROM information_schema.columns
     WHERE table_schema = current_schema() AND table_name = $1`,
    [table.name],
  );
  const types = new Map(rows.map(({ name, type }) => [name, type]));
  if (types.size !== table.columns.length || table.columns.some((column) => !types.has(column)))
    throw new ServerError(
      "conflict",
      `migrate store: ${table.name} has other columns in PostgreSQL`,
    );
  const arrays = table.columns.map((column, index) => `$${index + 1}::${types.get(column)}[]`);
  return `INSERT INTO ${table.name} (${table.columns.join(", ")})
          SELECT * FROM unnest(${arrays.join(", ")})`;
}

interface Digest {
  readonly rows: number;
  readonly digest: string;
}

/** Reads a table page by page, and sums it up. */
async function digestOf(
  table: SourceTable,
  read: (after: Row | null) => Promise<readonly Row[]>,
): Promise<Digest> {
  const hash = createHash("sha256");
  let count = 0;
  let after: Row | null = null;
  do {
    const rows: readonly Row[] = await read(after);
    for (const row of rows) addRow(hash, table, row);
    count += rows.length;
    after = rows.at(-1) ?? null;
  } while (after);
  return { rows: count, digest: hash.digest("hex") };
}

function addRow(hash: Hash, table: SourceTable, row: Row): void {
  const values = table.columns.map((column) => {
    const value = row[column];
    return value instanceof Uint8Array ? { bytes: Buffer.from(value).toString("hex") } : value;
  });
  hash.update(JSON.stringify(values)).update("\n");
}
