import { objectId } from "@chatelaine/keys";

/** For a disk that the ledger does not know: the caller names its key. */
export const strangerKeyFlag = [
  "--key <id>",
  "key that opens the disk, for a disk that is not in the ledger",
  objectId,
] as const;
