import { mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";
import { createVolume, deleteVolume, openLedger, verifyVolume } from "@chatelaine/volumes";
import { Command } from "commander";
import { showSize } from "../sizes.ts";
import { type Context, examples } from "./command.ts";

const sizeBytes = 64 * 1024 * 1024;

/** `chatelaine start`: an encrypted disk with a key of its own, from the configured key manager, shown step by step. */
export function startCommand(context: (command: Command) => Context): Command {
  const start = new Command("start")
    .description("show an encrypted volume with a key of its own, made, proven and deleted again")
    .option("--once", "end after the session (it does today in any case)")
    .action(async (_options: object, command: Command) => {
      const { open, terminal } = context(command);
      const opened = open();
      const say = (line: string) => terminal.out(`${line}\n`);
      const directory = await mkdtemp(join(terminal.temporaryDirectory, "chatelaine-"));
      const path = join(directory, "volume.img");
      const ledger = openLedger({ path: join(directory, "ledger.sqlite") });
      const source = { ...opened, ledger };
      try {
        say(`A volume for ${showSize(sizeBytes)} of data: ${path}`);
        const volume = await timed(say, "the key manager made it a key, and it was formatted", () =>
          createVolume(source, { path, sizeBytes, label: "chatelaine" }),
        );
        say(`  volume ${volume.id} needs key ${volume.keyId}`);
        await timed(say, "it opens with the key it names", () => verifyVolume(source, path));
        const info = await source.keyManager.describe(source.caller, volume.keyId);
        say(
          `  the key manager keeps ${info.name ?? info.id}, ${info.algorithm ?? "key"} of ${info.bitLength ?? "?"} bits`,
        );
        await timed(say, "the volume is deleted, and its key after it", () =>
          deleteVolume(source, path),
        );
      } finally {
        await ledger.close();
        await rm(directory, { recursive: true, force: true });
      }
    });
  return examples(start, ["chatelaine start --once", "OS_CLOUD=devstack chatelaine start --once"]);
}

async function timed<T>(
  say: (line: string) => void,
  what: string,
  step: () => Promise<T>,
): Promise<T> {
  const began = performance.now();
  const result = await step();
  say(`  ${what} (${Math.round(performance.now() - began)} ms)`);
  return result;
}
