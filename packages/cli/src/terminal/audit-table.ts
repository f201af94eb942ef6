import type { AuditEntry, AuditReport, SegmentInfo } from "@chatelaine/server";
import { record, table } from "./output.ts";
import { showSize } from "./sizes.ts";
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
      {
        heading: "outcome",
        cell: ({ outcome, times = 1 }) => (times > 1 ? `${outcome} × ${times}` : outcome),
      },
    ],
    entries,
  );
}

/** The parts of the audit record, for people. */
export function segmentTable(terminal: Terminal, segments: readonly SegmentInfo[]): string {
  return table(
    terminal,
    [
      { heading: "chain", cell: ({ chain }) => chain },
      { heading: "segment", cell: ({ segment }) => segment },
      { heading: "state", cell: ({ state }) => state },
      { heading: "entries", cell: ({ entries }) => entries },
      {
        heading: "size",
        cell: ({ bytes }) => (bytes === undefined ? undefined : showSize(bytes)),
      },
      { heading: "from (UTC)", cell: ({ from }) => from.slice(0, 19) },
      { heading: "to (UTC)", cell: ({ to }) => to?.slice(0, 19) },
    ],
    segments,
  );
}

/** What a verification found, for people. */
export function reportTables(terminal: Terminal, report: AuditReport): string {
  const { chains, broken, missing, files, gaps, discarded, leftOver } = report;
  const problems = [
    ...broken.map(({ chain, sequence, reason }) => ({
      where: `${chain} ${sequence}`,
      what: reason,
    })),
    ...files.map(({ file, segment, reason }) => ({
      where: `${file} ${segment ?? ""}`.trimEnd(),
      what: reason,
    })),
    ...missing.map(({ chain, noted, found }) => ({
      where: chain,
      what: `${noted} entries were noted; ${found} are there`,
    })),
    ...gaps.map(({ chain, from, to }) => ({
      where: `${chain} ${from}–${to}`,
      what: "removed, and in none of the files",
    })),
    ...discarded.map(({ chain, from, to }) => ({
      where: `${chain} ${from}–${to}`,
      what: "removed by force, never exported",
    })),
    ...leftOver.map(({ chain, entries }) => ({
      where: chain,
      what: `${entries} removed entries are still there: run audit remove`,
    })),
  ];
  const parts = [
    record({ "authentic entries": report.entries, "removed entries": report.removed }),
    table(
      terminal,
      [
        { heading: "chain", cell: ({ chain }) => chain },
        { heading: "entries", cell: ({ entries }) => entries },
        { heading: "head", cell: ({ head }) => head },
      ],
      chains,
    ),
  ];
  if (problems.length > 0)
    parts.push(
      table(
        terminal,
        [
          { heading: "where", cell: ({ where }) => where },
          { heading: "found", cell: ({ what }) => what },
        ],
        problems,
      ),
    );
  return parts.join("\n");
}
