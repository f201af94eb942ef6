import { StoreError } from "../store.ts";

/** SQLSTATE classes and codes of a database that is away, full, stopping, overloaded, or read-only. */
const passing = /^(08|53|57|58|25006|XX000)/;
/** Node.js's words for a connection that is no more. */
const connection = /^(ECONN|EPIPE|ENOTFOUND|ETIMEDOUT|EAI_)/;

/** Two transactions stood in each other's way; the same again will do. */
export function isRepeatable(error: unknown): boolean {
  const code = codeOf(error);
  return code === "40001" || code === "40P01";
}

/** Tells a database that is away from a mistake of ours, which stays as it is. */
export function storeError(error: unknown): unknown {
  if (error instanceof StoreError) return error;
  const code = codeOf(error);
  const message = error instanceof Error ? error.message : String(error);
  const gone =
    code === undefined
      ? /connection|timeout|not queryable/i.test(message)
      : passing.test(code) || connection.test(code) || isRepeatable(error);
  if (!gone) return error;
  return new StoreError("unavailable", `database: ${message || code}`, { cause: error });
}

function codeOf(error: unknown): string | undefined {
  const { code } = error as { readonly code?: unknown };
  return typeof code === "string" ? code : undefined;
}
