import {
  previewReencryption,
  type ReencryptVolumeOptions,
  reencryptVolume,
} from "@chatelaine/volumes";
import type { Command } from "commander";
import { type Context, examples } from "./command.ts";

interface ReencryptFlags extends ReencryptVolumeOptions {
  readonly dryRun?: boolean;
}

const journalFlag = [
  "--journal <folder>",
  "for what a resumption needs; default: PATH.chatelaine; a block device needs one",
] as const;

/** `chatelaine volume reencrypt`: every sector is written anew. */
export function addDataVerbs(volume: Command, context: (command: Command) => Context): void {
  examples(
    volume
      .command("reencrypt")
      .description("give a volume a new volume key, and encrypt every sector anew; open or not")
      .argument("<path>")
      .option("--rekey", "give it a new key as well; default: the key stays")
      .option("--drop-other-slots", "give up key slots that open with something else")
      .option(...journalFlag)
      .option("--dry-run", "only say what would be changed")
      .action(async (path: string, flags: ReencryptFlags, command: Command) => {
        const { dryRun, ...options } = flags;
        const { withVolumes, print } = context(command);
        if (dryRun === true) {
          const seen = await withVolumes((volumes) => previewReencryption(volumes, path, options));
          const lost =
            seen.otherSlots.length > 0 ? `, and lose slots ${seen.otherSlots.join(", ")}` : "";
          const how = seen.isOpen ? " while it is open" : "";
          const sentence = `would encrypt ${path} anew${how}, under key ${seen.keyId}${lost}\n`;
          print({ ...seen, dryRun: true }, sentence);
          return;
        }
        const done = await withVolumes((volumes) => reencryptVolume(volumes, path, options));
        const sentence = `${path}: encrypted anew; key ${done.keyId} opens slot ${done.openedSlot}\n`;
        print(done, sentence);
      }),
    [
      "chatelaine volume reencrypt disk.img --dry-run",
      "chatelaine volume reencrypt disk.img --rekey",
      "chatelaine volume reencrypt /dev/vg0/data --journal /var/lib/chatelaine/data.journal",
    ],
  );
}
