import { VolumeError } from "../../errors.ts";

/**
 * SQLSTATE classes and codes of what may pass (PostgreSQL, appendix A): 08 connection, 53 out of
 * memory, disk or connections, 57 ended by an operator or shut down, 58 system error, 40 rolled back
 * for others' sake; a read-only standby, a lock that took too long, a transaction that idled.
 */
const passing = /^(08|53|57|58|40)...$|^(25006|25P03|55P03)$/;

/** Another transaction was quicker to insert the same; a second look says what it was. */
const lostRace = "23505";

/** True if the same, tried again, may well succeed. */
export function mayPass(error: unknown): boolean {
  const { code } = error as { readonly code?: unknown };
  if (isSqlState(code)) return passing.test(code) || code === lostRace;
  return isConnectionTrouble(error);
}

/** What a caller of the ledger hears. */
export function ledgerError(what: string, error: unknown): VolumeError {
  if (error instanceof VolumeError) return error;
  const message = error instanceof Error ? error.message : String(error);
  if (mayPass(error)) {
    return new VolumeError("unavailable", `${what}: the database does not answer: ${message}`, {
      cause: error,
    });
  }
  return new VolumeError("io", `${what}: ${message}`, { cause: error });
}

/** The server's own errors have five characters, those of sockets and name look-ups a word; the driver's have none. */
function isConnectionTrouble(error: unknown): boolean {
  if (!(error instanceof Error) || error instanceof TypeError) return false;
  const { code } = error as NodeJS.ErrnoException;
  if (typeof code === "string") return /^E[A-Z_]+$/.test(code);
  return /\b(connection|connecting|connect|timeout|terminated|closed|client)\b/i.test(
    error.message,
  );
}

function isSqlState(code: unknown): code is string {
  return typeof code === "string" && /^[0-9A-Z]{5}$/.test(code) && /[0-9]/.test(code);
}
