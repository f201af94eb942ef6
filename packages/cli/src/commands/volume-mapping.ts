import { closeVolume, openVolume } from "@chatelaine/volumes";
import type { Command } from "commander";
import { type Context, examples } from "./command.ts";

/** `chatelaine volume open` and `close`: the plaintext as a block device of the kernel's. */
export function addMappingVerbs(volume: Command, context: (command: Command) => Context): void {
  examples(
    volume
      .command("open")
      .description("show a volume's plaintext as a block device; needs root and cryptsetup-bin")
      .argument("<path>")
      .option("--name <name>", "of the mapping; default chatelaine- and the volume's id")
      .action(async (path: string, options: { readonly name?: string }, command: Command) => {
        const { withVolumes, print } = context(command);
        const opened = await withVolumes((volumes) => openVolume(volumes, path, options.name));
        print(opened, `${opened.device}\n`);
      }),
    ["chatelaine volume open /dev/vg0/data --name data", "mount /dev/mapper/data /srv"],
  );

  examples(
    volume
      .command("close")
      .description("take a mapping away; refused while it is in use")
      .argument("<name>", "of the mapping")
      .action(async (name: string, _options: object, command: Command) => {
        await closeVolume(name);
        context(command).print({ name }, `closed ${name}\n`);
      }),
    ["chatelaine volume close data"],
  );
}
