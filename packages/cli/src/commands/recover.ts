import { type Recovered, recover } from "@chatelaine/volumes";
import { Command } from "commander";
import { CommandError } from "../config/exit-codes.ts";
import { type Column, table } from "../terminal/output.ts";
import { type Context, examples } from "./command.ts";

/** `chatelaine recover`: what every command that changes something does first. */
export function recoverCommand(context: (command: Command) => Context): Command {
  const command = new Command("recover")
    .description("Finish or undo operations that were interrupted")
    .option("--also-os-cloud <name...>", "clouds of other projects, to finish transfers to them")
    .action(async (options: { readonly alsoOsCloud?: readonly string[] }, self: Command) => {
      const { terminal, withVolumes, print } = context(self);
      const recovered = await withVolumes((volumes) => recover(volumes), options.alsoOsCloud);
      const columns: Column<Recovered>[] = [
        { heading: "operation", cell: ({ operation }) => operation },
        { heading: "volume", cell: ({ volumeId }) => volumeId },
        { heading: "outcome", cell: ({ outcome }) => outcome },
        { heading: "problem", cell: ({ problem }) => problem },
      ];
      const nothing = "nothing to recover\n";
      print(recovered, recovered.length === 0 ? nothing : table(terminal, columns, recovered));
      const failed = recovered.filter(({ outcome }) => outcome === "failed").length;
      if (failed > 0)
        throw new CommandError(
          "partial",
          `recover: ${failed} of ${recovered.length} operations failed`,
        );
    });
  return examples(command, ["chatelaine recover", "chatelaine recover --also-os-cloud recipient"]);
}
