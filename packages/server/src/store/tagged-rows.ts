import { ServerError } from "../model/server-error.ts";
import type { TaggedValue } from "../model/tagged-value.ts";
import { run, type SqlValue, type Steps } from "./operation.ts";
import { type TaggedTable, taggedTables } from "./tagged-tables.ts";

/** What belongs to a row and is kept in rows of another table: a container's members. */
export type Parts = readonly (readonly SqlValue[])[];

/** A row as read: its columns and its tag, null if it never had one. */
export type Tagged<Row> = Row & { readonly tag: Uint8Array | null };

/** The columns to select, with an optional alias of the table before each. */
export function columnsOf(table: TaggedTable, alias = ""): string {
  const before = alias === "" ? "" : `${alias}.`;
  return [...taggedTables[table].columns, "tag"].map((column) => before + column).join(", ");
}

/** Passes a row on if its tag is its own. @throws `integrity` */
export function* verified<Row extends object>(
  table: TaggedTable,
  row: Tagged<Row>,
  parts?: Parts,
): Steps<Tagged<Row>> {
  if (yield* isAuthentic(table, row, parts)) return row;
  throw new ServerError(
    "integrity",
    `verify ${table} ${keyOf(table, row)}: the row is not authentic`,
  );
}

/** {@link verified}, if there is a row. */
export function* verifiedIfAny<Row extends object>(
  table: TaggedTable,
  row: Tagged<Row> | undefined,
): Steps<Tagged<Row> | undefined> {
  return row && (yield* verified(table, row));
}

/** {@link verified}, of each. */
export function* verifiedAll<Row extends object>(
  table: TaggedTable,
  rows: readonly Tagged<Row>[],
): Steps<readonly Tagged<Row>[]> {
  for (const row of rows) yield* verified(table, row);
  return rows;
}

/** True if the row's tag is its own. */
export function* isAuthentic<Row extends object>(
  table: TaggedTable,
  row: Tagged<Row>,
  parts?: Parts,
): Steps<boolean> {
  return (yield { values: valuesOf(table, row, parts), tag: row.tag ?? null }).changes === 1;
}

/** The tag that the row is to have. */
export function* tagOf(table: TaggedTable, row: object, parts?: Parts): Steps<Uint8Array> {
  return (yield { values: valuesOf(table, row, parts) }).rows[0] as Uint8Array;
}

/** Adds a row with its tag. @returns how many were added: 0 only with ON CONFLICT DO NOTHING as `conflict` */
export function* insertRow(
  table: TaggedTable,
  row: object,
  { conflict = "", parts }: { readonly conflict?: string; readonly parts?: Parts } = {},
): Steps<number> {
  const columns: readonly string[] = taggedTables[table].columns;
  const tag = yield* tagOf(table, row, parts);
  return yield* run(
    `${insertTexts.get(table)}${conflict}`,
    ...columns.map((column) => valueOf(row, column)),
    tag,
  );
}

/** Changes columns of a row that this transaction has read and verified. @returns the changed row */
export function* updateRow<Row extends object>(
  table: TaggedTable,
  row: Tagged<Row>,
  change: Partial<Row>,
  parts?: Parts,
): Steps<Tagged<Row>> {
  const { key }: { readonly key: readonly string[] } = taggedTables[table];
  const changed = { ...row, ...change };
  const tag = yield* tagOf(table, changed, parts);
  const names = Object.keys(change);
  const places = [...names, "tag"].map((name) => `${name} = ?`).join(", ");
  yield* run(
    `UPDATE ${table} SET ${places} WHERE ${key.map((column) => `${column} = ?`).join(" AND ")}`,
    ...names.map((name) => valueOf(change, name)),
    tag,
    ...key.map((column) => valueOf(row, column)),
  );
  return { ...changed, tag };
}

/** What identifies a row, for messages. */
export function keyOf(table: TaggedTable, row: object): string {
  return taggedTables[table].key.map((column) => String(valueOf(row, column))).join(" ");
}

/** Tables that had a tag of ownership keep the number of that tag's key, which is 0 now. */
const insertTexts: ReadonlyMap<string, string> = new Map(
  Object.entries(taggedTables).map(([table, { columns }]) => {
    const owned = table === "secrets" || table === "containers";
    const names = [...columns, "tag", ...(owned ? ["tag_generation"] : [])].join(", ");
    const places = [...columns, "tag"].map(() => "?").join(", ");
    return [table, `INSERT INTO ${table} (${names}) VALUES (${places}${owned ? ", 0" : ""}) `];
  }),
);

/** What a row's tag covers. */
function valuesOf(table: TaggedTable, row: object, parts?: Parts): readonly TaggedValue[] {
  const columns: readonly string[] = taggedTables[table].columns;
  const values: TaggedValue[] = [table];
  for (const column of columns) values.push(valueOf(row, column));
  if (parts) values.push(parts);
  return values;
}

function valueOf(row: object, column: string): SqlValue {
  const value = (row as Readonly<Record<string, SqlValue | undefined>>)[column];
  // A column that was not selected must not pass for one that is null.
  if (value === undefined) throw new Error(`store: a row without its column ${column}`);
  return value;
}
