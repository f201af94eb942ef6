import { type Diagnosis, diagnosed, ok } from "@chatelaine/server/diagnosis";
import { Command } from "commander";
import { CommandError } from "../config/exit-codes.ts";
import { ledgerPlace } from "../config/ledger-place.ts";
import { styled } from "../terminal/styled.ts";
import type { Terminal } from "../terminal/terminal.ts";
import { type Context, examples } from "./command.ts";

/** `chatelaine doctor`: finds problems of the installation, and says how to fix each. */
export function doctorCommand(context: (command: Command) => Context): Command {
  const doctor = new Command("doctor")
    .description(
      "Check this host, the identity service and the key manager, and say how to fix each problem",
    )
    .option("--try-writing", "also store, read back and delete a secret")
    .action(async (options: { readonly tryWriting?: boolean }, command: Command) => {
      const { terminal, cloud, settings } = context(command);
      const { diagnoseClient } = await import("../doctor/client-checks.ts");
      const { diagnoseHost } = await import("../doctor/host-checks.ts");
      const found: Diagnosis[] = [];
      const configured = await diagnosed("configuration", async () => {
        const chosen = cloud();
        const tryWriting = options.tryWriting === true;
        found.push(...(await diagnoseClient(chosen, { tryWriting })));
        return ok("names a key manager and credentials");
      });
      found.unshift(configured);
      found.push(...(terminal.runtime?.diagnose() ?? []));
      found.push(...(await diagnoseHost(terminal, () => ledgerPlace(terminal, settings()))));
      printDiagnoses(context(command), found);
    });
  return examples(doctor, [
    "chatelaine doctor",
    "OS_CLOUD=devstack chatelaine doctor --try-writing",
    "chatelaine server doctor          # beside a key server: its configuration, database and root key",
  ]);
}

const colors = { ok: "green", warning: "yellow", bad: "red", "not checked": "dim" } as const;
const signs = { ok: "ok", warning: "warning", bad: "BAD", "not checked": "-" } as const;

/** Prints what was found. @throws `conflict` if something does not work */
export function printDiagnoses(
  { print, terminal }: Pick<Context, "print" | "terminal">,
  found: readonly Diagnosis[],
): void {
  const lines = found.map((each) => diagnosisText(terminal, each, widest(found)));
  print(found, lines.join(""));
  const bad = found.filter(({ state }) => state === "bad").map(({ check }) => check);
  if (bad.length > 0)
    throw new CommandError("conflict", `doctor: does not work: ${bad.join(", ")}`);
}

function widest(found: readonly Diagnosis[]): number {
  return Math.max(...found.map(({ check }) => check.length));
}

const narrow = 72;

/** Beside the name of the check, or below it where there is no room. */
function diagnosisText(terminal: Terminal, diagnosis: Diagnosis, width: number): string {
  const { check, state, found, fix } = diagnosis;
  const sign = styled(terminal, colors[state], signs[state].padEnd(7));
  if ((terminal.columns ?? narrow) < narrow)
    return [`${sign}  ${check}`, found, ...(fix === undefined ? [] : [`→ ${fix}`])]
      .map((line, index) => `${index === 0 ? "" : "  "}${line}\n`)
      .join("");
  const line = `${sign}  ${check.padEnd(width)}  ${found}\n`;
  return fix === undefined ? line : `${line}${" ".repeat(width + 11)}→ ${fix}\n`;
}
