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
      .description("Give a snapshot made by the storage its own key object")
      .argument("<path>", "path of the volume")
      .argument("<snapshot>", "path of the snapshot")
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
        "Delete the key object of a snapshot that the storage has removed, or remove a volume from the ledger whose header is gone from its disk",
      )
      .argument("<id>", "id of the snapshot or volume")
      .option("--dry-run", "print what would be changed, and change nothing")
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
