import { resolve } from "node:path";
import { type BackendName, KeyManagerError } from "@chatelaine/keys";
import { type MigratedItem, type MigrationReport, migrateKeys } from "@chatelaine/keys/migration";
import type { Command } from "commander";
import { CommandError } from "../config/exit-codes.ts";
import { migrationJournalPath } from "../config/ledger-place.ts";
import { openSide, parseBackend } from "../config/open-key-manager.ts";
import { record, table } from "../terminal/output.ts";
import { progressBar } from "../terminal/progress-bar.ts";
import { stopRequested } from "../terminal/stop-requested.ts";
import type { Terminal } from "../terminal/terminal.ts";
import { type Context, examples, noun } from "./command.ts";

/** `chatelaine migrate …` */
export function migrateCommand(context: (command: Command) => Context): Command {
  const migrate = noun("migrate", "Migrate from one key manager to another");
  examples(
    migrate
      .command("keys")
      .description(
        "Copy all objects of a project to another key manager; can be interrupted and repeated",
      )
      .requiredOption(
        "--from <backend>",
        "source backend: barbican, or fixed with --fixed-key-file",
        parseSource,
      )
      .option("--from-os-cloud <name>", "cloud of the source in clouds.yaml (default: --os-cloud)")
      .option("--from-endpoint <url>", "endpoint of the source (default: from its catalog)")
      .option("--from-region <name>", "region of the source's endpoint")
      .option(
        "--to <backend>",
        "target backend; barbican also means a Chatelaine server",
        parseTarget,
        "barbican",
      )
      .option("--to-os-cloud <name>", "cloud of the target in clouds.yaml (default: --os-cloud)")
      .option("--to-endpoint <url>", "endpoint of the target (default: from its catalog)")
      .option("--to-region <name>", "region of the target's endpoint")
      .option(
        "--journal <file>",
        "file that records the progress (default: in the folder of the ledger)",
      )
      .option("--dry-run", "print what would be copied, and change nothing")
      .option("--verify", "also compare the bytes of earlier copies")
      .option("--concurrency <n>", "number of objects to copy at once, 1 to 64", parseCount, 8)
      .option(
        "--map-user <old=new>",
        "user id to replace in read grants, if the target has another Keystone; repeatable",
        parseUser,
        new Map<string, string>(),
      )
      .action(async (options: MigrateFlags, command: Command) => {
        const { terminal, settings, print } = context(command);
        const { journal, mapUser: users, dryRun, verify, concurrency } = options;
        const source = openSide(terminal, settings(), {
          backend: options.from,
          cloud: options.fromOsCloud,
          endpoint: options.fromEndpoint,
          region: options.fromRegion,
        });
        const target = openSide(terminal, settings(), {
          backend: options.to,
          cloud: options.toOsCloud,
          endpoint: options.toEndpoint,
          region: options.toRegion,
        });
        const bar = progressBar(terminal, "migrate", "items");
        const stop = new AbortController();
        const ended = new AbortController();
        void stopRequested(ended.signal).then(() => stop.abort());
        try {
          const report = await migrateKeys({
            source,
            target,
            journal:
              journal === undefined
                ? (from, to) => migrationJournalPath(terminal, from, to)
                : resolve(terminal.workingDirectory, journal),
            dryRun,
            verify,
            concurrency,
            users,
            progress: ({ done, total }) => bar.update(done, total),
            signal: stop.signal,
          });
          bar.end();
          print(forPrograms(report), forPeople(terminal, report));
          refuseFailures(report, dryRun === true);
        } finally {
          ended.abort();
        }
      }),
    [
      "chatelaine migrate keys --from barbican --from-os-cloud old --to-os-cloud new --dry-run",
      "chatelaine migrate keys --from barbican --from-os-cloud old --to-os-cloud new --json > ids.json",
      "chatelaine migrate keys --from fixed --fixed-key-file fixed.key --to-os-cloud new",
    ],
  );
  return migrate;
}

interface MigrateFlags {
  readonly from: BackendName;
  readonly fromOsCloud?: string;
  readonly fromEndpoint?: string;
  readonly fromRegion?: string;
  readonly to: BackendName;
  readonly toOsCloud?: string;
  readonly toEndpoint?: string;
  readonly toRegion?: string;
  readonly journal?: string;
  readonly dryRun?: boolean;
  readonly verify?: boolean;
  readonly concurrency: number;
  readonly mapUser: ReadonlyMap<string, string>;
}

function forPrograms(report: MigrationReport): object {
  const items = report.items.map(({ error, ...item }) => ({ ...item, code: error?.code }));
  return { ...report, counts: counts(report), items };
}

function forPeople(terminal: Terminal, report: MigrationReport): string {
  const { source, target, journal, items } = report;
  const shown = items.length === 0 ? "" : `${table(terminal, columns, items)}\n`;
  return `${shown}${record({ source, target, journal, ...counts(report) })}`;
}

const columns = [
  { heading: "old id", cell: ({ sourceId }: MigratedItem) => sourceId },
  { heading: "new id", cell: ({ targetId }: MigratedItem) => targetId },
  {
    heading: "type",
    cell: ({ kind, type }: MigratedItem) => (kind === "container" ? `${type} container` : type),
  },
  { heading: "name", cell: ({ name }: MigratedItem) => name },
  { heading: "outcome", cell: ({ outcome }: MigratedItem) => outcome },
  { heading: "reason", cell: ({ reason }: MigratedItem) => reason ?? "" },
];

function counts({ items }: MigrationReport) {
  const outcomes = ["copied", "already there", "to do", "skipped", "failed"] as const;
  return Object.fromEntries(
    outcomes.map((outcome) => [outcome, items.filter((item) => item.outcome === outcome).length]),
  );
}

/** @throws `partial` if a copy failed, `unavailable` if the migration was interrupted */
function refuseFailures({ items }: MigrationReport, dryRun: boolean): void {
  const errors = items.flatMap(({ error }) => error ?? []);
  const [first] = errors;
  if (first !== undefined) {
    throw new CommandError(
      "partial",
      `migrate: ${errors.length} of ${items.length} failed, the first with: ${first.message}; fix the cause and repeat the command: finished copies are kept`,
      { cause: first },
    );
  }
  if (dryRun || !items.some(({ outcome }) => outcome === "to do")) return;
  throw new KeyManagerError("unavailable", "migrate: interrupted: repeat the command to continue");
}

/** The memory backend is empty when a command starts. */
function parseSource(text: string): BackendName {
  const backend = parseBackend("--from", text);
  if (backend !== "memory") return backend;
  throw invalid("--from memory: this backend holds nothing when a command starts");
}

function parseTarget(text: string): BackendName {
  const backend = parseBackend("--to", text);
  if (backend === "barbican") return backend;
  throw invalid(
    `--to ${text}: objects can only be copied to barbican, or to a server with its API`,
  );
}

function parseCount(text: string): number {
  if (/^\d{1,3}$/.test(text)) return Number(text);
  throw invalid(`--concurrency ${text}: give a number from 1 to 64`);
}

function parseUser(text: string, users: ReadonlyMap<string, string>): ReadonlyMap<string, string> {
  const [old = "", renewed = "", ...rest] = text.split("=");
  if (old !== "" && renewed !== "" && rest.length === 0) return new Map([...users, [old, renewed]]);
  throw invalid(`--map-user ${text}: give two ids, as OLD=NEW`);
}

function invalid(message: string): KeyManagerError {
  return new KeyManagerError("invalid_argument", message);
}
