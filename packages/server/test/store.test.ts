import assert from "node:assert/strict";
import { join } from "node:path";
import { describe, it } from "node:test";
import { keepsTheStorePromises } from "../src/conformance/store-promises.ts";
import { ServerError } from "../src/model/server-error.ts";
import { SqliteStore } from "../src/store/sqlite/sqlite-store.ts";
import { temporaryFolder } from "./support/harness.ts";
import { openTestStore, storeKind } from "./support/test-store.ts";

const now = "2026-01-01T00:00:00.000000";

keepsTheStorePromises(storeKind, async (t) => {
  const store = await openTestStore(t, temporaryFolder(t));
  t.after(() => store.close());
  return store;
});

describe("a SQLite file", () => {
  it("is served by one process at a time, and freed when it ends", async (t) => {
    const path = join(temporaryFolder(t), "keys.db");
    const first = await SqliteStore.open({ path, now });
    await assert.rejects(
      SqliteStore.open({ path, now }),
      (error) => error instanceof ServerError && error.code === "locked",
    );
    await first.close();
    await (await SqliteStore.open({ path, now })).close();
  });
});
