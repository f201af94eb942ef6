import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { ServerError } from "../model/server-error.ts";
import { all, run, type Statement, type Steps } from "./operation.ts";

/** A numbered, append-only change of the schema. A released one is never edited: its checksum is in every database. */
export interface Migration {
  /** Four digits; 0001–0099 the key server, 0101–0199 built-in identity. */
  readonly number: number;
  readonly name: string;
  readonly script: string;
  /** SHA-256 of the script, hex. */
  readonly checksum: string;
}

/** Reads `migrations/<dialect>/NNNN_name.sql` of this package, in order. */
export function readMigrations(
  dialect: "sqlite" | "postgres",
  folder: URL = new URL(`../../migrations/${dialect}/`, import.meta.url),
): readonly Migration[] {
  return readdirSync(folder)
    .filter((file) => /^\d{4}_[a-z0-9-]+\.sql$/.test(file))
    .toSorted()
    .map((file) => {
      const script = readFileSync(new URL(file, folder), "utf8");
      return {
        number: Number(file.slice(0, 4)),
        name: file.slice(5, -4),
        script,
        checksum: createHash("sha256").update(script).digest("hex"),
      };
    });
}

const table = `CREATE TABLE IF NOT EXISTS migrations (
  number INTEGER PRIMARY KEY, name TEXT NOT NULL, checksum TEXT NOT NULL, applied TEXT NOT NULL)`;

/**
 * Brings a database to this version's schema. Run it inside a transaction, alone.
 * A statement whose text is a whole script carries no arguments.
 *
 * @throws as {@link pendingMigrations}
 */
export function* migrate(migrations: readonly Migration[], now: string): Steps<readonly string[]> {
  yield wholeScript(table);
  const pending = yield* pendingMigrations(migrations);
  for (const migration of pending) {
    yield wholeScript(migration.script);
    yield* run(
      "INSERT INTO migrations (number, name, checksum, applied) VALUES (?, ?, ?, ?)",
      migration.number,
      migration.name,
      migration.checksum,
      now,
    );
  }
  return pending.map(labelOf);
}

/**
 * What a database lacks of this version's schema. Changes nothing.
 *
 * @throws `schema` if a migration was edited since it was applied, or
 *   if the database has one that this version does not know (a newer server made it).
 */
export function* pendingMigrations(migrations: readonly Migration[]): Steps<readonly Migration[]> {
  const applied = new Map(
    (yield* all<Omit<Migration, "script">>("SELECT number, name, checksum FROM migrations")).map(
      (row) => [row.number, row],
    ),
  );
  const pending: Migration[] = [];
  for (const migration of migrations) {
    const before = applied.get(migration.number);
    applied.delete(migration.number);
    if (!before) pending.push(migration);
    else if (before.checksum !== migration.checksum)
      throw new ServerError(
        "schema",
        `migrate ${labelOf(migration)}: the script changed since it was applied`,
      );
  }
  const unknown = [...applied.keys()][0];
  if (unknown !== undefined)
    throw new ServerError(
      "schema",
      `migrate: the database has migration ${unknown}, which this version does not know; start the newer server`,
    );
  return pending;
}

function labelOf({ number, name }: Migration): string {
  return `${String(number).padStart(4, "0")}_${name}`;
}

function wholeScript(sql: string): Statement {
  return { sql, args: [] };
}
