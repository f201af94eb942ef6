/** Stable: callers may branch on these. Messages may change. */
export type KeyManagerErrorCode =
  | "invalid_argument"
  | "unauthenticated"
  | "forbidden"
  | "not_found"
  | "conflict"
  | "in_use"
  | "quota_exceeded"
  | "unsupported"
  | "unavailable"
  | "integrity"
  | "bad_response";

/**
 * The only error a `KeyManager` rejects with.
 *
 * The message names the operation and the object's id, never secret bytes and
 * never a token; what went wrong underneath is in `cause`.
 */
export class KeyManagerError extends Error {
  override readonly name = "KeyManagerError";
  readonly code: KeyManagerErrorCode;

  constructor(code: KeyManagerErrorCode, message: string, options?: { readonly cause?: unknown }) {
    super(message, options);
    this.code = code;
  }

  /** True if the same call may succeed later. A repeated `store` may leave an unreferenced copy behind. */
  get retryable(): boolean {
    return this.code === "unavailable";
  }
}
