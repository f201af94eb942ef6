import { existsSync, renameSync } from "node:fs";
import { resolve } from "node:path";
import { importLedger, VolumeError } from "@chatelaine/volumes";
import type { Command } from "commander";
import { describePlace, ledgerPlace, withLedgerAt } from "../config/ledger-place.ts";
import { type Context, examples, noun } from "./command.ts";

/** `chatelaine ledger`: the record of volumes itself. */
export function ledgerCommand(context: (command: Command) => Context): Command {
  const ledger = noun("ledger", "Maintain the ledger of volumes");

  examples(
    ledger
      .command("import")
      .description("Import the volumes of a ledger file into the configured ledger, all or none")
      .argument("<file>", "ledger file; it is renamed to FILE.imported afterwards")
      .option("--dry-run", "check everything, and import nothing")
      .action(async (file: string, { dryRun }: { readonly dryRun?: boolean }, command: Command) => {
        const { terminal, settings, print } = context(command);
        const path = resolve(terminal.workingDirectory, file);
        const place = ledgerPlace(terminal, settings());
        if (place.type === "file" && place.path === path) {
          throw new VolumeError(
            "invalid_argument",
            `import ledger ${path}: it is the configured ledger`,
          );
        }
        if (!existsSync(path)) {
          throw new VolumeError("not_found", `import ledger ${path}: no such file`);
        }
        const volumes = await withLedgerAt(place, (target) =>
          withLedgerAt({ type: "file", path }, (source) =>
            importLedger(target, source, { dryRun }),
          ),
        );
        if (dryRun !== true) renameSync(path, `${path}.imported`);
        const would = dryRun === true ? "would take" : "took";
        print(
          { volumes: volumes.map(({ id }) => id), dryRun: dryRun === true },
          `${would} ${volumes.length} volumes from ${path} into ${describePlace(place)}\n`,
        );
      }),
    [
      "chatelaine ledger import /var/lib/chatelaine/ledger.sqlite --dry-run",
      "chatelaine ledger import /var/lib/chatelaine/ledger.sqlite",
    ],
  );
  return ledger;
}
