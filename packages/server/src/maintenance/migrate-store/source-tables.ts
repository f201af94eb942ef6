import { all, operation, type SqlValue } from "../../store/operation.ts";

/** A table of the SQLite database, as its own catalogue describes it. */
export interface SourceTable {
  readonly name: string;
  readonly columns: readonly string[];
  /** What orders the rows, and tells them apart. */
  readonly primaryKey: readonly string[];
}

export type Row = Readonly<Record<string, SqlValue>>;

/**
 * All tables but the record of migrations, those that others refer to first. Asked
 * of the database, so that a table of a later migration is not forgotten.
 */
export const listSourceTables = operation(import.meta.url, "listSourceTables", function* () {
  const names = yield* all<{ name: string }>(
    `SELECT name FROM sqlite_master
     WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' AND name <> 'migrations'
     ORDER BY name`,
  );
  const references = yield* all<{ child: string; parent: string }>(
    `SELECT m.name AS child, f."table" AS parent
     FROM sqlite_master m, pragma_foreign_key_list(m.name) f WHERE m.type = 'table'`,
  );
  const tables: SourceTable[] = [];
  for (const name of parentsFirst(
    names.map((row) => row.name),
    references,
  )) {
    const columns = yield* all<{ name: string; pk: number }>(
      "SELECT name, pk FROM pragma_table_info(?) ORDER BY cid",
      name,
    );
    const primaryKey = columns.filter(({ pk }) => pk > 0).toSorted((a, b) => a.pk - b.pk);
    tables.push({
      name,
      columns: columns.map((column) => column.name),
      primaryKey: primaryKey.map((column) => column.name),
    });
  }
  return tables;
});

/** The rows that follow `after`, or the first ones, in the order of the primary key. */
export const readSourceRows = operation(
  import.meta.url,
  "readSourceRows",
  function* (p: {
    readonly table: SourceTable;
    readonly after: Row | null;
    readonly limit: number;
  }) {
    const { text, args } = pageOf(p.table, p.after);
    return yield* all<Row>(text, ...args, p.limit);
  },
);

/** A page of a table in the order of its primary key; the limit is the last argument. */
export function pageOf(
  table: SourceTable,
  after: Row | null,
): { readonly text: string; readonly args: readonly SqlValue[] } {
  const key = table.primaryKey.join(", ");
  const columns = table.columns.join(", ");
  if (!after)
    return { text: `SELECT ${columns} FROM ${table.name} ORDER BY ${key} LIMIT ?`, args: [] };
  const places = table.primaryKey.map(() => "?").join(", ");
  return {
    text: `SELECT ${columns} FROM ${table.name} WHERE (${key}) > (${places}) ORDER BY ${key} LIMIT ?`,
    args: table.primaryKey.map((column) => after[column] ?? null),
  };
}

function parentsFirst(
  names: readonly string[],
  references: readonly { readonly child: string; readonly parent: string }[],
): readonly string[] {
  const ordered: string[] = [];
  let rest = names;
  while (rest.length > 0) {
    const ready = rest.filter((name) =>
      references.every(
        ({ child, parent }) => child !== name || parent === name || ordered.includes(parent),
      ),
    );
    if (ready.length === 0)
      throw new Error(`migrate-store: tables refer to each other: ${rest.join(", ")}`);
    ordered.push(...ready);
    rest = rest.filter((name) => !ready.includes(name));
  }
  return ordered;
}
