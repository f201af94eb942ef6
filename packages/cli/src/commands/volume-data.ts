import { type ObjectId, objectId } from "@chatelaine/keys";
import {
  decryptVolume,
  type EncryptVolumeOptions,
  encryptVolume,
  previewEncryption,
  previewReencryption,
  reencryptVolume,
  reencryptVolumes,
  resizeVolume,
  VolumeError,
  verifyVolume,
} from "@chatelaine/volumes";
import { type Command, Option } from "commander";
import { record } from "../terminal/output.ts";
import { parseCount, parseSize, showSize } from "../terminal/sizes.ts";
import { type BulkFlags, inBulk, requireOneOrAll, withBulkFlags } from "./bulk.ts";
import { type Context, examples } from "./command.ts";
import { attributesOf } from "./volume-attributes.ts";

interface DryRun {
  readonly dryRun?: boolean;
}

interface ReencryptFlags extends BulkFlags {
  readonly rekey?: boolean;
  readonly dropOtherSlots?: boolean;
  readonly journal?: string;
}

interface EncryptFlags extends DryRun {
  readonly format: "luks1" | "luks2";
  readonly label?: string;
  readonly sectorSize?: 512 | 1024 | 2048 | 4096;
  readonly key?: ObjectId;
  readonly journal?: string;
  readonly allowDestroyingData?: readonly string[];
}

const journalFlag = [
  "--journal <folder>",
  "folder for the data that a resume needs (default: PATH.chatelaine; required for a block device)",
] as const;

