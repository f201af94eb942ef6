import { fixedKeyId, type ObjectId, objectId } from "@chatelaine/keys";
import {
  type AdoptionPreview,
  acceptVolumeHeader,
  adoptVolume,
  importVolume,
  migrateDisksOffFixedKey,
  migrateOffFixedKey,
  previewAdoption,
  projectOf,
  transferVolume,
  VolumeError,
  verifyVolume,
} from "@chatelaine/volumes";
import type { Command } from "commander";
import { parseCount } from "../terminal/sizes.ts";
import { type BulkFlags, inBulk } from "./bulk.ts";
import { type Context, examples } from "./command.ts";
import { addRekeyVerb, sentenceOf } from "./volume-rekey.ts";

/** `chatelaine volume rekey`, `transfer`, `adopt`, `import`, `migrate`: another key for a disk. */
export function addKeyVerbs(volume: Command, context: (command: Command) => Context): void {
  addRekeyVerb(volume, context);

  examples(
    volume
      .command("transfer")
      .description(
        "Transfer a volume to another project: it gets a new key there, and the old key is deleted",
      )
      .argument("<path>")
      .requiredOption("--to-os-cloud <name>", "cloud of the recipient in clouds.yaml")
      .option("--dry-run", "print what would be changed, and change nothing")
      .action(
        async (
          path: string,
          options: { readonly toOsCloud: string; readonly dryRun?: boolean },
          command: Command,
        ) => {
          const { withVolumes, callerOf, print } = context(command);
          const project = projectOf({ caller: callerOf(options.toOsCloud) });
          await withVolumes(
            async (volumes) => {
              if (options.dryRun === true) {
                const found = await verifyVolume(volumes, path);
                const sentence = `would transfer ${path} to ${project} and delete key ${found.keyId}\n`;
                print({ ...found, toProject: project, dryRun: true }, sentence);
                return;
              }
              const handed = await transferVolume(volumes, path, project);
              print({ ...handed, project }, sentenceOf(handed));
            },
            [options.toOsCloud],
          );
        },
      ),
    [
      "chatelaine volume transfer disk.img --to-os-cloud recipient --dry-run",
      "chatelaine volume transfer disk.img --to-os-cloud recipient",
    ],
  );

  examples(
    volume
      .command("adopt")
      .description(
        "Give an existing LUKS disk its own key; its data is kept. With --accept-header: record a header that was changed without chatelaine",
      )
      .argument("<path>")
      .option("--key <id>", "key whose hexadecimal text opens the disk today", objectId)
      .option("--keep", "keep the key slots that this key opens")
      .option(
        "--accept-header",
        "record the present header of a known volume if its key opens it, for example after cryptsetup reencrypt",
      )
      .option("--dry-run", "print what would be changed, and change nothing")
      .action(async (path: string, options: AdoptFlags, command: Command) => {
        const { key: keyId, acceptHeader = false } = options;
        if ((keyId === undefined) !== acceptHeader || (acceptHeader && options.keep === true)) {
          throw new VolumeError(
            "invalid_argument",
            `adopt ${path}: give --key, or --accept-header alone`,
          );
        }
        if (keyId === undefined) return acceptHeaderOf(context(command), path, options);
        const { withVolumes, print } = context(command);
        if (options.dryRun === true) {
          const seen = await withVolumes((volumes) => previewAdoption(volumes, path, { keyId }));
          print({ ...seen, dryRun: true }, foreseen(seen, options.keep === true));
          return;
        }
        const adopted = await withVolumes((volumes) =>
          adoptVolume(volumes, path, { keyId }, { retire: options.keep !== true }),
        );
        print(adopted, sentenceOf(adopted));
      }),
    [
      "chatelaine volume adopt /dev/vg0/data --accept-header --dry-run",
      "chatelaine volume adopt /dev/vg0/old --key 6b3c… --dry-run",
      "chatelaine volume adopt /dev/vg0/old --key 6b3c…",
    ],
  );

  examples(
    volume
      .command("import")
      .description(
        "Record an existing LUKS disk as a volume, with your own key that opens it; both are kept",
      )
      .argument("<path>")
      .requiredOption(
        "--key <id>",
        "key whose hexadecimal text opens the disk; it is kept when the volume is deleted",
        objectId,
      )
      .action(async (path: string, { key }: { readonly key: ObjectId }, command: Command) => {
        const { withVolumes, print } = context(command);
        const brought = await withVolumes((volumes) => importVolume(volumes, path, key));
        print(brought, `${path}: key ${brought.keyId} opens slot ${brought.openedSlot}\n`);
      }),
    ["chatelaine volume import /dev/vg0/mine --key 6b3c…"],
  );

  examples(
    volume
      .command("migrate")
      .description("Replace the shared fixed key (--fixed-key-file) by a key for each disk")
      .argument("<paths...>")
      .option("--concurrency <number>", "how many at once", parseCount)
      .option(
        "--max-errors <number>",
        "stop starting new work after more than this many failures",
        Number,
      )
      .option("--dry-run", "print what would be changed, and change nothing")
      .action(async (paths: readonly string[], flags: Omit<BulkFlags, "filter">, command) => {
        const [path = "", ...others] = paths;
        if (others.length === 0) return migrateOne(context(command), path, flags);
        const all = { ...flags, filter: [] };
        return inBulk(context(command), "migrate", all, [], (volumes, options) => {
          const { project: _project, filter: _filter, ...bulk } = options;
          return migrateDisksOffFixedKey(volumes, paths, bulk);
        });
      }),
    [
      "chatelaine volume migrate /dev/vg0/old --fixed-key-file /etc/chatelaine/fixed.hex --dry-run",
      "chatelaine volume migrate /dev/vg0/* --fixed-key-file /etc/chatelaine/fixed.hex",
    ],
  );
}

interface AdoptFlags {
  readonly key?: ObjectId;
  readonly keep?: boolean;
  readonly acceptHeader?: boolean;
  readonly dryRun?: boolean;
}

async function acceptHeaderOf(
  { withVolumes, print }: Context,
  path: string,
  { dryRun }: AdoptFlags,
): Promise<void> {
  const accepted = await withVolumes((volumes) => acceptVolumeHeader(volumes, path, { dryRun }));
  const { before, changes } = accepted;
  const lines = changes.map(({ field, recorded, found }) => `  ${field}: ${recorded} → ${found}\n`);
  const what = dryRun === true ? "would record" : "recorded";
  const sentence =
    before !== undefined && changes.length === 0
      ? `${path}: its header is as recorded\n`
      : `${path}: ${what} its header\n`;
  print({ ...accepted, ...(dryRun === true && { dryRun: true }) }, `${sentence}${lines.join("")}`);
}

async function migrateOne(
  { withVolumes, print }: Context,
  path: string,
  { dryRun }: { readonly dryRun?: boolean },
): Promise<void> {
  await withVolumes(async (volumes) => {
    if (dryRun === true) {
      const seen = await previewAdoption(volumes, path, { keyId: fixedKeyId });
      print({ ...seen, dryRun: true }, foreseen(seen, false));
      return;
    }
    const moved = await migrateOffFixedKey(volumes, path);
    print(moved, sentenceOf(moved));
  });
}

function foreseen({ path, id, format, openedSlots }: AdoptionPreview, keep: boolean): string {
  const slots = `key slots ${openedSlots.join(", ")}`;
  const then = keep ? `keep ${slots}` : `erase ${slots}`;
  return `would give ${path} (${format}, ${id}) its own key, and ${then}\n`;
}
