import { join } from "node:path";
import type { TestContext } from "node:test";
import { AuditTrail } from "../../src/audit/audit-trail.ts";
import type { RootKeyRing } from "../../src/crypto/root-key/ring.ts";
import { RootKeyFile } from "../../src/crypto/root-key/slots.ts";
import { serverCommands } from "../../src/maintenance/commands.ts";
import type { AuditReport } from "../../src/maintenance/verify-audit.ts";
import { systemClock } from "../../src/model/clock.ts";
import { createContext } from "../../src/parts/create-context.ts";
import { RulePolicy } from "../../src/policy/rule-policy.ts";
import { all, operation, type SqlValue } from "../../src/store/operation.ts";
import type { Store } from "../../src/store/store.ts";
import { temporaryFolder, testRootKeys } from "./harness.ts";
import { tamper } from "./tamper.ts";
import { openTestStore } from "./test-store.ts";

/** Any query, as somebody runs it who has the database. */
export const look = operation(
  import.meta.url,
  "look",
  function* (p: { readonly sql: string; readonly args: readonly SqlValue[] }) {
    return yield* all<Readonly<Record<string, SqlValue>>>(p.sql, ...p.args);
  },
);

/** A server's audit record on a database, without the server. */
export interface AuditScene {
  readonly store: Store;
  readonly folder: string;
  /** A maintenance command, as the administrator runs it. */
  readonly command: (name: string, ...args: readonly string[]) => Promise<unknown>;
  readonly verify: (...args: readonly string[]) => Promise<AuditReport>;
  /** Writes so many entries, one after the other. */
  readonly write: (entries: number) => Promise<void>;
  /** Changes the database behind the server's back. */
  readonly attack: (...statements: readonly string[]) => Promise<void>;
  readonly look: <T>(sql: string, ...args: readonly SqlValue[]) => Promise<readonly T[]>;
  /** The chain with the most entries. */
  readonly chain: () => Promise<string>;
}

export interface SceneOptions {
  readonly folder?: string;
  /** Default: an empty one, closed after the test. */
  readonly store?: Store;
  readonly rootKeys?: RootKeyRing;
  /** What `createContext` is given besides. */
  readonly parts?: object;
}

let object = 0;

export async function auditScene(t: TestContext, options: SceneOptions = {}): Promise<AuditScene> {
  const folder = options.folder ?? temporaryFolder(t);
  const store = options.store ?? (await openTestStore(t, folder, options.rootKeys));
  if (!options.store) t.after(() => store.close());
  return sceneOn(store, folder, options);
}

/** Opens the record of a database that is open already. */
export async function sceneOn(
  store: Store,
  folder: string,
  { rootKeys = testRootKeys, parts = {} }: SceneOptions = {},
): Promise<AuditScene> {
  const clock = systemClock();
  const audit = new AuditTrail({ store, clock });
  const policy = new RulePolicy();
  const context = await createContext({ store, rootKeys, clock, policy, audit, ...parts });
  const commands = serverCommands({
    context,
    running: false,
    rootKeyFile: new RootKeyFile(join(folder, "root-key")),
  });
  const command: AuditScene["command"] = async (name, ...args) => {
    const found = commands[name];
    if (!found) throw new Error(`no command ${name}`);
    return typeof found === "function" ? found(...args) : found.run(() => undefined, ...args);
  };
  const query = async <T>(sql: string, ...args: readonly SqlValue[]) =>
    (await store.read(look, { sql, args })) as readonly T[];
  return {
    store,
    folder,
    command,
    verify: async (...args) => (await command("audit verify", ...args)) as AuditReport,
    async write(entries) {
      for (let n = 0; n < entries; n++) {
        const alice = { userId: "alice", projectId: "p", roles: [], requestId: `req-${object}` };
        await audit.read(audit.entry(alice, "secret:decrypt", `object-${object++}`));
        await audit.flush();
      }
    },
    async attack(...statements) {
      for (const sql of statements) await store.write(tamper, { sql, args: [] });
    },
    look: query,
    async chain() {
      const [row] = await query<{ readonly chain: string }>(
        "SELECT chain, COUNT(*) AS n FROM audit GROUP BY chain ORDER BY n DESC, chain LIMIT 1",
      );
      return row?.chain ?? "";
    },
  };
}
