import { type ObjectId, objectId } from "@chatelaine/keys";
import {
  type BulkResult,
  type RekeyedVolume,
  rekeyVolume,
  rekeyVolumes,
  VolumeError,
  verifyVolume,
} from "@chatelaine/volumes";
import type { Command } from "commander";
import { type BulkFlags, inBulk, requireOneOrAll, withBulkFlags } from "./bulk.ts";
import { type Context, examples } from "./command.ts";

interface RekeyFlags extends BulkFlags {
  readonly key?: ObjectId;
}

/** `chatelaine volume rekey`: of one volume, or of all of a project at once. */
export function addRekeyVerb(volume: Command, context: (command: Command) => Context): void {
  examples(
    withBulkFlags(
      volume
        .command("rekey")
        .description(
          "Rotate the keys of volumes. Each old key is removed from the disk and deleted",
        )
        .argument("[path]", "path of one volume, or use --all")
        .option("--key <id>", "use this key instead of a new one", objectId),
    )
      .option("--dry-run", "print what would be changed, and change nothing")
      .action(async (path: string | undefined, flags: RekeyFlags, command: Command) => {
        requireOneOrAll("rekey", path, flags);
        if (path !== undefined) return rekeyOne(context(command), path, flags);
        if (flags.key !== undefined) {
          throw new VolumeError(
            "invalid_argument",
            "rekey: --key is for one volume, not for --all",
          );
        }
        const oldKey = { heading: "old key", cell: ({ oldKeyId }: Result) => oldKeyId };
        return inBulk(context(command), "rekey", flags, [oldKey], rekeyVolumes);
      }),
    [
      "chatelaine volume rekey disk.img --dry-run",
      "chatelaine volume rekey disk.img",
      "chatelaine volume rekey --all --filter 'location=/dev/vg0/*' --max-errors 5 --json",
    ],
  );
}

type Result = BulkResult<RekeyedVolume>;

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
