/**
 * Stable: each has one HTTP status.
 * `bad_request` 400, `unauthorized` 401, `forbidden` 403, `not_found` 404,
 * `conflict` 409, `too_many` 429.
 */
export type IdentityApiErrorCode =
  | "bad_request"
  | "unauthorized"
  | "forbidden"
  | "not_found"
  | "conflict"
  | "too_many";

/** What the built-in identity's own interface refuses. The message goes to the client, so it contains only what the client may know. */
export class IdentityApiError extends Error {
  override readonly name = "IdentityApiError";
  readonly code: IdentityApiErrorCode;
  /** With `too_many` only. */
  readonly retryAfterSeconds: number | undefined;

  constructor(code: IdentityApiErrorCode, message: string, retryAfterSeconds?: number) {
    super(message);
    this.code = code;
    this.retryAfterSeconds = retryAfterSeconds;
  }
}
