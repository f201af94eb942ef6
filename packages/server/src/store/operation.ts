import type { TaggedValue } from "../model/tagged-value.ts";

/** What a column or a parameter can hold in both databases. Flags are 0 and 1; times are text, see clock.ts. */
export type SqlValue = string | number | Uint8Array | null;

/** One SQL statement with `?` for each argument; the PostgreSQL driver turns them into `$1 …`. */
export interface Statement {
  readonly sql: string;
  readonly args: readonly SqlValue[];
}

/** What a statement gave. */
export interface StatementResult {
  readonly rows: readonly unknown[];
  /** Rows inserted, updated or deleted. */
  readonly changes: number;
}

/**
 * Asks the store, which holds the key, for the tag of a row: the result has it as its only row. With `tag`, asks
 * whether that is the row's tag: `changes` is 1 if it is. See tagged-rows.ts.
 */
export interface TagStep {
  readonly values: readonly TaggedValue[];
  readonly tag?: Uint8Array | null;
}

/**
 * What an operation does, statement by statement. A generator, because the same
 * text then runs synchronously inside SQLite's writer thread and asynchronously
 * on a PostgreSQL connection, and neither database has a second copy of it.
 */
export type Steps<R> = Generator<Statement | TagStep, R, StatementResult>;

/**
 * One unit of work on the store: everything in it commits, or nothing does.
 *
 * `module` is the `import.meta.url` of the module that exports the operation
 * under `name`: the writer thread finds it there. Parameters and result must be
 * structured-cloneable.
 */
export interface Operation<P, R> {
  readonly module: string;
  readonly name: string;
  /** Statement by statement. */
  readonly steps: (parameters: P) => Steps<R>;
}

/**
 * Declares an operation. It must be exported under the same name:
 * `export const countThings = operation(import.meta.url, "countThings", function* (p: {…}) { … })`.
 */
export function operation<R>(
  module: string,
  name: string,
  steps: () => Steps<R>,
): Operation<null, R>;
export function operation<P, R>(
  module: string,
  name: string,
  steps: (parameters: P) => Steps<R>,
): Operation<P, R>;
export function operation<P, R>(
  module: string,
  name: string,
  steps: (parameters: P) => Steps<R>,
): Operation<P, R> {
  return { module, name, steps };
}

/** All rows of a query. */
export function* all<T>(sql: string, ...args: readonly SqlValue[]): Steps<readonly T[]> {
  return (yield { sql, args }).rows as readonly T[];
}

/** The first row of a query, or undefined. */
export function* one<T>(sql: string, ...args: readonly SqlValue[]): Steps<T | undefined> {
  return (yield { sql, args }).rows[0] as T | undefined;
}

/** Executes a statement; returns how many rows it changed. */
export function* run(sql: string, ...args: readonly SqlValue[]): Steps<number> {
  return (yield { sql, args }).changes;
}
