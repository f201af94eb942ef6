import assert from "node:assert/strict";
import { join } from "node:path";
import { describe, it, type TestContext } from "node:test";
import { rootKey, rootKeyRing } from "../src/crypto/root-key/ring.ts";
import { SqlIdentityStore } from "../src/identity/builtin/sql/sql-identity-store.ts";
import type { CopyProgress } from "../src/maintenance/migrate-store/copy-progress.ts";
import { migrateStore } from "../src/maintenance/migrate-store/copy-store.ts";
import { ServerError } from "../src/model/server-error.ts";
import { one, operation } from "../src/store/operation.ts";
import { PostgresStore } from "../src/store/postgres/postgres-store.ts";
import { SqliteStore } from "../src/store/sqlite/sqlite-store.ts";
import type { Store } from "../src/store/store.ts";
import { idOf, startHarness, temporaryFolder, testRootKeys } from "./support/harness.ts";
import { tamper } from "./support/tamper.ts";
import { emptyDatabase, noPostgres } from "./support/test-store.ts";

const now = "2026-01-01T00:00:00.000000";
const rootKeys = testRootKeys;

const countSecrets = operation(import.meta.url, "countSecrets", function* () {
  return (yield* one<{ n: number }>("SELECT CAST(COUNT(*) AS INTEGER) AS n FROM secrets"))?.n;
});

/** A server on SQLite with something of everything. */
async function furnished(t: TestContext) {
  const path = join(temporaryFolder(t), "keys.db");
  const store = await SqliteStore.open({ path, now });
  const { ask, server } = await startHarness(t, { store });
  const made = await ask("POST", "/v1/secrets", {
    body: { name: "grüß 🔑", payload: "the payload", payload_content_type: "text/plain" },
  });
  const secret = `/v1/secrets/${idOf(made.json["secret_ref"])}`;
  await ask("PUT", `${secret}/acl`, {
    body: { read: { users: ["bob"], "project-access": false } },
  });
  await ask("PUT", `${secret}/metadata`, { body: { metadata: { k: "v" } } });
  const consumer = { service: "s", resource_type: "t", resource_id: "r" };
  await ask("POST", `${secret}/consumers`, { body: consumer });
  await Promise.all(
    Array.from({ length: 600 }, (_, n) =>
      ask("POST", "/v1/secrets", {
        token: `carol/q${n % 3}/member`,
        body: { payload: `payload ${n}`, payload_content_type: "text/plain" },
      }),
    ),
  );
  const order = await ask("POST", "/v1/orders", {
    body: { type: "asymmetric", meta: { algorithm: "ed25519", bit_length: 256, name: "pair" } },
  });
  await new SqlIdentityStore(store).insertUser({
    id: "u1",
    name: "dora",
    passwordHash: "hash",
    enabled: true,
    createdAtMs: 5,
  });
  await server.close();
  return { path, store, secret, order: `/v1/orders/${idOf(order.json["order_ref"])}` };
}

async function openTarget(t: TestContext, url: string): Promise<Store> {
  const store = await PostgresStore.open({ url, now });
  t.after(() => store.close());
  return store;
}

describe("the move from SQLite to PostgreSQL", { skip: noPostgres }, () => {
  it("takes everything along, and a server goes on with it", async (t) => {
    const { path, store: source, secret, order } = await furnished(t);
    await source.close();
    const to = await emptyDatabase(t);
    const seen: CopyProgress[] = [];
    const result = await migrateStore({
      from: path,
      to,
      rootKeys,
      onProgress: (progress) => void seen.push(progress),
    });
    assert.deepEqual(result.damaged, []);
    assert.ok((result.tables.get("secrets") ?? 0) >= 601);
    assert.ok(result.objects >= 601);
    for (const table of ["payloads", "secret_consumers", "secret_metadata", "acl_users", "orders"])
      assert.ok((result.tables.get(table) ?? 0) > 0, table);
    assert.ok((result.tables.get("audit") ?? 0) >= 601);
    assert.ok(seen.some(({ table, rows }) => table === "secrets" && rows === 500));

    const store = await openTarget(t, to);
    const { ask } = await startHarness(t, { store });
    const payload = await ask("GET", `${secret}/payload`, { headers: { accept: "text/plain" } });
    assert.equal(payload.text, "the payload");
    assert.equal((await ask("GET", secret)).json["name"], "grüß 🔑");
    const read = (await ask("GET", `${secret}/acl`)).json["read"] as Record<string, unknown>;
    assert.deepEqual([read["users"], read["project-access"]], [["bob"], false]);
    assert.deepEqual((await ask("GET", `${secret}/metadata`)).json, { metadata: { k: "v" } });
    assert.equal((await ask("GET", `${secret}/consumers`)).json["total"], 1);
    assert.equal(
      (await ask("GET", `${secret}/payload`, { token: "bob/elsewhere/member" })).status,
      200,
    );
    assert.equal(
      (await ask("GET", "/v1/secrets", { token: "carol/q1/member" })).json["total"],
      200,
    );
    // Accepted there, finished here, or there already.
    while ((await ask("GET", order)).json["status"] === "PENDING")
      await new Promise((resolve) => setTimeout(resolve, 50));
    assert.equal((await ask("GET", order)).json["status"], "ACTIVE");
    assert.equal((await new SqlIdentityStore(store).findUser({ name: "dora" }))?.id, "u1");
  });

  it("refuses a database that is not empty, and one that it has filled before", async (t) => {
    const { path, store: source } = await furnished(t);
    await source.close();
    const to = await emptyDatabase(t);
    await migrateStore({ from: path, to, rootKeys });
    await assert.rejects(
      migrateStore({ from: path, to, rootKeys }),
      (error) => error instanceof ServerError && /not empty/.test(error.message),
    );
  });

  it("leaves nothing behind when it is cut short, and can be run again", async (t) => {
    const { path, store: source } = await furnished(t);
    await source.close();
    const to = await emptyDatabase(t);
    const cut = new Error("cut short");
    const onProgress = ({ table }: CopyProgress) => {
      if (table === "secret_consumers") throw cut;
    };
    await assert.rejects(migrateStore({ from: path, to, rootKeys, onProgress }), cut);
    assert.equal(await (await openTarget(t, to)).read(countSecrets, null), 0);
    assert.ok(
      ((await migrateStore({ from: path, to, rootKeys })).tables.get("secrets") ?? 0) > 600,
    );
  });

  it("names what is damaged, and refuses other root keys and a file that is in use", async (t) => {
    const { path, store: source, secret } = await furnished(t);
    await assert.rejects(
      migrateStore({ from: path, to: await emptyDatabase(t), rootKeys }),
      /another process serves this database/,
    );
    await source.write(tamper, {
      sql: "UPDATE secrets SET project_id = 'thief' WHERE id = ?",
      args: [idOf(secret)],
    });
    await source.close();
    const others = rootKeyRing([rootKey(1, Buffer.alloc(32, 8))]);
    await assert.rejects(
      migrateStore({ from: path, to: await emptyDatabase(t), rootKeys: others }),
      /root key/,
    );
    const result = await migrateStore({ from: path, to: await emptyDatabase(t), rootKeys });
    assert.deepEqual(result.damaged, [idOf(secret)]);
    await assert.rejects(
      migrateStore({ from: `${path}.none`, to: await emptyDatabase(t), rootKeys }),
      /there is no file/,
    );
  });
});
