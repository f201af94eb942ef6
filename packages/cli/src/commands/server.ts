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
  const server = noun("server", "Run and maintain a key server with Barbican's API");
  examples(
    configured(
      server,
      "start",
      "Start the key server. SIGTERM or SIGINT stops it, SIGHUP reloads it",
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
  configured(server, "config", "Print the effective configuration, without secrets").action(
    async (_options: object, command: Command) => {
      const config = await loadConfig(context, command);
      const values = settingNames.map((name) => [name, config.shown(name)]);
      context(command).print(Object.fromEntries(values), `${config.describe()}\n`);
    },
  );
  configured(server, "doctor", "Check the conditions for a start, also while a server runs").action(
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
    "Back up a SQLite database, also while a server runs",
    "backup",
  );
  const rotate = server
    .command("rotate")
    .description("Rotate the server's keys, while it runs or not");
  simple(
    rotate,
    context,
    "root-key",
    "Create a new root key, re-wrap every project key and re-tag every row",
    "rotate root-key",
  );
  simple(
    rotate,
    context,
    "project-keys",
    "Create new project keys and re-encrypt all payloads",
    "rotate project-keys",
  );
  simple(
    server,
    context,
    "tag-rows",
    "Tag the rows of a database from an older version; no server may run",
    "tag-rows",
  );
  simple(
    server,
    context,
    "restore-secret <id>",
    "Restore a deleted secret within its retention time",
    "restore-secret",
  );
  simple(
    server,
    context,
    "erase-project <id>",
    "Erase all data and keys of a project",
    "erase-project",
  );
  addAudit(server, context);
  configured(
    server,
    "restore <file>",
    "Restore a backup of the SQLite database; no server may run",
  ).action(async (file: string, _options: object, command: Command) => {
    const { restoreBackup } = await import("@chatelaine/server");
    await restoreBackup(await loadConfig(context, command), file);
    context(command).print({ restored: file }, `put ${file} in the place of the database\n`);
  });
  configured(
    server,
    "migrate-store <sqlite-file>",
    "Copy a SQLite database to the configured, empty PostgreSQL database",
  ).action(async (file: string, _options: object, command: Command) => {
    const { migrateConfiguredStore } = await import("@chatelaine/server");
    const config = await loadConfig(context, command);
    show(context(command), await migrateConfiguredStore(config, file));
  });
}

function addIdentity(server: Command, context: (command: Command) => Context): void {
  const user = server.command("user").description("Manage users of the built-in identity service");
  for (const [verb, summary] of [
    ["create", "Create a user"],
    ["set-password", "Change a user's password and revoke the user's tokens"],
  ] as const)
    configured(user, `${verb} <name>`, summary)
      .requiredOption("--password-file <file>", "file with the password, or - for standard input")
      .action(async (name: string, options: { passwordFile: string }, command: Command) => {
        const password = textOf(context(command), options.passwordFile);
        const args = [name, password.replace(/\r?\n$/, "")];
        show(context(command), await runCommand(context, command, `user ${verb}`, args));
      });
  simple(user, context, "list", "List all users", "user list");
  simple(
    user,
    context,
    "delete <user>",
    "Delete a user; the user's secrets are kept",
    "user delete",
  );
  const project = server
    .command("project")
    .description("Manage projects of the built-in identity service");
  simple(project, context, "create <name>", "Create a project", "project create");
  simple(
    project,
    context,
    "delete <project>",
    "Delete a project with all its data and keys",
    "project delete",
  );
  simple(project, context, "list", "List all projects", "project list");
  const role = server
    .command("role")
    .description("Manage roles of the built-in identity service: admin, member, reader, …");
  simple(
    role,
    context,
    "grant <user> <project> <role>",
    "Grant a user a role in a project",
    "role grant",
  );
  simple(
    role,
    context,
    "revoke <user> <project> <role>",
    "Revoke a user's role in a project",
    "role revoke",
  );
  simple(role, context, "list", "List all role assignments", "role list");
}
