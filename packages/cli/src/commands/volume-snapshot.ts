import {
  findLostVolume,
  findSnapshot,
  forgetSnapshot,
  forgetVolume,
  snapshotVolume,
} from "@chatelaine/volumes";
import type { Command } from "commander";
import { record } from "../terminal/output.ts";
import { type Context, examples } from "./command.ts";

/** `chatelaine volume snapshot` and `forget`: keys of snapshots that the storage makes and removes, and volumes that are lost. */
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
      .description(
        "delete a snapshot's key object, once the storage has removed the snapshot; or take a volume whose header is not on its disk any more out of the ledger",
      )
      .argument("<id>", "of the snapshot or volume")
      .option("--dry-run", "only say what would be changed")
      .action(async (id: string, options: { readonly dryRun?: boolean }, command: Command) => {
        const { withVolumes, print } = context(command);
        await withVolumes(async (volumes) => {
          const isVolume = (await volumes.ledger.volume(id))?.kind === "volume";
          const found = isVolume
            ? await findLostVolume(volumes, id)
            : await findSnapshot(volumes, id);
          if (options.dryRun === true) {
            const would = isVolume
              ? `would forget volume ${id}, and keep key ${found.keyId}`
              : `would delete key ${found.keyId}`;
            print({ ...found, dryRun: true }, `${would}\n`);
            return;
          }
          if (isVolume) await forgetVolume(volumes, id);
          else await forgetSnapshot(volumes, id);
          const done = isVolume
            ? `forgot volume ${id}; key ${found.keyId} is kept, with the volume as its consumer`
            : `forgot snapshot ${id} and its key`;
          print({ id }, `${done}\n`);
        });
      }),
    ["chatelaine volume forget 0d4f… --dry-run", "chatelaine volume forget 0d4f…"],
  );
}
