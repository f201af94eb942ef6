import { all, one, operation, run, type SqlValue, type Steps } from "../operation.ts";
import { columnsOf, isAuthentic, type Parts, type Tagged, tagOf } from "../tagged-rows.ts";
import { type TaggedTable, taggedTableNames, taggedTables } from "../tagged-tables.ts";
import { type MemberRow, partsOf } from "./container-members.ts";
import type { SystemKeyRow } from "./keys.ts";

export type AnyRow = Readonly<Record<string, SqlValue>>;

/** A row, whatever its tag is. */
export interface FoundRow {
  readonly row: Tagged<AnyRow>;
  /** What its tag covers in addition to the row. */
  readonly parts?: Parts;
  readonly authentic: boolean;
}

/** False if at least one tagged table has a row. */
export const hasNoTaggedRows = operation(import.meta.url, "hasNoTaggedRows", function* () {
  for (const table of taggedTableNames)
    if (yield* one(`SELECT 1 AS one FROM ${table} LIMIT 1`)) return false;
  return true;
});

interface Page {
  readonly table: TaggedTable;
  readonly after: AnyRow | null;
  readonly limit: number;
}

/** Rows of a table after another in the order of its key, each with whether its tag is its own. */
export const pageOfRows = operation(import.meta.url, "pageOfRows", readPage);

/** Tags rows as they were read: one that was changed since does not verify. */
export const writeTags = operation(
  import.meta.url,
  "writeTags",
  function* (p: { readonly table: TaggedTable; readonly found: readonly FoundRow[] }) {
    yield* tagAll(p.table, p.found);
  },
);

/** Gives a page of rows tags under the current key, if those that they have are their own. Resolves to the last row. */
export const retagPage = operation(import.meta.url, "retagPage", function* (p: Page) {
  const page = yield* readPage(p);
  yield* tagAll(
    p.table,
    page.filter(({ authentic }) => authentic),
  );
  return page.at(-1)?.row ?? null;
});

function* readPage({ table, after, limit }: Page): Steps<readonly FoundRow[]> {
  const { key }: { readonly key: readonly string[] } = taggedTables[table];
  const owned = isOwned(table) ? ", tag_generation" : "";
  const where = after ? `WHERE (${key.join(", ")}) > (${key.map(() => "?").join(", ")})` : "";
  const rows = yield* all<Tagged<AnyRow>>(
    `SELECT ${columnsOf(table)}${owned} FROM ${table} ${where} ORDER BY ${key.join(", ")} LIMIT ?`,
    ...(after ? key.map((column) => after[column] ?? null) : []),
    limit,
  );
  const found: FoundRow[] = [];
  for (const row of rows) {
    const parts = table === "containers" ? yield* membersOf(row) : undefined;
    const authentic = yield* isAuthentic(table, row, parts);
    found.push({ row, authentic, ...(parts && { parts }) });
  }
  return found;
}

function* tagAll(table: TaggedTable, found: readonly FoundRow[]): Steps<void> {
  const { key }: { readonly key: readonly string[] } = taggedTables[table];
  const owned = isOwned(table) ? ", tag_generation = 0" : "";
  for (const { row, parts } of found)
    yield* run(
      `UPDATE ${table} SET tag = ?${owned} WHERE ${key.map((column) => `${column} = ?`).join(" AND ")}`,
      yield* tagOf(table, row, parts),
      ...key.map((column) => row[column] ?? null),
    );
}

/** Makes the key of a tagging that is complete the key of all rows. */
export const finishTagging = operation(
  import.meta.url,
  "finishTagging",
  function* (p: { readonly unfinished: string; readonly row: SystemKeyRow }) {
    yield* run(
      `INSERT INTO system_keys (name, root_key_id, wrapped) VALUES (?, ?, ?)
       ON CONFLICT (name) DO UPDATE SET
         root_key_id = excluded.root_key_id, wrapped = excluded.wrapped`,
      p.row.name,
      p.row.root_key_id,
      p.row.wrapped,
    );
    yield* run("DELETE FROM system_keys WHERE name = ?", p.unfinished);
  },
);

function* membersOf(container: AnyRow): Steps<Parts> {
  return partsOf(
    yield* all<MemberRow>(
      "SELECT position, secret_id, name FROM container_secrets WHERE container_id = ?",
      container["id"] ?? null,
    ),
  );
}

/** Had a tag of ownership before rows had tags. */
function isOwned(table: TaggedTable): table is "secrets" | "containers" {
  return table === "secrets" || table === "containers";
}
