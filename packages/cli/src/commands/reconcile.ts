import { type Finding, reconcile } from "@chatelaine/volumes";
import { Command } from "commander";
import { type Column, table } from "../terminal/output.ts";
import { type Context, examples } from "./command.ts";

const columns: readonly Column<Finding>[] = [
  { heading: "finding", cell: ({ type }) => type },
  { heading: "volume", cell: ({ volumeId }) => volumeId },
  { heading: "key", cell: ({ keyId }) => keyId },
  { heading: "disk", cell: ({ location }) => location },
  { heading: "done", cell: ({ action }) => action },
  { heading: "detail", cell: ({ detail }) => detail },
];

/** `chatelaine reconcile`: do ledger, key manager and disks agree? */
export function reconcileCommand(context: (command: Command) => Context): Command {
  const command = new Command("reconcile")
    .description("Compare the ledger, the key manager and the disks, and list every mismatch")
    .argument("[disks...]", "disks to check in addition to those in the ledger")
    .option(
      "--apply",
      "register missing consumers, quarantine orphaned keys and delete them after 7 days",
    )
    .action(
      async (disks: readonly string[], options: { readonly apply?: boolean }, self: Command) => {
        const { terminal, withVolumes, print } = context(self);
        const findings = await withVolumes((volumes) =>
          reconcile(volumes, { disks, apply: options.apply }),
        );
        print(findings, table(terminal, columns, findings));
      },
    );
  return examples(command, [
    "chatelaine reconcile",
    "chatelaine reconcile /dev/vg0/* --json",
    "chatelaine reconcile --apply",
  ]);
}
