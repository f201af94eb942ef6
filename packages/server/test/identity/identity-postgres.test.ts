import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { SqlIdentityStore } from "../../src/identity/builtin/sql/sql-identity-store.ts";
import { PostgresStore } from "../../src/store/postgres/postgres-store.ts";
import { postgresPrograms, startPostgres, type TestPostgres } from "../support/postgres.ts";
import { BuiltinScene } from "./builtin-scene.ts";
import { keepsTheIdentityStorePromises } from "./identity-store-promises.ts";

const now = "2026-01-01T00:00:00.000000";
const skip = postgresPrograms() === undefined && "Debian's postgresql is not installed";

describe("identity in a PostgreSQL of its own", { skip }, () => {
  let postgres: TestPostgres;
  before(async () => {
    postgres = await startPostgres();
  });
  after(() => postgres.stop());
  const open = async () => PostgresStore.open({ url: await postgres.newDatabase(), now });

  keepsTheIdentityStorePromises("PostgreSQL", async (t) => {
    const store = await open();
    t.after(() => store.close());
    return new SqlIdentityStore(store);
  });

  it("is one for all nodes: a token of one is good on another, and ends there too", async (t) => {
    const url = await postgres.newDatabase();
    const stores = [await PostgresStore.open({ url, now }), await PostgresStore.open({ url, now })];
    t.after(() => Promise.all(stores.map((store) => store.close())));
    const [first, second] = stores.map((store) => new SqlIdentityStore(store));
    assert.ok(first && second);
    const one = await BuiltinScene.open({ tokenCacheSeconds: 5 }, first);
    const other = BuiltinScene.join({ tokenCacheSeconds: 5 }, second);
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
