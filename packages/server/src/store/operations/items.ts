import { all, one, type Steps } from "../operation.ts";

/** Tables of what hangs on a secret or container, and the column that names it. */
const owners = {
  secret_consumers: "secret_id",
  secret_metadata: "secret_id",
  container_consumers: "container_id",
  container_secrets: "container_id",
} as const;
export type ItemTable = keyof typeof owners;

/**
 * True if an object has `max` items or more. The caller holds a lock on the object,
 * so that two at once cannot both take the last place.
 */
export function* isFull(table: ItemTable, objectId: string, max: number): Steps<boolean> {
  const last = yield* one(
    `SELECT 1 AS one FROM ${table} WHERE ${owners[table]} = ? LIMIT 1 OFFSET ?`,
    objectId,
    max - 1,
  );
  return last !== undefined;
}

/**
 * How many of the objects, in their order, a page can show whole with at most `max`
 * items; one at least, if there is one.
 */
export function* fitting(
  tables: readonly ItemTable[],
  ids: readonly string[],
  max: number,
): Steps<number> {
  // PostgreSQL has no empty IN list.
  if (ids.length === 0) return 0;
  const counts = new Map<string, number>();
  for (const table of tables) {
    const owner = owners[table];
    const rows = yield* all<{ id: string; n: number }>(
      `SELECT ${owner} AS id, CAST(COUNT(*) AS INTEGER) AS n FROM ${table}
       WHERE ${owner} IN (${ids.map(() => "?").join(", ")}) GROUP BY ${owner}`,
      ...ids,
    );
    for (const { id, n } of rows) counts.set(id, (counts.get(id) ?? 0) + n);
  }
  let items = 0;
  for (const [shown, id] of ids.entries()) {
    items += counts.get(id) ?? 0;
    if (items > max && shown > 0) return shown;
  }
  return ids.length;
}
