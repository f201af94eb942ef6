import { type ObjectId, objectId } from "@chatelaine/keys";
import {
  type BulkResult,
  cloneVolume,
  createVolume,
  deleteVolume,
  inspectVolume,
  previewDeletion,
  type VerifiedVolume,
  VolumeError,
  verifyVolume,
  verifyVolumes,
} from "@chatelaine/volumes";
import { type Command, Option } from "commander";
import { record } from "../terminal/output.ts";
import { parseSize } from "../terminal/sizes.ts";
import { type BulkFlags, inBulk, requireOneOrAll, withBulkFlags } from "./bulk.ts";
import { type Context, examples, noun } from "./command.ts";
import { strangerKeyFlag } from "./stranger-key.ts";
import { attributesOf } from "./volume-attributes.ts";
import { addDataVerbs } from "./volume-data.ts";
import { addHeaderVerbs } from "./volume-header.ts";
import { addKeyVerbs } from "./volume-key.ts";
import { addLibvirtVerb } from "./volume-libvirt.ts";
import { addMappingVerbs } from "./volume-mapping.ts";
import { addSnapshotVerbs } from "./volume-snapshot.ts";

interface VerifyFlags extends BulkFlags {
  readonly key?: ObjectId;
}

interface DeleteFlags {
  readonly deleteKey?: ObjectId;
  readonly dryRun?: boolean;
}

/** What `verify` adds about the header that the ledger has. */
const said: Readonly<Record<VerifiedVolume["layoutRecord"], string>> = {
  recorded: "",
  missing: "; its header is not in the ledger yet: the next open records it",
  no_row: "; the disk is not in the ledger",
};

async function verifyAll(context: Context, flags: VerifyFlags): Promise<void> {
  if (flags.key !== undefined) {
    throw new VolumeError("invalid_argument", "verify: --key is for one volume");
  }
  const header = {
    heading: "header",
    cell: ({ layoutRecord }: BulkResult<VerifiedVolume>) =>
      layoutRecord === "missing" ? "not recorded" : layoutRecord,
  };
  await inBulk(context, "verify", flags, [header], verifyVolumes);
}

/** Keys that only the disk names: the ledger's word counts. */
function leftAlone({
  keyId,
  otherKeyIds,
}: {
  readonly keyId: ObjectId;
  readonly otherKeyIds: readonly string[];
}): string {
  const others = otherKeyIds.filter((id) => id !== keyId);
  return others.length === 0 ? "" : `the disk also names ${others.join(", ")}: left alone\n`;
}

