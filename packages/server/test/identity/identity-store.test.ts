import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { SqlIdentityStore } from "../../src/identity/builtin/sql/sql-identity-store.ts";
import { temporaryFolder } from "../support/harness.ts";
import { openTestStore, storeKind } from "../support/test-store.ts";
import { BuiltinScene } from "./builtin-scene.ts";
import { keepsTheIdentityStorePromises } from "./identity-store-promises.ts";
import { MemoryIdentityStore } from "./memory-identity-store.ts";

keepsTheIdentityStorePromises("the one in memory", async () => new MemoryIdentityStore());

keepsTheIdentityStorePromises(storeKind, async (t) => {
  const store = await openTestStore(t, temporaryFolder(t));
  t.after(() => store.close());
  return new SqlIdentityStore(store);
});

describe(`nodes on one ${storeKind}`, () => {
  it("share tokens: one of a node is good on another, and ends there too", async (t) => {
    const store = await openTestStore(t, temporaryFolder(t));
    t.after(() => store.close());
    const identityStore = new SqlIdentityStore(store);
    const one = await BuiltinScene.open({ tokenCacheSeconds: 5 }, identityStore);
    const other = BuiltinScene.join({ tokenCacheSeconds: 5 }, identityStore);
    const token = await one.token("alice");
    const { identity } = other.service;
    assert.equal((await identity.authenticate({ token }, "req")).userName, "alice");
    await one.service.administration.setUserEnabled("alice", false);
    await assert.rejects(one.service.identity.authenticate({ token }, "req"));
    // The other node believes what it looked up for as long as its cache says, and no longer.
    other.nowMs += 5_000;
    await assert.rejects(identity.authenticate({ token }, "req"));
  });
});
