import { existsSync, readFileSync } from "node:fs";
import { resolve } from "node:path";
import { KeyManagerError } from "@chatelaine/keys";
import type { AuditEntry, AuditReport } from "@chatelaine/server";
import {
  flagOf,
  type Setting,
  type SettingName,
  settingNames,
  settings,
} from "@chatelaine/server/settings";
import type { Command } from "commander";
import { auditTable } from "../audit-table.ts";
import { plain } from "../output.ts";
import { parseCount } from "../sizes.ts";
import { stopRequested } from "../stop-requested.ts";
import { type Context, examples, noun } from "./command.ts";
import { printDiagnoses } from "./doctor.ts";
import { addServerExamples } from "./server-examples.ts";

/**
 * A server's garbage is young, so that a small heap costs it little; left alone, V8 and the C library would take more
 * memory and answer no faster; and so it would with a second optimizing compiler, which helps what has just started.
 * (`--optimize-for-size` would take least, and half of the speed.)
 */
const smallHeap = {
  flags: ["--max-semi-space-size=6", "--heap-growing-percent=10", "--no-maglev"],
  variables: { MALLOC_ARENA_MAX: "1", MALLOC_TRIM_THRESHOLD_: "1048576" },
} as const;

const defaultConfigFile = "/etc/chatelaine/server.yaml";

/** `chatelaine server …`: the key server, and what its administrator does beside it. */
export function serverCommand(context: (command: Command) => Context): Command {
  const server = noun("server", "run a key server that speaks Barbican's API, and look after it");
  examples(
    configured(server, "start", "start the key server; ends at SIGTERM or SIGINT").action(
      async (_options: object, command: Command) => {
        const { terminal } = context(command);
        terminal.restart?.(smallHeap.flags, smallHeap.variables);
        const { startServer } = await import("@chatelaine/server");
        const running = await startServer(await loadConfig(context, command));
        terminal.error(`the key server listens on ${running.url}\n`);
        await stopRequested();
        await running.close();
      },
    ),
    [
      "chatelaine server start --data-directory ~/.chatelaine",
      "chatelaine server start --server-config /etc/chatelaine/server.yaml",
    ],
  );
  configured(server, "config", "print the effective configuration, without secrets").action(
    async (_options: object, command: Command) => {
      const config = await loadConfig(context, command);
      const values = settingNames.map((name) => [name, config.shown(name)]);
      context(command).print(Object.fromEntries(values), `${config.describe()}\n`);
    },
  );
  configured(server, "doctor", "check what a start depends on; a server may run meanwhile").action(
    async (_options: object, command: Command) => {
      const { diagnoseServer } = await import("@chatelaine/server");
      printDiagnoses(context(command), await diagnoseServer(await loadConfig(context, command)));
    },
  );
  addMaintenance(server, context);
  addIdentity(server, context);
  addServerExamples(server);
  return server;
}

function addMaintenance(server: Command, context: (command: Command) => Context): void {
  simple(
    server,
    context,
    "backup <file>",
    "write a consistent copy of a SQLite database, also while it is served",
    "backup",
  );
  const rotate = server
    .command("rotate")
    .description("replace keys, also while requests are served");
  simple(
    rotate,
    context,
    "root-key",
    "make a new root key and wrap every project's key by it",
    "rotate root-key",
  );
  simple(
    rotate,
    context,
    "project-keys",
    "give every project a new key and seal all payloads anew",
    "rotate project-keys",
  );
  simple(
    server,
    context,
    "restore-secret <id>",
    "bring a deleted secret back, while its window is open",
    "restore-secret",
  );
  simple(
    server,
    context,
    "erase-project <id>",
    "erase everything of a project, its keys included",
    "erase-project",
  );
  const audit = server.command("audit").description("who did what to which object");
  configured(audit, "list", "the latest entries, oldest first")
    .option("--limit <number>", "how many", parseCount, 50)
    .option("--object <id>", "only of this secret, order or container")
    .action(async (_options: object, command: Command) => {
      const options = command.opts<{ limit: number; object?: string }>();
      const { terminal, print } = context(command);
      const args = [String(options.limit), options.object ?? ""];
      const entries = (await runCommand(
        context,
        command,
        "audit list",
        args,
      )) as readonly AuditEntry[];
      print(entries, auditTable(terminal, entries));
    });
  configured(
    audit,
    "verify",
    "check that no entry was changed or dropped; prints each chain's head",
  )
    .option("--noted <file>", "what an earlier verify printed: nothing of that may be missing")
    .action(async (_options: object, command: Command) => {
      const { noted } = command.opts<{ noted?: string }>();
      const args = noted === undefined ? [] : [textOf(context(command), noted)];
      const report = (await runCommand(context, command, "audit verify", args)) as AuditReport;
      show(context(command), report);
      if (report.broken.length > 0)
        throw new AuditBrokenError("audit verify: the record is not authentic");
      if (report.missing.length > 0)
        throw new AuditBrokenError("audit verify: entries that were noted are missing");
    });
  configured(
    server,
    "restore <file>",
    "put a backup in the place of the SQLite database; no server may run",
  ).action(async (file: string, _options: object, command: Command) => {
    const { restoreBackup } = await import("@chatelaine/server");
    await restoreBackup(await loadConfig(context, command), file);
    context(command).print({ restored: file }, `put ${file} in the place of the database\n`);
  });
  configured(
    server,
    "migrate-store <sqlite-file>",
    "copy a SQLite database into the empty PostgreSQL one that is configured",
  ).action(async (file: string, _options: object, command: Command) => {
    const { migrateConfiguredStore } = await import("@chatelaine/server");
    const config = await loadConfig(context, command);
    show(context(command), await migrateConfiguredStore(config, file));
  });
}

