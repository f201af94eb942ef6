import { objectId } from "@chatelaine/keys";

/** For a disk that the ledger does not know: the caller names its key. */
export const strangerKeyFlag = [
  "--key <id>",
  "the key that opens it, for a disk that the ledger does not know",
  objectId,
] as const;
