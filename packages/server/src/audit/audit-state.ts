import { readFileSync } from "node:fs";
import { replaceFile } from "../durable-file.ts";

/** What a host knows of its audit record, outside the database. */
export interface AuditState {
  /** For messages. */
  readonly place: string;
  /** True once this host has seen a record in the current format. */
  isUpgraded(): boolean;
  /** Durable when it returns. */
  setUpgraded(): void;
}

const text = "chatelaine-audit-state-v1 format=2\n";

/**
 * The state in a file of the data directory. Somebody who can write the database, and not this file, cannot put the
 * record back into the format that does not cover a chain's name.
 */
export function auditStateFile(path: string): AuditState {
  return {
    place: path,
    isUpgraded() {
      try {
        // Any content counts: a damaged file must not allow more than a whole one.
        readFileSync(path);
        return true;
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === "ENOENT") return false;
        throw error;
      }
    },
    setUpgraded: () => replaceFile(path, text),
  };
}

/** Remembers nothing: for a record that its administrator puts back on purpose, and for embedded servers. */
export const noAuditState: AuditState = {
  place: "",
  isUpgraded: () => false,
  setUpgraded: () => undefined,
};
