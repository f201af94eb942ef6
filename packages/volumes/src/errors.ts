/** Stable: callers may branch on these. Messages may change. */
export type VolumeErrorCode =
  /** An argument is missing, misspelled or out of range. Nothing was touched. */
  | "invalid_argument"
  /** Something is at that path already. Nothing was touched. */
  | "exists"
  /** The disk is no volume of ours: no LUKS header, or no token that names a key. */
  | "not_a_volume"
  /** The key that the disk names is not in the key manager. */
  | "missing_key"
  /** The key that the disk names does not open it. */
  | "wrong_key"
  /** An operation failed, and so did undoing it: the message names what is left. */
  | "left_behind"
  /** The operating system failed a read or write; `cause` has its error. */
  | "io";

/**
 * What this package rejects with, besides the `KeyManagerError` and `LuksError`
 * of the packages underneath, which pass through as they are.
 */
export class VolumeError extends Error {
  override readonly name = "VolumeError";
  readonly code: VolumeErrorCode;

  constructor(code: VolumeErrorCode, message: string, options?: { readonly cause?: unknown }) {
    super(message, options);
    this.code = code;
  }
}
