import { DatabaseError } from "pg";
import { isDatabaseError, ServerError } from "../../model/server-error.ts";

/**
 * SQLSTATE classes and codes that mean "not now" (PostgreSQL, appendix A): 08 connection,
 * 53 out of memory, disk or connections, 57 ended by an operator or shut down, 58 system error,
 * 40 rolled back for others' sake; a read-only standby, a lock that took too long, a transaction that idled.
 */
const passing = /^(08|53|57|58|40)...$|^(25006|25P03|55P03)$/;

/** Rolled back for others' sake. */
const yielding = /^(40001|40P01)$/;

/** A row that another transaction added or took away between a look and a change: unique, foreign key. */
const lostRace = /^(23505|23503)$/;

/** Distinguishes a database that is away or full from a programming error, which is passed on unchanged. */
export function storeError(error: unknown): unknown {
  if (isDatabaseError(error)) return error;
  if (error instanceof DatabaseError)
    return passing.test(error.code ?? "")
      ? new ServerError("unavailable", `database: ${error.message}`, { cause: error })
      : error;
  if (!isConnectionTrouble(error)) return error;
  return new ServerError("unavailable", `database: ${(error as Error).message}`, { cause: error });
}

/** True if the same transaction, run again from its beginning, may well succeed. */
export function isWorthAnotherTry(error: unknown): boolean {
  const { code } = (error instanceof DatabaseError && error) || {};
  return code !== undefined && (yielding.test(code) || lostRace.test(code));
}

/** True if the connection that this error came from must not be used again. */
export function isConnectionLost(error: unknown): boolean {
  if (error instanceof DatabaseError) return /^(08...|57P0[1-5])$/.test(error.code ?? "");
  return isConnectionTrouble(error);
}

/** Of sockets, name look-ups and TLS the error has a code in capitals; pg's own have none. */
function isConnectionTrouble(error: unknown): boolean {
  if (!(error instanceof Error) || error instanceof TypeError) return false;
  const { code } = error as NodeJS.ErrnoException;
  if (typeof code === "string") return /^[A-Z][A-Z_]+$/.test(code);
  return /\b(connection|connecting|connect|timeout|terminated|closed|Client)\b/i.test(
    error.message,
  );
}
