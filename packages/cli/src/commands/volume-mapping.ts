import { closeVolume, openVolume, serveVolume } from "@chatelaine/volumes";
import type { Command } from "commander";
import { stopRequested } from "../stop-requested.ts";
import { type Context, examples } from "./command.ts";

/** `chatelaine volume open`, `close` and `serve`: the plaintext as a block device, or on a socket. */
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

  examples(
    volume
      .command("serve")
      .description("show a LUKS1 volume's plaintext on an NBD socket until Ctrl-C; needs no root")
      .argument("<path>")
      .argument("<socket>", "a Unix socket to make")
      .option("--read-only", "refuse writes")
      .action(
        async (
          path: string,
          socket: string,
          options: { readonly readOnly?: boolean },
          command: Command,
        ) => {
          const { withVolumes, print } = context(command);
          const { readOnly } = options;
          const served = await withVolumes((volumes) =>
            serveVolume(volumes, path, { socket, readOnly }),
          );
          print({ uri: served.uri, pid: served.pid }, `${served.uri}\n`);
          await stopRequested();
          await served.close();
        },
      ),
    [
      "chatelaine volume serve disk.img /run/user/1000/disk.sock",
      "qemu-img info 'nbd+unix:///?socket=/run/user/1000/disk.sock'",
    ],
  );
}
