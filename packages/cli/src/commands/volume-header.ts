import { backupVolumeHeader, previewHeaderRestore, restoreVolumeHeader } from "@chatelaine/volumes";
import type { Command } from "commander";
import { type Context, examples } from "./command.ts";

/** `chatelaine volume backup` and `restore`: of headers and key slots. */
export function addHeaderVerbs(volume: Command, context: (command: Command) => Context): void {
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
      .option("--dry-run", "only say what would be overwritten, with what")
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
