import { join } from "node:path";
import { SqlIdentityStore } from "../../src/identity/builtin/sql/sql-identity-store.ts";
import { SqliteStore } from "../../src/store/sqlite/sqlite-store.ts";
import { temporaryFolder } from "../support/harness.ts";
import { keepsTheIdentityStorePromises } from "./identity-store-promises.ts";
import { MemoryIdentityStore } from "./memory-identity-store.ts";

keepsTheIdentityStorePromises("the one in memory", async () => new MemoryIdentityStore());

keepsTheIdentityStorePromises("SQLite", async (t) => {
  const path = join(temporaryFolder(t), "keys.db");
  const store = await SqliteStore.open({ path, now: "2026-01-01T00:00:00.000000" });
  t.after(() => store.close());
  return new SqlIdentityStore(store);
});
