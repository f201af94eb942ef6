import { AuditTrail } from "../../src/audit/audit-trail.ts";
import type { RootKeyRing } from "../../src/crypto/root-key/ring.ts";
import { openBuiltinIdentity } from "../../src/identity/builtin/open-builtin-identity.ts";
import { tokenHash } from "../../src/identity/builtin/random-ids.ts";
import { SqlIdentityStore } from "../../src/identity/builtin/sql/sql-identity-store.ts";
import { admitRootKeys } from "../../src/keyring/system-keys.ts";
import { serverCommands } from "../../src/maintenance/commands.ts";
import type { AuditReport } from "../../src/maintenance/verify-audit.ts";
import { systemClock } from "../../src/model/clock.ts";
import { silentLogger } from "../../src/observe/log.ts";
import { createContext } from "../../src/parts/create-context.ts";
import { RulePolicy } from "../../src/policy/rule-policy.ts";
import { openRowTags } from "../../src/row-tagging/open-row-tags.ts";
import { createKeyServer } from "../../src/startup/key-server.ts";
import { pendingMigrations, readMigrations } from "../../src/store/migrations.ts";
import { operation } from "../../src/store/operation.ts";
import type { Store } from "../../src/store/store.ts";
import { type History, makeHistory } from "./history.ts";
import { objectProbes, type Probe, peopleProbes } from "./probes.ts";
import type { RawDatabase, Row, Table } from "./raw-database.ts";
import { type Answer, lastOf, Requests } from "./requests.ts";

/** A server with something in every table, and everything that can be asked of it. */
export interface Scene {
  readonly raw: RawDatabase;
  readonly tables: readonly Table[];
  /** The rows of a table now: those that the most is asked about first, those that cannot be seen left out. */
  rows(table: Table): Promise<readonly Row[]>;
  /** Rows as they were before some were changed and others removed. */
  readonly older: ReadonlyMap<string, readonly Row[]>;
  /** Asks everything that may depend on a table. */
  observe(table: string): Promise<ReadonlyMap<string, Answer>>;
  close(): Promise<void>;
}

export const migrationsFit = operation(
  import.meta.url,
  "migrationsFit",
  function* (p: { readonly dialect: "sqlite" | "postgres" }) {
    return (yield* pendingMigrations(readMigrations(p.dialect))).length;
  },
);

export async function openScene(
  store: Store,
  rootKeys: RootKeyRing,
  raw: RawDatabase,
): Promise<Scene> {
  const clock = systemClock();
  const policy = new RulePolicy({});
  const audit = new AuditTrail({ store, clock });
  await createContext({ store, rootKeys, clock, policy, audit });
  const builtin = openBuiltinIdentity({
    store: new SqlIdentityStore(store),
    publicUrl: "http://keys.test",
    passwords: { insecureCostLog2: 4 },
    tokenCacheSeconds: 0,
  });
  const { identity, api: keystoneApi, administration } = builtin;
  const server = await createKeyServer({
    store,
    rootKeys,
    clock,
    identity,
    keystoneApi,
    policy,
    log: silentLogger,
    publicUrl: "http://keys.test",
    deleteRetentionSeconds: 86_400,
  });
  const { context } = server;
  const commands = serverCommands({ context, running: true, administration });
  const command = async (name: string): Promise<unknown> => {
    const found = commands[name];
    if (!found) throw new Error(`no command ${name}`);
    return typeof found === "function" ? found() : found.run(() => undefined);
  };

  const tables = (await raw.tables()).filter(({ key }) => key.length > 0);
  const allRows = ({ name, key }: Table) =>
    raw.query(`SELECT * FROM ${name} ORDER BY ${key.join(", ")}`);
  const older = new Map<string, readonly Row[]>();
  const halfway = async () => {
    for (const table of tables) older.set(table.name, await allRows(table));
  };
  const requests = new Requests(server);
  const history = await makeHistory({ requests, administration, command, halfway });
  // What only waiting orders leave.
  for (const [turn, id] of [history.vaultId, history.cellarId].entries())
    await raw.query("INSERT INTO order_turns (project_id, turn) VALUES (?, ?)", id, turn + 7);

  const start = startProbe(store, rootKeys);
  const verify: Probe = [
    "audit verify",
    () =>
      trying(async () => {
        const { broken } = (await command("audit verify")) as AuditReport;
        if (broken.length > 0) throw new Error("the record is not authentic");
      }),
  ];
  const objects = [...objectProbes(requests, history), start];
  const people = peopleProbes(requests, history);
  const probesOf = (table: string): readonly Probe[] => {
    if (table.startsWith("audit")) return [verify];
    if (table.startsWith("identity_")) return people;
    if (/^(system_keys|root_keys|migrations)$/.test(table)) return [start, verify];
    return objects;
  };
  return {
    raw,
    tables,
    older,
    rows: async (table) => prominentFirst(table, await allRows(table), history),
    async observe(table) {
      context.keys.forget();
      const answers = new Map<string, Answer>();
      await Promise.all(
        probesOf(table).map(async ([name, probe]) => {
          const { status, body } = await probe();
          answers.set(name, { status, body });
        }),
      );
      return answers;
    },
    async close() {
      await server.close();
      await identity.close();
      await raw.close();
      await store.close();
    },
  };
}

/** What a start would say. */
function startProbe(store: Store, rootKeys: RootKeyRing): Probe {
  return [
    "a start",
    () =>
      trying(async () => {
        await admitRootKeys(store, rootKeys, systemClock());
        await openRowTags(store, rootKeys, systemClock());
        const pending = await store.read(migrationsFit, { dialect: store.dialect });
        // It would run a script again whose tables are there.
        if (pending > 0) throw new Error("the schema is there, and its migration is not");
      }),
  ];
}

/** A refusal to start or to verify counts as one to answer. */
async function trying(what: () => Promise<void>): Promise<Answer> {
  try {
    await what();
    return { status: 200, body: "good" };
  } catch (error) {
    return { status: 500, body: String(error) };
  }
}

/** So that every run changes the same rows first. */
function prominentFirst({ name }: Table, rows: readonly Row[], history: History): readonly Row[] {
  const { secrets, containers, orders, tokens, aliceId, cellarId, deletedSecret } = history;
  const hashes = [tokens.alice, tokens.bob, tokens.root].map(tokenHash);
  const objects = [...secrets.slice(0, 2), ...containers.slice(0, 1), ...orders].map(lastOf);
  const prominent = [...objects, ...hashes, aliceId, cellarId, "secrets"];
  const sortKey = (row: Row) => {
    const rank = prominent.findIndex((value) => Object.values(row).includes(value));
    const stable = ["name", "key", "role", "resource_id", "kind", "position"];
    return JSON.stringify([
      String(rank < 0 ? prominent.length : rank).padStart(2, "0"),
      ...stable.map((column) => row[column] ?? null),
    ]);
  };
  return rows
    .filter((row) => {
      // Nothing is answered from the payload of a deleted secret; other tokens are not asked with.
      if (name === "payloads") return row["secret_id"] !== lastOf(deletedSecret);
      return name !== "identity_tokens" || hashes.includes(String(row["hash"]));
    })
    .toSorted((a, b) => (sortKey(a) < sortKey(b) ? -1 : 1));
}
