import { backendNames, KeyManagerError } from "@chatelaine/keys";
import { Command, CommanderError } from "commander";
import { contextOf, type GlobalFlags, type Open } from "./commands/command.ts";
import { completionCommand } from "./commands/completion.ts";
import { diskCommand } from "./commands/disk.ts";
import { doctorCommand } from "./commands/doctor.ts";
import { FullHelp } from "./commands/full-help.ts";
import { keyCommand } from "./commands/key.ts";
import { ledgerCommand } from "./commands/ledger.ts";
import { luksCommand } from "./commands/luks.ts";
import { migrateCommand } from "./commands/migrate.ts";
import { reconcileCommand } from "./commands/reconcile.ts";
import { recoverCommand } from "./commands/recover.ts";
import { serverCommand } from "./commands/server.ts";
import { startCommand } from "./commands/start.ts";
import { volumeCommand } from "./commands/volume.ts";
import { exitCodeOf, exitCodes } from "./config/exit-codes.ts";
import { NoKeyManagerError, type Opened } from "./config/open-key-manager.ts";
import { ByteReader } from "./terminal/byte-reader.ts";
import { withoutControls } from "./terminal/output.ts";
import type { Terminal, TerminalInput } from "./terminal/terminal.ts";

export { ByteReader, type Open, type Opened, type Terminal, type TerminalInput };

/**
 * Runs the command.
 *
 * @param open replaces the configured key manager, for tests.
 * @returns the exit code
 */
export async function run(
  arguments_: readonly string[],
  terminal: Terminal,
  open?: Open,
): Promise<number> {
  const program = programFor(terminal, open);
  try {
    await program.parseAsync(arguments_, { from: "user" });
    return exitCodes.ok[0];
  } catch (error) {
    // Commander has printed its own message, or help.
    if (error instanceof CommanderError)
      return error.exitCode === 0 ? exitCodes.ok[0] : exitCodes.invalid[0];
    const verbose = program.opts<GlobalFlags>().verbose === true;
    terminal.error(`chatelaine: ${verbose ? withCauses(error) : messageOf(error)}\n`);
    return exitCodeOf(error);
  }
}

function programFor(terminal: Terminal, open: Open | undefined): Command {
  const program = new Command("chatelaine")
    .description("Key server and toolkit for disk encryption: gives every disk its own key")
    .option("--os-cloud <name>", "cloud in clouds.yaml to use (OS_CLOUD)")
    .option("--backend <name>", `${backendNames.join(", ")} (CHATELAINE_BACKEND; default barbican)`)
    .option(
      "--endpoint <url>",
      "endpoint of the key manager (CHATELAINE_ENDPOINT; default: from the catalog)",
    )
    .option("--region <name>", "region of the endpoint (OS_REGION_NAME)")
    .option("--interface <name>", "public, internal or admin (OS_INTERFACE)")
    .option(
      "--fixed-key-file <file>",
      "legacy fixed key in hexadecimal (CHATELAINE_FIXED_KEY_FILE)",
    )
    .option("--readers <ids>", "users allowed to read the keys of new disks (CHATELAINE_READERS)")
    .option(
      "--for-project <label>",
      "project label of the volumes, if a service creates the keys (CHATELAINE_FOR_PROJECT)",
    )
    .option("--ledger <file>", "ledger file, or postgres://user@host/database (CHATELAINE_LEDGER)")
    .option(
      "--ledger-host <name>",
      "name of this host in a shared ledger (CHATELAINE_LEDGER_HOST; default: its host name)",
    )
    .option("--config <file>", "configuration file (CHATELAINE_CONFIG)")
    .option("--json", "print results as JSON")
    .option("--verbose", "also print the causes of an error");
  program.hook("preAction", (_program, command) => requireClosedDoors(terminal, command.name()));
  const context = (command: Command) =>
    contextOf(terminal, command.optsWithGlobals<GlobalFlags>(), open);
  const commands = [
    keyCommand,
    volumeCommand,
    luksCommand,
    diskCommand,
    recoverCommand,
    reconcileCommand,
    ledgerCommand,
    doctorCommand,
    migrateCommand,
    startCommand,
    serverCommand,
  ];
  for (const command of commands) program.addCommand(command(context));
  program.addCommand(completionCommand((script) => terminal.out(script)));
  program.addHelpText("after", () => `\nExit codes:\n${exitCodeTable(helpWidth(terminal))}`);
  prepare(program, terminal);
  return program;
}

/** These hold no key, and one of them says which doors are open. */
const withoutKeys: ReadonlySet<string> = new Set(["completion", "config", "doctor"]);

/** @throws KeyManagerError `invalid_argument` */
function requireClosedDoors({ runtime }: Terminal, command: string): void {
  const [open] = withoutKeys.has(command) ? [] : (runtime?.open() ?? []);
  if (open !== undefined) throw new KeyManagerError("invalid_argument", `start: ${open}`);
}

/** Makes every command throw instead of exiting, and print to the terminal it was given. */
function prepare(command: Command, terminal: Terminal): void {
  command
    .exitOverride()
    .showHelpAfterError("(add --help for what is possible)")
    .configureOutput({
      writeOut: (text) => terminal.out(text),
      writeErr: (text) => terminal.error(text.replace(/^error:/, "chatelaine:")),
      getOutHelpWidth: () => helpWidth(terminal),
      getErrHelpWidth: () => helpWidth(terminal),
    });
  command.createHelp = () => new FullHelp();
  for (const child of command.commands) prepare(child, terminal);
}

function helpWidth({ columns }: Terminal): number {
  return columns ?? 100;
}

function exitCodeTable(width: number): string {
  const help = new FullHelp();
  help.prepareContext({ helpWidth: width });
  return Object.values(exitCodes)
    .map(([code, meaning]) => `${help.formatItem(String(code).padStart(2), 2, meaning, help)}\n`)
    .join("");
}

function withCauses(error: unknown): string {
  const lines: string[] = [];
  for (let cause: unknown = error; cause !== undefined && lines.length < 10; ) {
    lines.push(messageOf(cause));
    cause = cause instanceof Error ? cause.cause : undefined;
  }
  return lines.join("\n  because: ");
}

/** One line, because some of its words come from a disk's header, or from a server. */
function messageOf(error: unknown): string {
  if (error instanceof NoKeyManagerError) return error.message;
  return withoutControls(error instanceof Error ? error.message : String(error));
}
