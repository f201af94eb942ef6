/**
 * Stable: callers may branch on these, and the command has an exit code for each.
 *
 * `invalid_argument`: a command of the administrator cannot be carried out as it was given. `invalid_config`: a setting, or a
 * file that a setting names, cannot be used. `invalid_policy`: a policy rule cannot be understood. `not_found`, `conflict`,
 * `forbidden`: the object of a command does not exist, stands in the way, or may not be changed. `unsupported`: another tool
 * does it for this database. `io`: the operating system failed a read or write.
 *
 * `integrity`: stored bytes were changed, moved or removed, or sealed under another key. `root_key`: the root key is missing,
 * or is not it is the root key of the database. `untagged_rows`: rows of the database have no tags, and nothing
 * allows the server to tag them.
 *
 * `unavailable`: the database is away, full or read-only; try again later. `locked`: another process serves this database
 * file. `schema`: the database's migrations do not fit this version. `insecure`: the database is on another host, and its URL
 * asks for no verified TLS.
 */
export type ServerErrorCode =
  | "invalid_argument"
  | "invalid_config"
  | "invalid_policy"
  | "not_found"
  | "conflict"
  | "forbidden"
  | "unsupported"
  | "io"
  | "integrity"
  | "root_key"
  | "untagged_rows"
  | DatabaseErrorCode;

/** The codes of errors that come from the database itself. */
export type DatabaseErrorCode = "unavailable" | "locked" | "schema" | "insecure";

const databaseErrorCodes: readonly ServerErrorCode[] = [
  "unavailable",
  "locked",
  "schema",
  "insecure",
];

/**
 * The error of this package. The message is for the administrator: it names the setting, file, rule or row, and says what to
 * do; it never contains a secret. What failed underneath is the `cause`.
 */
export class ServerError extends Error {
  override readonly name = "ServerError";
  readonly code: ServerErrorCode;

  constructor(code: ServerErrorCode, message: string, options?: { readonly cause?: unknown }) {
    super(message, options);
    this.code = code;
  }
}

/** Whether the database failed, and not the operation that used it. */
export function isDatabaseError(error: unknown): error is ServerError {
  return isServerError(error, ...databaseErrorCodes);
}

/** Whether an error is a {@link ServerError} with one of these codes. */
export function isServerError(
  error: unknown,
  ...codes: readonly ServerErrorCode[]
): error is ServerError {
  return error instanceof ServerError && codes.includes(error.code);
}
