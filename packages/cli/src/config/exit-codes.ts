import { KeyManagerError, type KeyManagerErrorCode } from "@chatelaine/keys";
import { LuksError, type LuksErrorCode } from "@chatelaine/luks";
import { ServerError, type ServerErrorCode } from "@chatelaine/server/errors";
import { VolumeError, type VolumeErrorCode } from "@chatelaine/volumes";

/** Exit codes, which scripts may branch on. `chatelaine --help` and the package's README print this table. */
export const exitCodes = {
  ok: [0, "done"],
  unexpected: [1, "a defect of chatelaine itself, or an error that has no code below"],
  invalid: [2, "a misspelled option, a bad argument or configuration"],
  notFound: [3, "the object is not in the key manager"],
  unauthenticated: [4, "the key manager or Keystone does not accept the credentials"],
  forbidden: [5, "the credentials are good, but may not do this"],
  conflict: [6, "something stands in the way: a consumer, a file, data on the disk"],
  quota: [7, "a quota is used up"],
  unsupported: [8, "the backend or the disk's format cannot do this"],
  unavailable: [9, "no answer, or an error that may pass: try again"],
  badResponse: [10, "an answer that makes no sense: is the endpoint right?"],
  integrity: [11, "a disk or object is damaged, or is not what it should be"],
  wrongKey: [12, "the key or passphrase does not open the disk"],
  io: [13, "the operating system failed a read or write"],
  partial: [14, "a part of the work failed, and the rest is done; the output says which part"],
} as const satisfies Record<string, readonly [number, string]>;

type ExitName = keyof typeof exitCodes;

const keyManagerExits: Record<KeyManagerErrorCode, ExitName> = {
  invalid_argument: "invalid",
  unauthenticated: "unauthenticated",
  forbidden: "forbidden",
  not_found: "notFound",
  conflict: "conflict",
  in_use: "conflict",
  quota_exceeded: "quota",
  unsupported: "unsupported",
  unavailable: "unavailable",
  integrity: "integrity",
  bad_response: "badResponse",
};

const volumeExits: Record<VolumeErrorCode, ExitName> = {
  invalid_argument: "invalid",
  exists: "conflict",
  not_a_volume: "integrity",
  missing_key: "notFound",
  wrong_key: "wrongKey",
  unfinished: "unavailable",
  busy: "conflict",
  not_found: "notFound",
  mismatch: "conflict",
  integrity: "integrity",
  untrusted: "forbidden",
  unsupported: "unsupported",
  newer_ledger: "unsupported",
  tool_failed: "io",
  unavailable: "unavailable",
  io: "io",
};

const luksExits: Record<LuksErrorCode, ExitName> = {
  invalid_argument: "invalid",
  not_luks: "integrity",
  corrupt_header: "integrity",
  ambiguous: "conflict",
  untrusted_header: "integrity",
  unsupported: "unsupported",
  in_reencryption: "conflict",
  wrong_passphrase: "wrongKey",
  too_costly: "unsupported",
  holds_data: "conflict",
  too_small: "invalid",
  no_space: "conflict",
  no_such_slot: "notFound",
  slot_in_use: "conflict",
  last_slot: "conflict",
  no_such_token: "notFound",
  wrong_disk: "conflict",
  changed: "conflict",
  busy: "conflict",
  aborted: "unavailable",
  io: "io",
};

const serverExits: Record<ServerErrorCode, ExitName> = {
  invalid_argument: "invalid",
  invalid_config: "invalid",
  invalid_policy: "invalid",
  not_found: "notFound",
  conflict: "conflict",
  forbidden: "forbidden",
  unsupported: "unsupported",
  io: "io",
  integrity: "integrity",
  root_key: "integrity",
  untagged_rows: "integrity",
  unavailable: "unavailable",
  locked: "conflict",
  schema: "unsupported",
  insecure: "invalid",
};

/** A failure of a command itself, and not of a package that it uses. */
export class CommandError extends Error {
  override readonly name = "CommandError";
  readonly exit: ExitName;

  constructor(exit: ExitName, message: string, options?: { readonly cause?: unknown }) {
    super(message, options);
    this.exit = exit;
  }
}

/** The exit code that an error stands for. */
export function exitCodeOf(error: unknown): number {
  return exitCodes[exitNameOf(error)][0];
}

function exitNameOf(error: unknown): ExitName {
  if (error instanceof CommandError) return error.exit;
  if (error instanceof KeyManagerError) return keyManagerExits[error.code];
  if (error instanceof VolumeError) return volumeExits[error.code];
  if (error instanceof LuksError) return luksExits[error.code];
  if (error instanceof ServerError) return serverExits[error.code];
  return "unexpected";
}
