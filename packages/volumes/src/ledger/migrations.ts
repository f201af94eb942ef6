import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import type { DatabaseSync } from "node:sqlite";
import { VolumeError } from "../model/errors.ts";

/** A numbered change of the schema. A released one is never edited: its checksum is in every ledger. */
export interface Migration {
  readonly number: number;
  readonly name: string;
  readonly script: string;
  /** SHA-256 of the script, in hexadecimal. */
  readonly checksum: string;
}

/** Reads this package's `migrations/DIALECT/NNNN_name.sql`, in order. */
export function readMigrations(dialect: "sqlite" | "postgres"): readonly Migration[] {
  const folder = new URL(`../../migrations/${dialect}/`, import.meta.url);
  return readdirSync(folder)
    .filter((file) => /^\d{4}_[a-z0-9-]+\.sql$/.test(file))
    .toSorted()
    .map((file) => {
      const script = readFileSync(new URL(file, folder), "utf8");
      const checksum = createHash("sha256").update(script).digest("hex");
      return { number: Number(file.slice(0, 4)), name: file.slice(5, -4), script, checksum };
    });
}

/**
 * Brings a ledger to this version's schema, in one transaction.
 *
 * @throws `newer_ledger` if it has a migration that this version does not know
 */
export function migrate(database: DatabaseSync, migrations: readonly Migration[], now: Date): void {
  database.exec(`BEGIN IMMEDIATE; CREATE TABLE IF NOT EXISTS migrations (
    number INTEGER PRIMARY KEY, name TEXT NOT NULL, checksum TEXT NOT NULL, applied INTEGER NOT NULL) STRICT`);
  try {
    const applied = new Map(
      database
        .prepare("SELECT number, checksum FROM migrations")
        .all()
        .map((row) => [Number(row["number"]), String(row["checksum"])]),
    );
    refuseUnknown(migrations, applied);
    const insert = database.prepare("INSERT INTO migrations VALUES (?, ?, ?, ?)");
    for (const { number, name, script, checksum } of migrations) {
      if (applied.has(number)) continue;
      database.exec(script);
      insert.run(number, name, checksum, now.getTime());
    }
    database.exec("COMMIT");
  } catch (error) {
    rollBack(database);
    throw error;
  }
}

/** Never throws: what went wrong before is what its caller must hear. */
export function rollBack(database: DatabaseSync): void {
  try {
    database.exec("ROLLBACK");
  } catch {
    // SQLite has done so itself, as it does when the disk is full.
  }
}

/** @throws `newer_ledger` if one was applied, number and checksum, that is not among `migrations` */
export function refuseUnknown(
  migrations: readonly Migration[],
  applied: ReadonlyMap<number, string>,
): void {
  for (const [number, checksum] of applied) {
    const known = migrations.find((migration) => migration.number === number);
    if (known === undefined) {
      throw new VolumeError(
        "newer_ledger",
        `open ledger: it has migration ${number}, which this version does not know: use the newer version`,
      );
    }
    if (known.checksum !== checksum) {
      throw new VolumeError(
        "newer_ledger",
        `open ledger: migration ${number} is not the one that was applied: use the version that made the ledger`,
      );
    }
  }
}
