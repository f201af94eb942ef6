import { resolve } from "node:path";
import type { AuditEntry, AuditProgress, AuditReport, SegmentInfo } from "@chatelaine/server";
import type { Command } from "commander";
import { CommandError } from "../config/exit-codes.ts";
import { auditTable, reportTables, segmentTable } from "../terminal/audit-table.ts";
import { json } from "../terminal/output.ts";
import { progressBar } from "../terminal/progress-bar.ts";
import { parseCount } from "../terminal/sizes.ts";
import type { Terminal } from "../terminal/terminal.ts";
import type { Context } from "./command.ts";
import { configured, loadConfig, runCommand, show, simple, textOf } from "./server-command.ts";

/** `chatelaine server audit …`: the record of who did what. */
export function addAudit(server: Command, context: (command: Command) => Context): void {
  const audit = server.command("audit").description("The audit record: list, verify, export");
  configured(audit, "list", "List the latest entries, oldest first")
    .option("--limit <number>", "how many", parseCount, 50)
    .option("--object <id>", "only entries about this secret, order or container")
    .action(async (_options: object, command: Command) => {
      const options = command.opts<{ limit: number; object?: string }>();
      const { terminal, print } = context(command);
      const args = [String(options.limit), options.object ?? ""];
      const entries = await runCommand(context, command, "audit list", args);
      print(entries, auditTable(terminal, entries as readonly AuditEntry[]));
    });
  configured(
    audit,
    "verify [files...]",
    "Verify that no entry was changed or removed, and print the head of each chain",
  )
    .option("--noted <file>", "output of an earlier verify; fail if any of its entries is missing")
    .option("--with-database", "verify the files and the database as one record")
    .action(async (files: string[], _options: object, command: Command) => {
      const { noted, withDatabase } = command.opts<{ noted?: string; withDatabase?: true }>();
      const { terminal, print } = context(command);
      const heads = noted === undefined ? "" : textOf(context(command), noted);
      const paths = files.map((file) => resolve(terminal.workingDirectory, file));
      const report = await withBar(terminal, "verify", (onProgress) =>
        files.length > 0 && withDatabase !== true
          ? verifyFiles(context, command, paths, heads, onProgress)
          : runCommand(context, command, "audit verify", [heads, ...paths], onProgress),
      );
      const found = report as AuditReport;
      // Where it goes to a file, it is kept as what the next verify compares with.
      print(found, terminal.columns === undefined ? json(found) : reportTables(terminal, found));
      assertWhole(found);
    });
  configured(
    audit,
    "segments",
    "List the segments of the record: open, sealed, exported, removed",
  ).action(async (_options: object, command: Command) => {
    const { terminal, print } = context(command);
    const segments = await runCommand(context, command, "audit segments", []);
    print(segments, segmentTable(terminal, segments as readonly SegmentInfo[]));
  });
  simple(audit, context, "seal", "Seal the open segment now", "audit seal");
  configured(
    audit,
    "export <file>",
    "Export sealed segments to a new file, which audit verify reads; the server writes it",
  )
    .option("--before <time>", "only segments whose last entry is older than this UTC time")
    .option("--again", "include segments that were exported before")
    .action(async (file: string, _options: object, command: Command) => {
      const { before, again } = command.opts<{ before?: string; again?: true }>();
      const { terminal } = context(command);
      const path = resolve(terminal.workingDirectory, file);
      const args = [path, before ?? "", again ? "again" : ""];
      const done = await withBar(terminal, "export", (onProgress) =>
        runCommand(context, command, "audit export", args, onProgress),
      );
      show(context(command), done);
    });
  configured(
    audit,
    "remove",
    "Delete exported segments from the database, from the beginning of each chain",
  )
    .option("--before <time>", "only segments whose last entry is older than this UTC time")
    .option("--force", "include segments that were never exported; their entries are lost")
    .action(async (_options: object, command: Command) => {
      const { before, force } = command.opts<{ before?: string; force?: true }>();
      const args = [before ?? "", force ? "force" : ""];
      show(context(command), await runCommand(context, command, "audit remove", args));
    });
}

/** @throws `integrity` if the audit record is not what was written */
function assertWhole({ broken, files, gaps, missing }: AuditReport): void {
  if (broken.length > 0)
    throw new CommandError("integrity", "audit verify: the record is not authentic");
  const [file] = files;
  if (file) throw new CommandError("integrity", `audit verify ${file.file}: ${file.reason}`);
  if (missing.length > 0)
    throw new CommandError(
      "integrity",
      "audit verify: entries that were noted are missing; if they are in an archive, name its file too",
    );
  if (gaps.length > 0)
    throw new CommandError("integrity", "audit verify: removed entries are in none of the files");
}

async function verifyFiles(
  context: (command: Command) => Context,
  command: Command,
  files: readonly string[],
  noted: string,
  onProgress: (progress: unknown) => void,
): Promise<AuditReport> {
  const { verifyAuditFiles } = await import("@chatelaine/server");
  return verifyAuditFiles(await loadConfig(context, command), files, noted, onProgress);
}

/** Shows how many entries are done, on a terminal. */
async function withBar<T>(
  terminal: Terminal,
  what: string,
  work: (onProgress: (progress: unknown) => void) => Promise<T>,
): Promise<T> {
  const bar = progressBar(terminal, what, "items");
  try {
    return await work((progress) => {
      const { doneEntries, totalEntries } = progress as AuditProgress;
      bar.update(doneEntries, totalEntries ?? doneEntries);
    });
  } finally {
    bar.end();
  }
}
