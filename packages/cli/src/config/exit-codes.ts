import { KeyManagerError, type KeyManagerErrorCode } from "@chatelaine/keys";
import { LuksError, type LuksErrorCode } from "@chatelaine/luks";
import { VolumeError, type VolumeErrorCode } from "@chatelaine/volumes";

/** What a script may branch on. `chatelaine --help` and the package's README print this table. */
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

/** By its own code. */
const storeExits: Readonly<Record<string, ExitName>> = {
  unavailable: "unavailable",
  locked: "conflict",
  schema: "unsupported",
  insecure: "invalid",
};

/** By name: the server is loaded only by the commands that need it. */
const serverExits: Readonly<Record<string, ExitName>> = {
  ConfigError: "invalid",
  PolicyError: "invalid",
  IdentityApiError: "invalid",
  RootKeyError: "integrity",
  RowTagsError: "integrity",
  IntegrityError: "integrity",
  ControlError: "conflict",
  DoctorError: "conflict",
  MigrateStoreError: "conflict",
};

/** The exit code that an error stands for. */
export function exitCodeOf(error: unknown): number {
  return exitCodes[exitNameOf(error)][0];
}

function exitNameOf(error: unknown): ExitName {
  if (error instanceof KeyManagerError) return keyManagerExits[error.code];
  if (error instanceof VolumeError) return volumeExits[error.code];
  if (error instanceof LuksError) return luksExits[error.code];
  if (!(error instanceof Error)) return "unexpected";
  const { name, code } = error as NodeJS.ErrnoException;
  if (name === "StoreError") return storeExits[code ?? ""] ?? "unavailable";
  return serverExits[name] ?? "unexpected";
}