/** `chatelaine volume encrypt`, `decrypt`, `reencrypt` and `resize`: the data themselves. */
export function addDataVerbs(volume: Command, context: (command: Command) => Context): void {
  examples(
    volume
      .command("encrypt")
      .description("Encrypt a plain disk in place; its data is kept")
      .argument(
        "<path>",
        "file, which grows by 16 MiB, or block device whose last 16 MiB are unused",
      )
      .addOption(
        new Option("--format <name>", "LUKS format; QEMU reads only luks1")
          .choices(["luks1", "luks2"])
          .default("luks2"),
      )
      .option("--label <text>", "label in the LUKS header, at most 47 bytes")
      .option(
        "--sector-size <bytes>",
        "encryption sector size: 512, 1024, 2048 or 4096; LUKS2 only",
        parseCount,
      )
      .option("--key <id>", "use this key instead of a new one", objectId)
      .option(...journalFlag)
      .option(
        "--allow-destroying-data <kinds...>",
        "unrecognised: overwrite the end of a block device although it is not zero",
      )
      .option("--dry-run", "print what would be changed, and change nothing")
      .action(async (path: string, flags: EncryptFlags, command: Command) => {
        const { dryRun, key: keyId, ...rest } = flags;
        const options: EncryptVolumeOptions = { ...rest, keyId };
        const { withVolumes, print, warnOfUnseenUsers } = context(command);
        await withVolumes(async (volumes) => {
          if (dryRun === true) {
            const seen = await previewEncryption(volumes, path, options);
            const key = keyId === undefined ? "its own key" : `key ${keyId}`;
            print({ ...seen, dryRun: true }, `would encrypt ${path} in place under ${key}\n`);
            return;
          }
          await warnOfUnseenUsers("encrypt", path);
          const made = await encryptVolume(volumes, path, options);
          print(made, record(attributesOf(made)));
        });
      }),
    [
      "chatelaine volume encrypt disk.raw --dry-run",
      "chatelaine volume encrypt disk.raw",
      "chatelaine volume encrypt /dev/vg0/data --journal /var/lib/chatelaine/data.journal",
    ],
  );

  examples(
    volume
      .command("decrypt")
      .description("Decrypt a volume in place and delete its key")
      .argument("<path>")
      .option(
        "--leave-unencrypted",
        "confirm that anyone with the disk can read the data afterwards",
      )
      .option(...journalFlag)
      .option("--dry-run", "print what would be changed, and change nothing")
      .action(
        async (
          path: string,
          flags: DryRun & { readonly leaveUnencrypted?: boolean; readonly journal?: string },
          command: Command,
        ) => {
          const { withVolumes, print, warnOfUnseenUsers } = context(command);
          await withVolumes(async (volumes) => {
            if (flags.dryRun === true) {
              const seen = await verifyVolume(volumes, path);
              const sentence = `would leave ${path} unencrypted, and delete key ${seen.keyId}\n`;
              print({ ...seen, dryRun: true }, sentence);
              return;
            }
            if (flags.leaveUnencrypted !== true) {
              throw new VolumeError(
                "invalid_argument",
                `decrypt ${path}: everybody who has the disk could read it: give --leave-unencrypted`,
              );
            }
            await warnOfUnseenUsers("decrypt", path);
            const done = await decryptVolume(volumes, path, { journal: flags.journal });
            const key = done.keyDeleted ? "is deleted" : "is kept";
            print(done, `${path}: not encrypted any more; key ${done.keyId} ${key}\n`);
          });
        },
      ),
    [
      "chatelaine volume decrypt disk.img --dry-run",
      "chatelaine volume decrypt disk.img --leave-unencrypted",
    ],
  );

  examples(
    volume
      .command("resize")
      .description("Grow a volume, open or closed; grow its file system afterwards")
      .argument("<path>", "file, or block device that has already been grown")
      .option("--size <size>", "new size of the data, such as 20G; only for files", parseSize)
      .action(async (path: string, flags: { readonly size?: number }, command: Command) => {
        const { withVolumes, print } = context(command);
        const resized = await withVolumes((volumes) =>
          resizeVolume(volumes, path, { sizeBytes: flags.size }),
        );
        const open = resized.isOpen ? ", and shows them" : "";
        print(resized, `${path}: has ${showSize(resized.sizeBytes)} for data${open}\n`);
      }),
    [
      "chatelaine volume resize disk.img --size 20G",
      "lvextend --size +10G vg0/data",
      "chatelaine volume resize /dev/vg0/data",
    ],
  );

  examples(
    withBulkFlags(
      volume
        .command("reencrypt")
        .description("Re-encrypt volumes with a new volume key, open or closed")
        .argument("[path]", "path of one volume, or use --all"),
    )
      .option("--rekey", "also replace the key (default: keep it)")
      .option("--drop-other-slots", "remove key slots that other passphrases open")
      .option(
        "--journal <folder>",
        "folder for the data that a resume needs; with --all, one subfolder for each volume (default: PATH.chatelaine; required for a block device)",
      )
      .option("--dry-run", "print what would be changed, and change nothing")
      .action(async (path: string | undefined, flags: ReencryptFlags, command: Command) => {
        requireOneOrAll("reencrypt", path, flags);
        if (path !== undefined) return reencryptOne(context(command), path, flags);
        const { rekey, dropOtherSlots, journal: journals } = flags;
        return inBulk(context(command), "reencrypt", flags, [], (volumes, options) =>
          reencryptVolumes(volumes, { ...options, rekey, dropOtherSlots, journals }),
        );
      }),
    [
      "chatelaine volume reencrypt disk.img --dry-run",
      "chatelaine volume reencrypt disk.img --rekey",
      "chatelaine volume reencrypt /dev/vg0/data --journal /var/lib/chatelaine/data.journal",
      "chatelaine volume reencrypt --all --rekey --journal /var/lib/chatelaine/journals",
    ],
  );
}

async function reencryptOne(
  { withVolumes, print, warnOfUnseenUsers }: Context,
  path: string,
  { rekey, dropOtherSlots, journal, dryRun }: ReencryptFlags,
): Promise<void> {
  const options = { rekey, dropOtherSlots, journal };
  await withVolumes(async (volumes) => {
    if (dryRun === true) {
      const seen = await previewReencryption(volumes, path, options);
      const lost =
        seen.otherSlots.length > 0 ? `, and lose slots ${seen.otherSlots.join(", ")}` : "";
      const how = seen.isOpen ? " while it is open" : "";
      const sentence = `would re-encrypt ${path}${how}, under key ${seen.keyId}${lost}\n`;
      print({ ...seen, dryRun: true }, sentence);
      return;
    }
    await warnOfUnseenUsers("reencrypt", path);
    const done = await reencryptVolume(volumes, path, options);
    print(done, `${path}: re-encrypted; key ${done.keyId} opens slot ${done.openedSlot}\n`);
  });
}
