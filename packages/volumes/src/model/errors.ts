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
  /** An operation came no further: the ledger knows what is left to do, and `recover` does it. */
  | "unfinished"
  /** Another process is working on the volume, or the device is in use. */
  | "busy"
  /** Neither the ledger nor the disk knows such a volume. */
  | "not_found"
  /** The disk is not where, or not what, the ledger says. Nothing was touched. */
  | "mismatch"
  /** The disk's header is not the one that the ledger recorded; the message names each field with both values. */
  | "integrity"
  /**
   * The ledger has no row for the disk, and the key that the disk names is not registered for it
   * in the caller's project: import the disk, or name the key yourself.
   */
  | "untrusted"
  /** This format, device or machine cannot do that; the message names what is missing. */
  | "unsupported"
  /** The ledger was made by a newer version. Nothing was touched. */
  | "newer_ledger"
  /** A host's tool, such as cryptsetup, failed; the message has its status and last words. */
  | "tool_failed"
  /** The ledger's database gives no answer, or none now: the same may succeed later. */
  | "unavailable"
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

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
