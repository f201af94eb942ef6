import type { ObjectId } from "@chatelaine/keys";
import {
  closeVolume,
  type OpenResult,
  openVolume,
  openVolumes,
  serveVolume,
  VolumeError,
} from "@chatelaine/volumes";
import type { Command } from "commander";
import { CommandError } from "../config/exit-codes.ts";
import { type Column, table } from "../terminal/output.ts";
import { stopRequested } from "../terminal/stop-requested.ts";
import { type Context, examples } from "./command.ts";
import { strangerKeyFlag } from "./stranger-key.ts";

interface OpenFlags {
  readonly name?: string;
  readonly key?: ObjectId;
  readonly all?: boolean;
}

interface ServeFlags {
  readonly fuse?: boolean;
  readonly readOnly?: boolean;
  readonly key?: ObjectId;
}

const columns: readonly Column<OpenResult>[] = [
  { heading: "volume", cell: ({ path }) => path },
  { heading: "device", cell: ({ opened }) => opened?.device },
  { heading: "problem", cell: ({ problem }) => problem },
];

/** `chatelaine volume open`, `close` and `serve`: the plaintext as a block device, or on a socket. */
export function addMappingVerbs(volume: Command, context: (command: Command) => Context): void {
  examples(
    volume
      .command("open")
      .description("Open volumes as block devices under /dev/mapper; needs root and cryptsetup-bin")
      .argument("[paths...]", "paths of volumes, or use --all")
      .option("--name <name>", "name of the mapping (default: chatelaine- and the volume id)")
      .option("--all", "all volumes of the project in the ledger")
      .option(...strangerKeyFlag)
      .action(async (paths: readonly string[], options: OpenFlags, command: Command) => {
        const [path] = paths;
        if ((path === undefined) !== (options.all === true)) {
          throw new VolumeError("invalid_argument", "open: name volumes, or give --all");
        }
        if (path === undefined || paths.length > 1) {
          await openMany(context(command), options, paths.length > 1 ? paths : undefined);
          return;
        }
        const { withVolumes, print } = context(command);
        const opened = await withVolumes((volumes) =>
          openVolume(volumes, path, options.name, { keyId: options.key }),
        );
        print(opened, `${opened.device}\n`);
      }),
    [
      "chatelaine volume open /dev/vg0/data --name data",
      "mount /dev/mapper/data /srv",
      "chatelaine volume open --all",
    ],
  );

  examples(
    volume
      .command("close")
      .description("Remove a mapping; refused while it is in use")
      .argument("<name>", "name of the mapping")
      .action(async (name: string, _options: object, command: Command) => {
        const wasOpen = await closeVolume(name);
        context(command).print(
          { name, wasOpen },
          wasOpen ? `closed ${name}\n` : `${name} was not open\n`,
        );
      }),
    ["chatelaine volume close data"],
  );

  examples(
    volume
      .command("serve")
      .description(
        "Serve a LUKS1 volume on an NBD socket until Ctrl-C; needs neither root nor dm-crypt",
      )
      .argument("<path>")
      .argument("<place>", "path of the Unix socket to create; with --fuse, of a file")
      .option("--fuse", "serve a file that contains the plaintext")
      .option("--read-only", "reject writes")
      .option(...strangerKeyFlag)
      .action(
        async (
          path: string,
          place: string,
          { fuse, readOnly, key: keyId }: ServeFlags,
          command: Command,
        ) => {
          const { withVolumes, print } = context(command);
          const where = fuse === true ? { file: place } : { socket: place };
          const served = await withVolumes((volumes) =>
            serveVolume(volumes, path, { ...where, readOnly, keyId }),
          );
          const { uri, pid } = served;
          print({ uri, pid }, `${fuse === true ? place : uri}\n`);
          await stopRequested();
          await served.close();
        },
      ),
    [
      "chatelaine volume serve disk.img /run/user/1000/disk.sock",
      "qemu-img info 'nbd+unix:///?socket=/run/user/1000/disk.sock'",
      "chatelaine volume serve disk.img /run/user/1000/disk.raw --fuse",
    ],
  );
}

async function openMany(
  { terminal, withVolumes, print }: Context,
  { name, key }: OpenFlags,
  paths: readonly string[] | undefined,
): Promise<void> {
  if (name !== undefined) {
    throw new VolumeError("invalid_argument", "open: --name is for one volume");
  }
  if (key !== undefined) {
    throw new VolumeError("invalid_argument", "open: --key is for one volume");
  }
  const results = await withVolumes((volumes) => openVolumes(volumes, paths));
  print(results, table(terminal, columns, results));
  const failed = results.filter(({ opened }) => opened === undefined).length;
  if (failed > 0)
    throw new CommandError("partial", `open: ${failed} of ${results.length} volumes are not open`);
}
