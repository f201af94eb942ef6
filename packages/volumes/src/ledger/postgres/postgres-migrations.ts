import { VolumeError } from "../../model/errors.ts";
import { type Migration, refuseUnknown } from "../migrations.ts";
import type { PostgresDatabase, Query } from "./postgres-database.ts";

/** Any number: what all processes lock while they bring the schema up to date. */
const migrationLock = 5_803_117_264;

/**
 * Brings a schema to this version, in one transaction; several processes may at once.
 *
 * @throws `newer_ledger` if it has a migration that this version does not know;
 *   `unsupported` if the database would lose what it has acknowledged
 */
export function migrate(
  database: PostgresDatabase,
  schema: string,
  migrations: readonly Migration[],
  now: Date,
): Promise<void> {
  return database.transaction("open ledger", async (query) => {
    await refuseForgetful(query);
    if (isComplete(migrations, await appliedIn(query))) return;
    await query("SELECT pg_advisory_xact_lock($1)", [migrationLock]);
    // Asked first, because whoever may not make a schema may still use one that was made for him.
    const { rows } = await query("SELECT to_regnamespace($1) IS NULL AS missing", [schema]);
    if (rows[0]?.["missing"] === true) await query(`CREATE SCHEMA "${schema}"`);
    await query(`CREATE TABLE IF NOT EXISTS migrations (
      number integer PRIMARY KEY, name text NOT NULL, checksum text NOT NULL, applied bigint NOT NULL)`);
    const applied = await appliedIn(query);
    refuseUnknown(migrations, applied);
    for (const { number, name, script, checksum } of migrations) {
      if (applied.has(number)) continue;
      await query(script);
      const row = [number, name, checksum, now.getTime()];
      await query("INSERT INTO migrations VALUES ($1, $2, $3, $4)", row);
    }
  });
}

/** An acknowledged write must survive a loss of power. */
async function refuseForgetful(query: Query): Promise<void> {
  const { rows } = await query("SELECT current_setting('fsync', true) AS fsync");
  if (rows[0]?.["fsync"] !== "off") return;
  throw new VolumeError(
    "unsupported",
    "open ledger: the database has fsync off and would lose what it has acknowledged: set it on in postgresql.conf",
  );
}

async function appliedIn(query: Query): Promise<ReadonlyMap<number, string>> {
  const { rows: found } = await query("SELECT to_regclass('migrations') IS NULL AS missing");
  if (found[0]?.["missing"] === true) return new Map();
  const { rows } = await query("SELECT number, checksum FROM migrations");
  return new Map(rows.map((row) => [Number(row["number"]), String(row["checksum"])]));
}

function isComplete(
  migrations: readonly Migration[],
  applied: ReadonlyMap<number, string>,
): boolean {
  refuseUnknown(migrations, applied);
  return migrations.every(({ number }) => applied.has(number));
}
