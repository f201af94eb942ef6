import {
  type BulkResult,
  type VolumeContext,
  VolumeError,
  type VolumesOptions,
  volumeFilter,
} from "@chatelaine/volumes";
import type { Command } from "commander";
import { CommandError } from "../config/exit-codes.ts";
import { type Column, table } from "../terminal/output.ts";
import { progressBar } from "../terminal/progress-bar.ts";
import { parseCount } from "../terminal/sizes.ts";
import type { Context } from "./command.ts";

/** What {@link withBulkFlags} adds to a verb. */
export interface BulkFlags {
  readonly all?: boolean;
  readonly project?: string;
  readonly filter: readonly string[];
  readonly concurrency?: number;
  readonly maxErrors?: number;
  readonly dryRun?: boolean;
}

/** Lets a verb be for all volumes of a project, too. */
export function withBulkFlags(command: Command): Command {
  return command
    .option("--all", "all volumes of the project in the ledger")
    .option(
      "--project <label>",
      "project label in the ledger; default: the project of the credentials",
    )
    .option(
      "--filter <word>",
      "location=GLOB, key=ID, format=luks1 or unchanged-since=DATE; may be repeated",
      (word: string, words: readonly string[]) => [...words, word],
      [] as readonly string[],
    )
    .option("--concurrency <number>", "how many at once", parseCount)
    .option(
      "--max-errors <number>",
      "stop starting new work after more than this many failures",
      Number,
    );
}

/** @throws `invalid_argument` unless one volume is named, or all are meant */
export function requireOneOrAll(
  operation: string,
  path: string | undefined,
  { all }: BulkFlags,
): void {
  if ((path === undefined) === (all === true)) return;
  throw new VolumeError("invalid_argument", `${operation}: name one volume, or give --all`);
}

/**
 * Does it to all of them, shows how many are done, and prints a table.
 *
 * @throws `partial` if any is not done
 */
export async function inBulk<Done extends object>(
  context: Context,
  operation: string,
  { project, filter, concurrency, maxErrors, dryRun }: BulkFlags,
  more: readonly Column<BulkResult<Done>>[],
  work: (
    volumes: VolumeContext,
    options: VolumesOptions<Done>,
  ) => Promise<readonly BulkResult<Done>[]>,
): Promise<void> {
  const { terminal, withVolumes, print } = context;
  const bar = progressBar(terminal, operation, "items");
  let ended = 0;
  const options: VolumesOptions<Done> = {
    project,
    filter: volumeFilter(filter),
    dryRun,
    ...(concurrency !== undefined && { concurrency }),
    ...(maxErrors !== undefined && { maxErrors }),
    onResult: (_result, total) => bar.update(++ended, total),
  };
  // Several bars of bytes at once would write over each other.
  const results = await withVolumes((volumes) =>
    work({ ...volumes, onProgress: undefined }, options),
  ).finally(bar.end);
  const columns: readonly Column<BulkResult<Done>>[] = [
    { heading: "disk", cell: ({ location }) => location },
    { heading: "outcome", cell: ({ outcome }) => outcome },
    { heading: "key", cell: ({ keyId }) => keyId },
    ...more,
    { heading: "problem", cell: ({ problem }) => problem },
  ];
  print(results, table(terminal, columns, results));
  const open = results.filter(({ outcome }) => outcome !== "done" && outcome !== "selected");
  if (open.length === 0) return;
  throw new CommandError(
    "partial",
    `${operation}: not done with ${open.length} of ${results.length}`,
  );
}
