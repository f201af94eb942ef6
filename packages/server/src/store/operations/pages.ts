import { one, type SqlValue, type Steps } from "../operation.ts";

/** Which part of a list is wanted. */
export interface PageOf {
  readonly limit: number;
  /** How many rows to leave out first. Not looked at if there is a marker. */
  readonly offset: number;
  /** The id of the row that the page comes after. */
  readonly marker?: string;
}

/** A list as SQL has it. */
export interface ListSql {
  readonly from: string;
  /** The column that markers are compared with. */
  readonly id: string;
  readonly where: string;
  readonly args: readonly SqlValue[];
  /** A total order: no two rows are equal in it. */
  readonly order: string;
}

/**
 * How many rows of a list come before a page. After a marker that is not in the list, for example because it was deleted
 * since, there is nothing: a client that asks for what comes after the last one it saw is done.
 */
export function* rowsBefore(list: ListSql, { offset, marker }: PageOf): Steps<number> {
  if (marker === undefined) return offset;
  const found = yield* one<{ n: number }>(
    `SELECT CAST(n AS INTEGER) AS n FROM
       (SELECT ${list.id} AS id, ROW_NUMBER() OVER (ORDER BY ${list.order}) AS n
        FROM ${list.from} WHERE ${list.where}) AS ranked
     WHERE id = ?`,
    ...list.args,
    marker,
  );
  return found?.n ?? beyondEveryRow;
}

const beyondEveryRow = 2 ** 31 - 1;
