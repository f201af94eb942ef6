import { type ObjectId, objectId } from "@chatelaine/keys";
import {
  adoptVolume,
  backupVolumeHeader,
  cloneVolume,
  createVolume,
  deleteVolume,
  inspectVolume,
  type RekeyedVolume,
  rekeyVolume,
  restoreVolumeHeader,
  type Volume,
  verifyVolume,
} from "@chatelaine/volumes";
import type { Command } from "commander";
import { record } from "../output.ts";
import { parseSize, showSize } from "../sizes.ts";
import { type Context, examples, noun } from "./command.ts";

/** `chatelaine volume …` */
export function volumeCommand(context: (command: Command) => Context): Command {
  const volume = noun(
    "volume",
    "make, check and delete encrypted volumes, each with a key of its own",
  );

  examples(
    volume
      .command("create")
      .description("make an encrypted volume whose key the key manager generates")
      .argument("<path>", "a file to make, or a blank block device")
      .option("--size <size>", "for the data, such as 10G; only for files", parseSize)
      .option("--label <text>", "in the LUKS header, at most 47 bytes")
      .action(
        async (
          path: string,
          options: { readonly size?: number; readonly label?: string },
          command: Command,
        ) => {
          const { withVolumes, print } = context(command);
          const { size: sizeBytes, label } = options;
          const made = await withVolumes((volumes) =>
            createVolume(volumes, { path, sizeBytes, label }),
          );
          print(made, record(attributesOf(made)));
        },
      ),
    [
      "chatelaine volume create disk.img --size 10G",
      "chatelaine volume create /dev/vg0/data --label data",
    ],
  );

  examples(
    volume
      .command("inspect")
      .description("show which volume a disk is and which key it needs; asks no key manager")
      .argument("<path>")
      .action(async (path: string, _options: object, command: Command) => {
        const found = await inspectVolume(path);
        context(command).print(found, record(attributesOf(found)));
      }),
    ["chatelaine volume inspect disk.img", "chatelaine volume inspect disk.img --json"],
  );

  examples(
    volume
      .command("verify")
      .description("prove that a disk opens with the key it names; writes nothing")
      .argument("<path>")
      .action(async (path: string, _options: object, command: Command) => {
        const { open, print } = context(command);
        const verified = await verifyVolume(open(), path);
        print(verified, `${path}: key ${verified.keyId} opens slot ${verified.openedSlot}\n`);
      }),
    ["chatelaine volume verify disk.img"],
  );

  examples(
    volume
      .command("delete")
      .description("delete a volume for good: the disk first, then its key")
      .argument("<path>")
      .option("--dry-run", "only say what would be deleted")
      .action(async (path: string, options: { readonly dryRun?: boolean }, command: Command) => {
        const { withVolumes, print } = context(command);
        if (options.dryRun === true) {
          const doomed = await inspectVolume(path);
          print({ ...doomed, dryRun: true }, `would delete ${path} and key ${doomed.keyId}\n`);
          return;
        }
        const deleted = await withVolumes((volumes) => deleteVolume(volumes, path));
        const key = deleted.keyDeleted ? "and its key" : "; others need its key";
        print(deleted, `deleted ${path}${deleted.keyDeleted ? " " : ""}${key} ${deleted.keyId}\n`);
      }),
    ["chatelaine volume delete disk.img --dry-run", "chatelaine volume delete disk.img"],
  );

  examples(
    volume
      .command("rekey")
      .description("give a volume a new key; the old one opens it no more, and is deleted")
      .argument("<path>")
      .option("--key <id>", "a key of your own instead of a new one", objectId)
      .option("--dry-run", "only say what would be changed")
      .action(
        async (
          path: string,
          options: { readonly key?: ObjectId; readonly dryRun?: boolean },
          command: Command,
        ) => {
          const { withVolumes, print } = context(command);
          await withVolumes(async (volumes) => {
            if (options.dryRun === true) {
              const found = await verifyVolume(volumes, path);
              print({ ...found, dryRun: true }, `would replace key ${found.keyId} of ${path}\n`);
              return;
            }
            const rekeyed = await rekeyVolume(volumes, path, { keyId: options.key });
            print(rekeyed, sentenceOf(rekeyed));
          });
        },
      ),
    ["chatelaine volume rekey disk.img --dry-run", "chatelaine volume rekey disk.img"],
  );

  examples(
    volume
      .command("adopt")
      .description("give a LUKS disk that others made a key of its own; its data stays")
      .argument("<path>")
      .requiredOption("--key <id>", "whose hexadecimal text opens it until now", objectId)
      .option("--keep", "leave the slots that this key opens as they are")
      .action(
        async (
          path: string,
          options: { readonly key: ObjectId; readonly keep?: boolean },
          command: Command,
        ) => {
          const { withVolumes, print } = context(command);
          const adopted = await withVolumes((volumes) =>
            adoptVolume(volumes, path, { keyId: options.key }, { retire: options.keep !== true }),
          );
          print(adopted, sentenceOf(adopted));
        },
      ),
    ["chatelaine volume adopt /dev/vg0/old --key 6b3c…"],
  );

  examples(
    volume
      .command("clone")
      .description("make a second volume with the data of a first, and with keys of its own")
      .argument("<path>")
      .argument("<new-path>", "a file to make")
      .action(async (path: string, newPath: string, _options: object, command: Command) => {
        const { withVolumes, print } = context(command);
        const made = await withVolumes((volumes) => cloneVolume(volumes, path, { path: newPath }));
        print(made, record(attributesOf(made)));
      }),
    ["chatelaine volume clone disk.img copy.img"],
  );

  examples(
    volume
      .command("backup")
      .description("copy a volume's header and key slots to a new file")
      .argument("<path>")
      .argument("<file>")
      .action(async (path: string, file: string, _options: object, command: Command) => {
        const { withVolumes, print } = context(command);
        await withVolumes((volumes) => backupVolumeHeader(volumes, path, file));
        print({ path, file }, `the header of ${path} is in ${file}\n`);
      }),
    ["chatelaine volume backup disk.img disk.header"],
  );

  examples(
    volume
      .command("restore")
      .description("put a header backup back, once the volume's key has opened it")
      .argument("<path>")
      .argument("[file]", "default: the newest backup that the ledger knows")
      .action(
        async (path: string, file: string | undefined, _options: object, command: Command) => {
          const { withVolumes, print } = context(command);
          const restored = await withVolumes((volumes) => restoreVolumeHeader(volumes, path, file));
          print(restored, `${path}: key ${restored.keyId} opens slot ${restored.openedSlot}\n`);
        },
      ),
    ["chatelaine volume restore disk.img", "chatelaine volume restore disk.img disk.header"],
  );
  return volume;
}

function sentenceOf({ path, keyId, oldKeyId, oldKeyDeleted, openedSlot }: RekeyedVolume): string {
  const old = oldKeyDeleted ? `key ${oldKeyId} is deleted` : `key ${oldKeyId} is kept`;
  return `${path}: key ${keyId} opens slot ${openedSlot}; ${old}\n`;
}

function attributesOf(volume: Volume) {
  return {
    path: volume.path,
    id: volume.id,
    key: volume.keyId,
    "key slots": volume.slots.join(", "),
    cipher: `${volume.cipher}, ${volume.volumeKeyBitLength} bits`,
    "sector size": volume.sectorSize,
    "data offset": showSize(volume.dataOffset),
    label: volume.label === "" ? undefined : volume.label,
  };
}