/** `chatelaine volume …` */
export function volumeCommand(context: (command: Command) => Context): Command {
  const volume = noun(
    "volume",
    "Create, verify and delete encrypted volumes, each with its own key",
  );

  examples(
    volume
      .command("create")
      .description("Create an encrypted volume with a key from the key manager")
      .argument("<path>", "new file, or blank block device")
      .option("--size <size>", "size of the data, such as 10G; only for files", parseSize)
      .option("--label <text>", "label in the LUKS header, at most 47 bytes")
      .option(
        "--key <id>",
        "use this key instead of a new one; it is kept when the volume is deleted",
        objectId,
      )
      .addOption(
        new Option("--format <name>", "LUKS format; QEMU reads only luks1")
          .choices(["luks1", "luks2"])
          .default("luks2"),
      )
      .action(
        async (
          path: string,
          options: {
            readonly size?: number;
            readonly label?: string;
            readonly key?: ObjectId;
            readonly format: "luks1" | "luks2";
          },
          command: Command,
        ) => {
          const { withVolumes, print } = context(command);
          const { size: sizeBytes, label, format, key: keyId } = options;
          const made = await withVolumes((volumes) =>
            createVolume(volumes, { path, sizeBytes, label, format, keyId }),
          );
          print(made, record(attributesOf(made)));
        },
      ),
    [
      "chatelaine volume create disk.img --size 10G",
      "chatelaine volume create /dev/vg0/data --label data",
      "chatelaine volume create disk.img --size 10G --key 6b3c…",
    ],
  );

  examples(
    volume
      .command("inspect")
      .description("Show a disk's volume id and key id, without asking the key manager")
      .argument("<path>")
      .action(async (path: string, _options: object, command: Command) => {
        const { withLedger, print } = context(command);
        const found = await withLedger((ledger) => inspectVolume(path, ledger));
        print(found, record(attributesOf(found)));
      }),
    ["chatelaine volume inspect disk.img", "chatelaine volume inspect disk.img --json"],
  );

  examples(
    withBulkFlags(
      volume
        .command("verify")
        .description(
          "Verify that disks open with their key and have the header that the ledger recorded; writes nothing",
        )
        .argument("[path]", "path of one volume, or use --all"),
    )
      .option(...strangerKeyFlag)
      .action(async (path: string | undefined, flags: VerifyFlags, command: Command) => {
        requireOneOrAll("verify", path, flags);
        if (path === undefined) return verifyAll(context(command), flags);
        const { withLedger, open, print } = context(command);
        const source = open();
        const verified = await withLedger((ledger) =>
          verifyVolume({ ...source, ledger }, path, { keyId: flags.key }),
        );
        const { keyId, openedSlot, layoutRecord } = verified;
        print(verified, `${path}: key ${keyId} opens slot ${openedSlot}${said[layoutRecord]}\n`);
      }),
    [
      "chatelaine volume verify disk.img",
      "chatelaine volume verify --all --json",
      "chatelaine volume verify /dev/vg0/theirs --key 6b3c…",
    ],
  );

  examples(
    volume
      .command("delete")
      .description(
        "Delete a volume: the disk, then its key. If the ledger does not know the disk, only the disk is deleted",
      )
      .argument("<path>")
      .option(
        "--delete-key <id>",
        "also delete this key, for a disk that is not in the ledger",
        objectId,
      )
      .option("--dry-run", "print what would be deleted, and change nothing")
      .action(async (path: string, flags: DeleteFlags, command: Command) => {
        const { withLedger, withVolumes, print } = context(command);
        const options = { deleteKeyId: flags.deleteKey };
        if (flags.dryRun === true) {
          const doomed = await withLedger((ledger) => previewDeletion(ledger, path, options));
          const key = doomed.deletesKeyId;
          const sentence =
            key === undefined
              ? `would delete ${path} and keep key ${doomed.keyId}\n`
              : `would delete ${path} and key ${key}\n`;
          print({ ...doomed, dryRun: true }, `${sentence}${leftAlone(doomed)}`);
          return;
        }
        const deleted = await withVolumes((volumes) => deleteVolume(volumes, path, options));
        const key = options.deleteKeyId ?? deleted.keyId;
        const sentence = deleted.keyDeleted
          ? `deleted ${path} and its key ${key}\n`
          : `deleted ${path}; key ${key} is kept\n`;
        print(deleted, `${sentence}${leftAlone(deleted)}`);
      }),
    [
      "chatelaine volume delete disk.img --dry-run",
      "chatelaine volume delete disk.img",
      "chatelaine volume delete /dev/vg0/theirs --delete-key 6b3c…",
    ],
  );

  examples(
    volume
      .command("clone")
      .description("Copy a volume to a new one with its own key")
      .argument("<path>")
      .argument("<new-path>", "new file")
      .option(
        "--own-volume-key",
        "encrypt the copy with its own volume key; this is the default and safer",
      )
      .option(
        "--no-own-volume-key",
        "copy the ciphertext: faster, but one volume key opens both volumes",
      )
      .action(
        async (
          path: string,
          newPath: string,
          { ownVolumeKey }: { readonly ownVolumeKey?: boolean },
          command: Command,
        ) => {
          const { withVolumes, print } = context(command);
          const made = await withVolumes((volumes) =>
            cloneVolume(volumes, path, { path: newPath, ownVolumeKey }),
          );
          print(made, record(attributesOf(made)));
        },
      ),
    [
      "chatelaine volume clone disk.img copy.img",
      "chatelaine volume clone disk.img copy.img --no-own-volume-key",
    ],
  );

  for (const add of [
    addKeyVerbs,
    addDataVerbs,
    addSnapshotVerbs,
    addHeaderVerbs,
    addMappingVerbs,
    addLibvirtVerb,
  ]) {
    add(volume, context);
  }
  return volume;
}
