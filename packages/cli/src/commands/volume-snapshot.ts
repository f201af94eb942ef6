import { findSnapshot, forgetSnapshot, snapshotVolume } from "@chatelaine/volumes";
import type { Command } from "commander";
import { record } from "../output.ts";
import { type Context, examples } from "./command.ts";

/** `chatelaine volume snapshot` and `forget`: keys of snapshots that the storage makes and removes. */
export function addSnapshotVerbs(volume: Command, context: (command: Command) => Context): void {
  examples(
    volume
      .command("snapshot")
      .description("give a snapshot, which the storage has made, a key object of its own")
      .argument("<path>", "of the volume")
      .argument("<snapshot>", "of its copy as of an instant")
      .action(async (path: string, snapshot: string, _options: object, command: Command) => {
        const { withVolumes, print } = context(command);
        const made = await withVolumes((volumes) => snapshotVolume(volumes, path, snapshot));
        const { id, location, keyId, parentId } = made;
        print(made, record({ snapshot: location, id, key: keyId, volume: parentId }));
      }),
    [
      "lvcreate --snapshot --size 1G --name data-monday vg0/data",
      "chatelaine volume snapshot /dev/vg0/data /dev/vg0/data-monday",
    ],
  );

  examples(
    volume
      .command("forget")
      .description("delete a snapshot's key object, once the storage has removed the snapshot")
      .argument("<id>", "of the snapshot")
      .option("--dry-run", "only say what would be deleted")
      .action(async (id: string, options: { readonly dryRun?: boolean }, command: Command) => {
        const { withVolumes, print } = context(command);
        await withVolumes(async (volumes) => {
          if (options.dryRun === true) {
            const doomed = await findSnapshot(volumes, id);
            print({ ...doomed, dryRun: true }, `would delete key ${doomed.keyId}\n`);
            return;
          }
          await forgetSnapshot(volumes, id);
          print({ id }, `forgot snapshot ${id} and its key\n`);
        });
      }),
    ["chatelaine volume forget 0d4f… --dry-run"],
  );
}
