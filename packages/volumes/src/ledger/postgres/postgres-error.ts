import { VolumeError } from "../../model/errors.ts";

/**
 * SQLSTATE classes and codes of what may pass (PostgreSQL, appendix A): 08 connection, 53 out of
 * memory, disk or connections, 57 ended by an operator or shut down, 58 system error, 40 rolled back
 * for others' sake; a read-only standby, a lock that took too long, a transaction that idled.
 */
const passing = /^(08|53|57|58|40)...$|^(25006|25P03|55P03)$/;

/** No or a wrong password, no such database, no right to it. */
const refused = /^(28...|3D000|3F000|42501)$/;

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
  const { code } = error as { readonly code?: unknown };
  if ((typeof code === "string" && refused.test(code)) || isWithoutPassword(error)) {
    const why = isWithoutPassword(error)
      ? "it asks for a password, and none is set (PGPASSWORD or ~/.pgpass)"
      : message;
    return new VolumeError(
      "invalid_argument",
      `${what}: the database rejects the connection: ${why}`,
      {
        cause: error,
      },
    );
  }
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
  if (isWithoutPassword(error)) return false;
  const { code } = error as NodeJS.ErrnoException;
  if (typeof code === "string") return /^E[A-Z_]+$/.test(code);
  return /\b(connection|connecting|connect|timeout|terminated|closed|client)\b/i.test(
    error.message,
  );
}

/** The driver's word where it has no password and is asked for one. */
function isWithoutPassword(error: unknown): boolean {
  return error instanceof Error && error.message.startsWith("SASL");
}

function isSqlState(code: unknown): code is string {
  return typeof code === "string" && /^[0-9A-Z]{5}$/.test(code) && /[0-9]/.test(code);
}
