/** Stable: callers may branch on these. Messages may change. */
export type LuksErrorCode =
  /** An option or argument is missing, misspelled, or out of range. Nothing was touched. */
  | "invalid_argument"
  /** The device carries no LUKS header. */
  | "not_luks"
  /** A header, or what it says of itself, is broken beyond its redundant copy. */
  | "corrupt_header"
  /**
   * The device holds a LUKS header and something else, and one of them is stale: {@link LuksError.holds} names the other.
   * Nothing reads, writes or maps it until `repairHeader` is told, with `over`, which of them gives way.
   */
  | "ambiguous"
  /**
   * An intact header that says what no honest disk says, such as a null cipher, or two digests for one data segment:
   * an attacker may have changed it to read or redirect what is written. It may be inspected, and is never opened.
   */
  | "untrusted_header"
  /** A valid LUKS feature that this library does not handle, such as an unknown cipher or requirement. */
  | "unsupported"
  /** Encryption, decryption or re-encryption has begun and has not finished: the message names the command that goes on. */
  | "in_reencryption"
  /** No key slot opens with this passphrase. */
  | "wrong_passphrase"
  /** The header demands a key derivation that exceeds the caller's limits. */
  | "too_costly"
  /** The device holds something; {@link LuksError.holds} says what. */
  | "holds_data"
  /** The device ends before what it must hold. */
  | "too_small"
  /** The header area has no room for another slot, token or key. */
  | "no_space"
  | "no_such_slot"
  | "slot_in_use"
  /** The operation would leave no key slot that can be opened. */
  | "last_slot"
  | "no_such_token"
  /** A header backup or journal that belongs to another disk. */
  | "wrong_disk"
  /** Somebody else changed the header or the file while we worked; nothing more was written. */
  | "changed"
  /** The device is mapped, mounted, or being changed by another process. */
  | "busy"
  /** The operation's abort signal fired; where it can be resumed, it says so. */
  | "aborted"
  /** The operating system failed a read or write; `cause` has its error. */
  | "io";

/**
 * The only error this package rejects with.
 *
 * The message is `operation subject: reason`; it names the device, never a
 * passphrase or key. What went wrong underneath is in `cause`.
 */
export class LuksError extends Error {
  override readonly name = "LuksError";
  readonly code: LuksErrorCode;
  /**
   * With `holds_data`: what was found, in the words that `allowDestroyingData` takes. With `ambiguous`: what there is
   * in addition to LUKS, in the words that `over` takes.
   */
  readonly holds: readonly string[];

  constructor(
    code: LuksErrorCode,
    message: string,
    options?: { readonly cause?: unknown; readonly holds?: readonly string[] },
  ) {
    super(message, options?.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.holds = options?.holds ?? [];
  }
}