function addIdentity(server: Command, context: (command: Command) => Context): void {
  const user = server.command("user").description("users of built-in identity");
  for (const [verb, summary] of [
    ["create", "make a user"],
    ["set-password", "give a user another password; ends the user's tokens"],
  ] as const)
    configured(user, `${verb} <name>`, summary)
      .requiredOption("--password-file <file>", "a file with the password; - for standard input")
      .action(async (name: string, options: { passwordFile: string }, command: Command) => {
        const password = textOf(context(command), options.passwordFile);
        const args = [name, password.replace(/\r?\n$/, "")];
        show(context(command), await runCommand(context, command, `user ${verb}`, args));
      });
  simple(user, context, "list", "all users", "user list");
  simple(
    user,
    context,
    "delete <user>",
    "delete a user; what the user stored stays",
    "user delete",
  );
  const project = server.command("project").description("projects of built-in identity");
  simple(project, context, "create <name>", "make a project", "project create");
  simple(
    project,
    context,
    "delete <project>",
    "delete a project and everything that is kept for it, its keys included",
    "project delete",
  );
  simple(project, context, "list", "all projects", "project list");
  const role = server
    .command("role")
    .description("roles of built-in identity: admin, member, reader, …");
  simple(
    role,
    context,
    "grant <user> <project> <role>",
    "give a user a role in a project",
    "role grant",
  );
  simple(role, context, "revoke <user> <project> <role>", "take it away", "role revoke");
  simple(role, context, "list", "who has which role where", "role list");
}

/** The audit record is not what was written. */
class AuditBrokenError extends Error {
  override readonly name = "IntegrityError";
}

/** A verb whose arguments go to the running server, or to its database if none runs. */
function simple(
  parent: Command,
  context: (command: Command) => Context,
  usage: string,
  summary: string,
  name: string,
): void {
  configured(parent, usage, summary).action(async (...given: unknown[]) => {
    const command = given.at(-1) as Command;
    const args = given.filter((value) => typeof value === "string");
    show(context(command), await runCommand(context, command, name, args));
  });
}

async function runCommand(
  context: (command: Command) => Context,
  command: Command,
  name: string,
  args: readonly string[],
): Promise<unknown> {
  const { runServerCommand } = await import("@chatelaine/server");
  return runServerCommand(await loadConfig(context, command), name, args);
}

function show(context: Context, result: unknown): void {
  if (result === null || result === undefined) return;
  context.print(result, plain(context.terminal, result));
}

/** What a file holds; `-` is standard input. */
function textOf({ terminal }: Context, file: string): string {
  try {
    return readFileSync(file === "-" ? 0 : resolve(terminal.workingDirectory, file), "utf8");
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    throw new KeyManagerError("invalid_argument", `read ${file}: ${code ?? "failed"}`, { cause });
  }
}

/** A verb that has a flag for each setting of the server. */
function configured(parent: Command, usage: string, summary: string): Command {
  const command = parent
    .command(usage)
    .description(summary)
    .option(
      "--server-config <file>",
      `the server's configuration file (CHATELAINE_SERVER_CONFIG; default ${defaultConfigFile}, if it is there)`,
    );
  for (const name of settingNames) {
    const setting: Setting = settings[name];
    // A secret in a command line is everybody's to read: file or environment only.
    if (setting.type === "secret") continue;
    const shown = setting.default === undefined ? "" : ` (default: ${String(setting.default)})`;
    command.option(`${flagOf(name)} <value>`, setting.help + shown);
  }
  return command;
}

async function loadConfig(context: (command: Command) => Context, command: Command) {
  const { loadServerConfig } = await import("@chatelaine/server");
  const { terminal } = context(command);
  const options = command.opts<Record<string, string | undefined>>();
  const flags: Record<string, string | undefined> = {};
  for (const name of settingNames) flags[flagOf(name)] = options[optionOf(name)];
  const named =
    options["serverConfig"] ?? (terminal.environment["CHATELAINE_SERVER_CONFIG"] || undefined);
  const file = named ?? (existsSync(defaultConfigFile) ? defaultConfigFile : undefined);
  return loadServerConfig({
    flags,
    environment: terminal.environment,
    ...(file !== undefined && { file }),
  });
}

/** As commander names the value of a flag. */
function optionOf(name: SettingName): string {
  return flagOf(name)
    .slice(2)
    .replaceAll(/-(.)/g, (_match, letter: string) => letter.toUpperCase());
}
