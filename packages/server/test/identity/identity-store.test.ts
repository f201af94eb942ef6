import { SqlIdentityStore } from "../../src/identity/builtin/sql/sql-identity-store.ts";
import { temporaryFolder } from "../support/harness.ts";
import { openTestStore, storeKind } from "../support/test-store.ts";
import { keepsTheIdentityStorePromises } from "./identity-store-promises.ts";
import { MemoryIdentityStore } from "./memory-identity-store.ts";

keepsTheIdentityStorePromises("the one in memory", async () => new MemoryIdentityStore());

keepsTheIdentityStorePromises(storeKind, async (t) => {
  const store = await openTestStore(t, temporaryFolder(t));
  t.after(() => store.close());
  return new SqlIdentityStore(store);
});
