import {
  type BackedUpHeader,
  type BulkResult,
  backupVolumeHeader,
  backupVolumeHeaders,
  previewHeaderRestore,
  restoreVolumeHeader,
  VolumeError,
} from "@chatelaine/volumes";
import type { Command } from "commander";
import { type BulkFlags, inBulk, requireOneOrAll, withBulkFlags } from "./bulk.ts";
import { type Context, examples } from "./command.ts";

type Result = BulkResult<BackedUpHeader>;

/** `chatelaine volume backup` and `restore`: of headers and key slots. */
export function addHeaderVerbs(volume: Command, context: (command: Command) => Context): void {
  examples(
    withBulkFlags(
      volume
        .command("backup")
        .description("Back up the headers and key slots of volumes to new files")
        .argument("[path]", "path of one volume, or use --all")
        .argument("[file]", "backup file"),
    )
      .option("--folder <folder>", "with --all: folder for the files, named by volume id and time")
      .action(
        async (
          path: string | undefined,
          file: string | undefined,
          flags: BulkFlags & { readonly folder?: string },
          command: Command,
        ) => {
          requireOneOrAll("backup", path, flags);
          const { folder } = flags;
          if (path !== undefined && file !== undefined) {
            const { withVolumes, print } = context(command);
            await withVolumes((volumes) => backupVolumeHeader(volumes, path, file));
            print({ path, file }, `the header of ${path} is in ${file}\n`);
          } else if (path === undefined && folder !== undefined) {
            const fileColumn = { heading: "file", cell: ({ file: of }: Result) => of };
            await inBulk(context(command), "backup", flags, [fileColumn], (volumes, options) =>
              backupVolumeHeaders(volumes, folder, options),
            );
          } else {
            throw new VolumeError(
              "invalid_argument",
              "backup: name a volume and a file; or give --all and --folder",
            );
          }
        },
      ),
    [
      "chatelaine volume backup disk.img disk.header",
      "chatelaine volume backup --all --folder /var/backups/headers",
    ],
  );

  examples(
    volume
      .command("restore")
      .description("Restore a header backup, if the volume's key opens it")
      .argument("<path>")
      .argument("[file]", "backup file (default: the newest one in the ledger)")
      .option("--dry-run", "print what would be overwritten, and change nothing")
      .action(
        async (
          path: string,
          file: string | undefined,
          options: { readonly dryRun?: boolean },
          command: Command,
        ) => {
          const { withVolumes, print } = context(command);
          if (options.dryRun === true) {
            const seen = await withVolumes((volumes) => previewHeaderRestore(volumes, path, file));
            const lost = seen.isLost ? "lost header" : "header";
            const proof = `key ${seen.keyId} opens slot ${seen.openedSlot} of the backup`;
            print(
              { ...seen, dryRun: true },
              `would put ${seen.file} over the ${lost} of ${path}; ${proof}\n`,
            );
            return;
          }
          const restored = await withVolumes((volumes) => restoreVolumeHeader(volumes, path, file));
          print(restored, `${path}: key ${restored.keyId} opens slot ${restored.openedSlot}\n`);
        },
      ),
    [
      "chatelaine volume restore disk.img --dry-run",
      "chatelaine volume restore disk.img disk.header",
    ],
  );
}
