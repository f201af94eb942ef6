import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { parsePublicUrl } from "../../src/config/public-url.ts";
import { rootKey, rootKeyRing } from "../../src/crypto/root-key/ring.ts";
import { auditEntryOf } from "../../src/identity/builtin/audit-events.ts";
import { openBuiltinIdentity } from "../../src/identity/builtin/open-builtin-identity.ts";
import { SqlIdentityStore } from "../../src/identity/builtin/sql/sql-identity-store.ts";
import { admitRootKeys } from "../../src/keyring/system-keys.ts";
import { auditLine } from "../../src/model/audit-entry.ts";
import { systemClock } from "../../src/model/clock.ts";
import { createLogger } from "../../src/observe/log.ts";
import { RulePolicy } from "../../src/policy/rule-policy.ts";
import { openRowTags } from "../../src/row-tagging/open-row-tags.ts";
import { createKeyServer } from "../../src/startup/key-server.ts";
import { SqliteStore } from "../../src/store/sqlite/sqlite-store.ts";

// A key server in a process of its own, so that what it holds can be weighed. Run with --expose-gc
// by odd-requests.test.ts, which is its only parent.

/** What the process holds, after what is garbage has been collected. */
export interface Weight {
  /** In bytes: the heap, and what hangs on it outside. */
  readonly heap: number;
  readonly residentSet: number;
  /** Longest time that the event loop was blocked since the last weighing. For the report only. */
  readonly longestBlockMs: number;
  /** Counts of what is remembered between requests. */
  readonly held: Readonly<Record<string, number>>;
}

const now = "2026-01-01T00:00:00.000000";
const folder = mkdtempSync(join(tmpdir(), "chatelaine-odd-"));
const store = await SqliteStore.open({ path: join(folder, "keys.db"), now });
const rootKeys = rootKeyRing([rootKey(1, Buffer.alloc(32, 7))]);
await admitRootKeys(store, rootKeys, systemClock());
await openRowTags(store, rootKeys, systemClock());
// Known once it listens.
const base = { url: parsePublicUrl("http://127.0.0.1") };
const { identity, api, administration, held } = openBuiltinIdentity({
  store: new SqlIdentityStore(store),
  publicUrl: () => base.url,
  passwords: { insecureCostLog2: 4 },
  logins: { delayMs: 1 },
  audit: (event) => store.record(auditLine(auditEntryOf(event, now))),
});
await administration.createProject({ name: "vault" });
for (const [name, role] of [
  ["alice", "member"],
  ["root", "admin"],
  ["bob", "member"],
] as const) {
  await administration.createUser({ name, password: "secret" });
  await administration.grantRole(name, "vault", role);
}
const log = createLogger({ level: "info", file: join(folder, "log") });
const server = await createKeyServer({
  store,
  identity,
  keystoneApi: api,
  rootKeys,
  policy: new RulePolicy({}),
  log,
  publicUrl: () => base.url,
});
await server.app.listen({ host: "127.0.0.1", port: 0 });
const { port } = server.app.server.address() as AddressInfo;
base.url = parsePublicUrl(`http://127.0.0.1:${port}`);
const delay = monitorEventLoopDelay({ resolution: 5 });
delay.enable();
process.send?.(base.url);

async function weigh(): Promise<Weight> {
  const longestBlockMs = delay.max / 1e6;
  for (let i = 0; i < 5; i++) {
    globalThis.gc?.();
    await new Promise(setImmediate);
  }
  const { heapUsed, external, rss } = process.memoryUsage();
  delay.reset();
  return { heap: heapUsed + external, residentSet: rss, longestBlockMs, held: held() };
}

process.on("message", () => {
  void weigh().then((weight) => process.send?.(weight));
});
await once(process, "disconnect");
await server.close();
await identity.close();
await store.close();
await log.flush();
rmSync(folder, { recursive: true, force: true });
