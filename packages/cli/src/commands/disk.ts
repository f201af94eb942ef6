import {
  createDisk,
  type Disk,
  destroyDisk,
  findDisk,
  type RestoredDisk,
  restoreDisks,
} from "@chatelaine/volumes";
import type { Command } from "commander";
import { type Column, record, table } from "../output.ts";
import { parseSize } from "../sizes.ts";
import { type Context, examples, noun } from "./command.ts";

const columns: readonly Column<RestoredDisk>[] = [
  { heading: "disk", cell: ({ location }) => location },
  { heading: "instance", cell: ({ instance }) => instance },
  { heading: "device", cell: ({ device }) => device },
  { heading: "problem", cell: ({ problem }) => problem },
];

/** `chatelaine disk …` */
export function diskCommand(context: (command: Command) => Context): Command {
  const disk = noun("disk", "make, map and destroy ephemeral disks of instances, on LVM");

  examples(
    disk
      .command("create")
      .description("make a logical volume with a key of its own, and map it")
      .argument("<group>", "LVM's volume group")
      .argument("<name>", "of the logical volume")
      .requiredOption("--size <size>", "such as 10G", parseSize)
      .requiredOption("--instance <id>", "whose disk it is")
      .action(
        async (
          group: string,
          name: string,
          { size, instance }: { readonly size: number; readonly instance: string },
          command: Command,
        ) => {
          const { withVolumes, print } = context(command);
          const made = await withVolumes((volumes) =>
            createDisk(volumes, { group, name, sizeBytes: size, instance }),
          );
          print(made, record({ ...made }));
        },
      ),
    ["chatelaine disk create vg0 web-1-disk --size 20G --instance web-1"],
  );

  examples(
    disk
      .command("restore")
      .description("map all disks again, as after a reboot of the host")
      .action(async (_options: object, command: Command) => {
        const { terminal, withVolumes, print } = context(command);
        const restored = await withVolumes((volumes) => restoreDisks(volumes));
        print(restored, table(terminal, columns, restored));
        const failed = restored.filter(({ problem }) => problem !== undefined).length;
        if (failed > 0) throw new Error(`${failed} of ${restored.length} disks are not mapped`);
      }),
    ["chatelaine disk restore"],
  );

  examples(
    disk
      .command("destroy")
      .description("destroy a disk for good: mapping, logical volume, key")
      .argument("<group>")
      .argument("<name>")
      .option("--dry-run", "only say what would be destroyed")
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

function dryRunOf({ device, location, keyId }: Disk): string {
  return `would destroy mapping ${device}, logical volume ${location} and key ${keyId}\n`;
}
