import type { AuditEntry } from "@chatelaine/server";
import { table } from "./output.ts";
import type { Terminal } from "./terminal.ts";

/** Entries of the key server's audit record, for people. */
export function auditTable(terminal: Terminal, entries: readonly AuditEntry[]): string {
  return table(
    terminal,
    [
      { heading: "time (UTC)", cell: (entry) => entry.at.slice(0, 23) },
      { heading: "user", cell: (entry) => entry.userId },
      { heading: "action", cell: (entry) => entry.action },
      { heading: "object", cell: (entry) => entry.objectId },
      { heading: "outcome", cell: (entry) => entry.outcome },
    ],
    entries,
  );
}
