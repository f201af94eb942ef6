import type { Column, RawDatabase, Row, Table, Value } from "./raw-database.ts";

/** One thing that a writer of the database does: rows go, rows come. */
export interface Change {
  readonly table: string;
  /** `*`: the row as a whole. */
  readonly column: string;
  readonly kind: "change" | "clear" | "swap" | "copy" | "replay" | "delete" | "revive";
  readonly removed: readonly Row[];
  readonly added: readonly Row[];
}

export interface Versions {
  readonly table: Table;
  /** As they are now. */
  readonly rows: readonly Row[];
  /** Earlier versions of these, and rows that are no longer there. */
  readonly older: readonly Row[];
}

/** Every change of every column of some rows of a table. @param maxRows how many rows, those with an older version first */
export function changesOf({ table, rows, older }: Versions, maxRows: number): readonly Change[] {
  const olderOf = (row: Row) => older.find((old) => sameKey(table, old, row) && !same(old, row));
  const chosen = [...rows.filter(olderOf), ...rows.filter((row) => !olderOf(row))];
  const changes: Change[] = [];
  for (const row of chosen.slice(0, maxRows)) {
    const other = chosen.find((one) => one !== row && differs(table, one, row));
    changes.push(...rowChanges(table, row, other, olderOf(row)));
    for (const column of table.columns)
      changes.push(...columnChanges(table, column, row, other, olderOf(row)));
  }
  const gone = older.filter((old) => !rows.some((row) => sameKey(table, old, row)));
  for (const row of gone.slice(0, maxRows))
    changes.push({ table: table.name, column: "*", kind: "revive", removed: [], added: [row] });
  return changes;
}

function rowChanges(
  { name, key, columns }: Table,
  row: Row,
  other: Row | undefined,
  old: Row | undefined,
): readonly Change[] {
  const whole = { table: name, column: "*" } as const;
  const changes: Change[] = [{ ...whole, kind: "delete", removed: [row], added: [] }];
  if (old) changes.push({ ...whole, kind: "replay", removed: [row], added: [old] });
  for (const column of columns.filter((one) => key.includes(one.name))) {
    const fresh = { ...row, [column.name]: another(column, row[column.name] ?? null) };
    changes.push({ table: name, column: column.name, kind: "copy", removed: [], added: [fresh] });
    if (!other || other[column.name] === row[column.name]) continue;
    const moved = { ...row, [column.name]: other[column.name] ?? null };
    changes.push({ table: name, column: column.name, kind: "copy", removed: [], added: [moved] });
  }
  return changes;
}

function columnChanges(
  { name, key }: Table,
  column: Column,
  row: Row,
  other: Row | undefined,
  old: Row | undefined,
): readonly Change[] {
  const value = row[column.name] ?? null;
  const change = (kind: Change["kind"], to: Value): Change => ({
    table: name,
    column: column.name,
    kind,
    removed: [row],
    added: [{ ...row, [column.name]: to }],
  });
  const changes = [change("change", another(column, value))];
  if (column.nullable && value !== null) changes.push(change("clear", null));
  if (other && !sameValue(other[column.name] ?? null, value)) {
    const theirs = other[column.name] ?? null;
    if (!key.includes(column.name)) changes.push(change("copy", theirs));
    changes.push({
      ...change("swap", theirs),
      removed: [row, other],
      added: [
        { ...row, [column.name]: theirs },
        { ...other, [column.name]: value },
      ],
    });
  }
  if (old && !sameValue(old[column.name] ?? null, value))
    changes.push(change("replay", old[column.name] ?? null));
  return changes;
}

/** A plausible other value. */
function another({ kind }: Column, value: Value): Value {
  if (value === null) {
    if (kind === "number") return 1;
    return kind === "bytes" ? new Uint8Array(32) : "2001-01-01T00:00:00.000000";
  }
  if (value instanceof Uint8Array) {
    if (value.length === 0) return Uint8Array.of(1);
    const flipped = Uint8Array.from(value);
    flipped[0] = (flipped[0] ?? 0) ^ 1;
    return flipped;
  }
  if (typeof value === "number" || kind === "number")
    return Number(value) === 0 || Number(value) === 1 ? 1 - Number(value) : Number(value) + 1;
  if (/^\d{4}-\d\d-\d\dT/.test(value)) return `2001${value.slice(4)}`;
  const known = { ACTIVE: "PENDING", PENDING: "ACTIVE", member: "admin", reader: "admin" }[value];
  if (known !== undefined) return known;
  const last = value.at(-1) ?? "";
  // An id stays one; a text gets a character more.
  return /^[0-9a-f-]{32,36}$/.test(value)
    ? value.slice(0, -1) + (last === "0" ? "1" : "0")
    : `${value}x`;
}

/** Makes a change, or undoes it. @throws what the database says: not every change is possible */
export async function apply(
  database: RawDatabase,
  table: Table,
  removed: readonly Row[],
  added: readonly Row[],
): Promise<void> {
  await database.query("BEGIN");
  try {
    for (const row of [...removed, ...added]) await remove(database, table, row);
    for (const row of added) await insert(database, table, row);
    await database.query("COMMIT");
  } catch (error) {
    await database.query("ROLLBACK");
    throw error;
  }
}

/** False for a copy onto a row that is there. */
export async function isFree(database: RawDatabase, table: Table, row: Row): Promise<boolean> {
  const found = await database.query(
    `SELECT 1 AS one FROM ${table.name} WHERE ${where(table)}`,
    ...keyOf(table, row),
  );
  return found.length === 0;
}

async function remove(database: RawDatabase, table: Table, row: Row): Promise<void> {
  await database.query(`DELETE FROM ${table.name} WHERE ${where(table)}`, ...keyOf(table, row));
}

async function insert(database: RawDatabase, table: Table, row: Row): Promise<void> {
  const names = table.columns.map(({ name }) => name);
  await database.query(
    `INSERT INTO ${table.name} (${names.join(", ")}) VALUES (${names.map(() => "?").join(", ")})`,
    ...names.map((name) => row[name] ?? null),
  );
}

function where({ key }: Table): string {
  return key.map((column) => `${column} = ?`).join(" AND ");
}

function keyOf({ key }: Table, row: Row): readonly Value[] {
  return key.map((column) => row[column] ?? null);
}

/** True if both are the same row by its key. */
export function sameKey({ key }: Table, one: Row, other: Row): boolean {
  return key.every((column) => sameValue(one[column] ?? null, other[column] ?? null));
}

function same(one: Row, other: Row): boolean {
  return Object.keys(one).every((name) => sameValue(one[name] ?? null, other[name] ?? null));
}

/** Rather a row of another project, or of another object. */
function differs({ columns, key }: Table, one: Row, other: Row): boolean {
  const names = columns.map(({ name }) => name);
  const owner = ["project_id", "secret_id", "container_id", "user_id"].find(
    (name) => names.includes(name) && !(key.length === 1 && key[0] === name),
  );
  return owner === undefined || one[owner] !== other[owner];
}

function sameValue(one: Value, other: Value): boolean {
  if (one instanceof Uint8Array && other instanceof Uint8Array)
    return Buffer.compare(one, other) === 0;
  return one === other;
}
