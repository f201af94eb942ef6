import { type ObjectId, objectId } from "@chatelaine/keys";
import {
  type RekeyedVolume,
  type RekeyResult,
  rekeyVolume,
  rekeyVolumes,
  VolumeError,
  verifyVolume,
  volumeFilter,
} from "@chatelaine/volumes";
import type { Command } from "commander";
import { type Column, table } from "../output.ts";
import { parseCount } from "../sizes.ts";
import { type Context, examples } from "./command.ts";

interface RekeyFlags {
  readonly key?: ObjectId;
  readonly dryRun?: boolean;
  readonly all?: boolean;
  readonly project?: string;
  readonly filter: readonly string[];
  readonly concurrency: number;
  readonly maxErrors: number;
}

const columns: readonly Column<RekeyResult>[] = [
  { heading: "disk", cell: ({ location }) => location },
  { heading: "outcome", cell: ({ outcome }) => outcome },
  { heading: "key", cell: ({ keyId }) => keyId },
  { heading: "old key", cell: ({ oldKeyId }) => oldKeyId },
  { heading: "problem", cell: ({ problem }) => problem },
];

/** `chatelaine volume rekey`: of one volume, or of all of a project at once. */
export function addRekeyVerb(volume: Command, context: (command: Command) => Context): void {
  examples(
    volume
      .command("rekey")
      .description("give volumes a new key; the old one opens them no more, and is deleted")
      .argument("[path]", "of one volume; else --all")
      .option("--key <id>", "a key of your own instead of a new one", objectId)
      .option("--all", "every volume of the project")
      .option("--project <label>", "as the ledger has it; default: that of the credentials")
      .option(
        "--filter <word>",
        "location=GLOB, key=ID, format=luks1 or unchanged-since=DATE; may be repeated",
        (word: string, words: readonly string[]) => [...words, word],
        [] as readonly string[],
      )
      .option("--concurrency <number>", "how many at once", parseCount, 4)
      .option("--max-errors <number>", "begin no more once more than this many failed", Number, 0)
      .option("--dry-run", "only say what would be changed")
      .action(async (path: string | undefined, flags: RekeyFlags, command: Command) => {
        if ((path === undefined) !== (flags.all === true)) {
          throw new VolumeError("invalid_argument", "rekey: name one volume, or give --all");
        }
        if (path === undefined) await rekeyAll(context(command), flags);
        else await rekeyOne(context(command), path, flags);
      }),
    [
      "chatelaine volume rekey disk.img --dry-run",
      "chatelaine volume rekey disk.img",
      "chatelaine volume rekey --all --filter 'location=/dev/vg0/*' --max-errors 5 --json",
    ],
  );
}

async function rekeyOne({ withVolumes, print }: Context, path: string, flags: RekeyFlags) {
  await withVolumes(async (volumes) => {
    if (flags.dryRun === true) {
      const found = await verifyVolume(volumes, path);
      print({ ...found, dryRun: true }, `would replace key ${found.keyId} of ${path}\n`);
      return;
    }
    const rekeyed = await rekeyVolume(volumes, path, { keyId: flags.key });
    print(rekeyed, sentenceOf(rekeyed));
  });
}

async function rekeyAll({ terminal, withVolumes, print }: Context, flags: RekeyFlags) {
  if (flags.key !== undefined) {
    throw new VolumeError("invalid_argument", "rekey: --key is for one volume, not for --all");
  }
  const { project, concurrency, maxErrors, dryRun } = flags;
  const filter = volumeFilter(flags.filter);
  const results = await withVolumes((volumes) =>
    rekeyVolumes(volumes, { project, concurrency, maxErrors, dryRun, filter }),
  );
  print(results, table(terminal, columns, results));
  const open = results.filter(({ outcome }) => outcome !== "rekeyed" && outcome !== "selected");
  if (open.length === 0) return;
  throw new VolumeError(
    "unfinished",
    `rekey: ${open.length} of ${results.length} have their old keys`,
  );
}

/** What became of a disk and of its keys. */
export function sentenceOf({
  path,
  keyId,
  oldKeyId,
  oldKeyDeleted,
  openedSlot,
}: RekeyedVolume): string {
  const old = oldKeyDeleted ? `key ${oldKeyId} is deleted` : `key ${oldKeyId} is kept`;
  return `${path}: key ${keyId} opens slot ${openedSlot}; ${old}\n`;
}
