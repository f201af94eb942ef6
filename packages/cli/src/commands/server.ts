import { settingNames } from "@chatelaine/server/settings";
import type { Command } from "commander";
import { ServerSignals } from "../start/server-signals.ts";
import { type Context, examples, noun } from "./command.ts";
import { printDiagnoses } from "./doctor.ts";
import { addAudit } from "./server-audit.ts";
import { configured, loadConfig, runCommand, show, simple, textOf } from "./server-command.ts";
import { addServerExamples } from "./server-examples.ts";

/**
 * A server's garbage is young, so that a small heap costs it little; left alone, V8 and the C library would take more
 * memory and answer no faster; and so it would with a second optimizing compiler, which helps what has just started.
 * (`--optimize-for-size` would take least, and half of the speed.)
 */
const smallHeap = {
  // The last is for the moments before closeRuntimeDoors runs.
  flags: [
    "--max-semi-space-size=6",
    "--heap-growing-percent=10",
    "--no-maglev",
    "--disable-sigusr1",
  ],
  variables: { MALLOC_ARENA_MAX: "1", MALLOC_TRIM_THRESHOLD_: "1048576" },
} as const;

/** `chatelaine server …`: the key server, and what its administrator does beside it. */
export function serverCommand(context: (command: Command) => Context): Command {
  const server = noun("server", "run a key server that speaks Barbican's API, and look after it");
  examples(
    configured(
      server,
      "start",
      "start the key server; ends at SIGTERM or SIGINT, reloads at SIGHUP",
    ).action(async (_options: object, command: Command) => {
      const { terminal } = context(command);
      terminal.restart?.(smallHeap.flags, smallHeap.variables);
      const signals = new ServerSignals();
      try {
        const { startServer } = await import("@chatelaine/server");
        const running = await startServer(await loadConfig(context, command));
        terminal.error(`the key server listens on ${running.url}\n`);
        signals.reloadWith(() => void running.reload());
        await signals.stopped;
        await running.close();
      } finally {
        signals.close();
      }
    }),
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
    "make a new root key, wrap every project's key by it, and tag every row again",
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
    "tag-rows",
    "tag the rows of a database from before rows had tags; no server may run",
    "tag-rows",
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
  addAudit(server, context);
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
