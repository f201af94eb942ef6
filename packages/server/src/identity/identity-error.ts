/** Stable: each has one HTTP status, 401, 401 and 503. */
export type IdentityErrorCode = "invalid_token" | "no_project" | "unavailable";

/** The only error that {@link Identity} rejects with. */
export class IdentityError extends Error {
  override readonly name = "IdentityError";
  readonly code: IdentityErrorCode;
  /** When to try again, for `Retry-After`; with `unavailable` only. */
  readonly retryAfterSeconds: number;

  constructor(
    code: IdentityErrorCode,
    message: string,
    options: { readonly cause?: unknown; readonly retryAfterSeconds?: number } = {},
  ) {
    super(message, "cause" in options ? { cause: options.cause } : undefined);
    this.code = code;
    this.retryAfterSeconds = options.retryAfterSeconds ?? 1;
  }
}
