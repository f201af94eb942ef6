import {
  closeDisk,
  createDisk,
  type Disk,
  type DiskFormat,
  destroyDisk,
  findDisk,
  type OpenDiskOptions,
  openDisk,
  type RestoredDisk,
  resizeDisk,
  restoreDisks,
  type SnapshotDiskOptions,
  snapshotDisk,
} from "@chatelaine/volumes";
import { type Command, Option } from "commander";
import { CommandError } from "../config/exit-codes.ts";
import { type Column, record, table } from "../terminal/output.ts";
import { parseSize, showSize } from "../terminal/sizes.ts";
import { type Context, examples, noun } from "./command.ts";

const columns: readonly Column<RestoredDisk>[] = [
  { heading: "disk", cell: ({ location }) => location },
  { heading: "instance", cell: ({ instance }) => instance },
  { heading: "device", cell: ({ device }) => device },
  { heading: "problem", cell: ({ problem }) => problem },
];

/** `chatelaine disk …` */
export function diskCommand(context: (command: Command) => Context): Command {
  const disk = noun("disk", "Create, map and destroy ephemeral disks of instances on LVM");

  examples(
    disk
      .command("create")
      .description("Create a logical volume with its own key and map it")
      .argument("<group>", "LVM volume group")
      .argument("<name>", "name of the logical volume")
      .requiredOption("--size <size>", "size of the disk, such as 10G", parseSize)
      .requiredOption("--instance <id>", "instance that owns the disk")
      .addOption(formatOption().default("plain"))
      .option("--thin-pool <name>", "allocate space from this thin pool on write")
      .action(async (group: string, name: string, flags: CreateFlags, command: Command) => {
        const { withVolumes, print } = context(command);
        const { size: sizeBytes, instance, format, thinPool } = flags;
        const made = await withVolumes((volumes) =>
          createDisk(volumes, { group, name, sizeBytes, instance, format, thinPool }),
        );
        print(made, record({ ...made }));
      }),
    [
      "chatelaine disk create vg0 web-1-disk --size 20G --instance web-1",
      "chatelaine disk create vg0 web-1-data --size 20G --instance web-1 --format luks2 --thin-pool pool",
    ],
  );

  examples(
    disk
      .command("restore")
      .description("Map all disks again, for example after a reboot")
      .action(async (_options: object, command: Command) => {
        const { terminal, withVolumes, print } = context(command);
        const restored = await withVolumes((volumes) => restoreDisks(volumes));
        print(restored, table(terminal, columns, restored));
        const failed = restored.filter(({ problem }) => problem !== undefined).length;
        if (failed > 0)
          throw new CommandError(
            "partial",
            `restore: ${failed} of ${restored.length} disks are not mapped`,
          );
      }),
    ["chatelaine disk restore"],
  );

  examples(
    disk
      .command("open")
      .description("Map one disk again; with --read-only, for a second instance")
      .argument("<group>")
      .argument("<name>")
      .option("--read-only", "map a second, read-only device")
      .action(async (group: string, name: string, options: OpenDiskOptions, command: Command) => {
        const { withVolumes, print } = context(command);
        const opened = await withVolumes((volumes) => openDisk(volumes, { group, name }, options));
        print(opened, `${opened.device}\n`);
      }),
    ["chatelaine disk open vg0 web-1-disk", "chatelaine disk open vg0 web-1-disk --read-only"],
  );

  examples(
    disk
      .command("close")
      .description("Remove a mapping; refused while it is in use")
      .argument("<group>")
      .argument("<name>")
      .option("--read-only", "remove only the read-only device")
      .action(async (group: string, name: string, options: OpenDiskOptions, command: Command) => {
        const { withVolumes, print } = context(command);
        const wasOpen = await withVolumes((volumes) =>
          closeDisk(volumes, { group, name }, options),
        );
        print(
          { group, name, wasOpen },
          wasOpen ? `closed ${group}/${name}\n` : `${group}/${name} was not open\n`,
        );
      }),
    ["chatelaine disk close vg0 web-1-disk --read-only"],
  );

  examples(
    disk
      .command("resize")
      .description("Grow a disk, in use or not; grow its file system afterwards")
      .argument("<group>")
      .argument("<name>")
      .requiredOption("--size <size>", "new size of the data, such as 20G", parseSize)
      .action(
        async (
          group: string,
          name: string,
          { size }: { readonly size: number },
          command: Command,
        ) => {
          const { withVolumes, print } = context(command);
          const resized = await withVolumes((volumes) =>
            resizeDisk(volumes, { group, name }, size),
          );
          const room = showSize(resized.sizeBytes);
          print(resized, `${resized.device} has ${room}\n`);
        },
      ),
    ["chatelaine disk resize vg0 web-1-disk --size 40G", "resize2fs /dev/mapper/web-1-disk-crypt"],
  );

  examples(
    disk
      .command("snapshot")
      .description("Copy a disk, also while it is in use, to a new one with its own key")
      .argument("<group>")
      .argument("<name>")
      .argument("<new-name>", "name of the copy's logical volume")
      .option("--instance <id>", "instance that owns the copy (default: the same instance)")
      .addOption(formatOption())
      .option("--thin-pool <name>", "allocate space from this thin pool on write")
      .action(
        async (
          group: string,
          name: string,
          newName: string,
          options: Omit<SnapshotDiskOptions, "name">,
          command: Command,
        ) => {
          const { withVolumes, print } = context(command);
          const made = await withVolumes((volumes) =>
            snapshotDisk(volumes, { group, name }, { ...options, name: newName }),
          );
          print(made, record({ ...made }));
        },
      ),
    ["chatelaine disk snapshot vg0 web-1-disk web-1-friday"],
  );

  examples(
    disk
      .command("destroy")
      .description("Destroy a disk: its mapping, its logical volume and its key")
      .argument("<group>")
      .argument("<name>")
      .option("--dry-run", "print what would be destroyed, and change nothing")
      .action(
        async (
          group: string,
          name: string,
          options: { readonly dryRun?: boolean },
          command: Command,
        ) => {
          const { withVolumes, print } = context(command);
          if (options.dryRun === true) {
            const doomed = await withVolumes((volumes) => findDisk(volumes, { group, name }));
            print({ ...doomed, dryRun: true }, dryRunOf(doomed));
            return;
          }
          await withVolumes((volumes) => destroyDisk(volumes, { group, name }));
          print({ group, name }, `destroyed ${group}/${name} and its key\n`);
        },
      ),
    ["chatelaine disk destroy vg0 web-1-disk --dry-run", "chatelaine disk destroy vg0 web-1-disk"],
  );
  return disk;
}

interface CreateFlags {
  readonly size: number;
  readonly instance: string;
  readonly format: DiskFormat;
  readonly thinPool?: string;
}

function formatOption(): Option {
  const what = "luks2 can be rekeyed; plain has no header";
  return new Option("--format <name>", what).choices(["plain", "luks2"]);
}

function dryRunOf({ device, location, keyId }: Disk): string {
  return `would destroy mapping ${device}, logical volume ${location} and key ${keyId}\n`;
}
