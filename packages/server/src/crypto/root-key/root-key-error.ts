import { ServerError } from "../../model/server-error.ts";

/**
 * `absent`: what opens the key does not exist, such as a file or a device. `refused`: it exists, and does not open it: wrong
 * permissions, a malformed record. `wrong_key`: it opens another key. `unavailable`: it does not answer; later it may.
 */
export type RootKeyErrorReason = "absent" | "refused" | "wrong_key" | "unavailable";

/** Without its root key a server does not start. The message says why the key cannot be used, and what to do. */
export class RootKeyError extends ServerError {
  readonly reason: RootKeyErrorReason;

  constructor(reason: RootKeyErrorReason, message: string, options?: { readonly cause?: unknown }) {
    super("root_key", message, options);
    this.reason = reason;
  }
}
