import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { keepsTheStorePromises } from "../src/conformance/store-promises.ts";
import { PostgresStore } from "../src/store/postgres/postgres-store.ts";
import { StoreError } from "../src/store/store.ts";
import { idOf, startHarness } from "./support/harness.ts";
import { postgresPrograms, startPostgres, type TestPostgres } from "./support/postgres.ts";

const now = "2026-01-01T00:00:00.000000";
const skip = postgresPrograms() === undefined && "Debian's postgresql is not installed";

describe("with a PostgreSQL of its own", { skip }, () => {
  let postgres: TestPostgres;
  before(async () => {
    postgres = await startPostgres();
  });
  after(() => postgres.stop());
  const open = async () => PostgresStore.open({ url: await postgres.newDatabase(), now });

  keepsTheStorePromises("PostgreSQL", async (t) => {
    const store = await open();
    t.after(() => store.close());
    return store;
  });

  it("a key server works as it does on SQLite", async (t) => {
    const store = await open();
    const { ask } = await startHarness(t, { store });
    t.after(() => store.close());
    const body = {
      name: "a_b",
      payload: "grüß",
      payload_content_type: "text/plain",
      expiration: "2999-01-01",
    };
    const made = await ask("POST", "/v1/secrets", { body });
    assert.equal(made.status, 201, made.text);
    const path = `/v1/secrets/${idOf(made.json["secret_ref"])}`;
    await ask("POST", "/v1/secrets", { body: { name: "axb", algorithm: "aes" } });
    assert.equal(
      (await ask("GET", `${path}/payload`, { headers: { accept: "text/plain" } })).text,
      "grüß",
    );
    assert.equal((await ask("GET", "/v1/secrets?name=a_b")).json["total"], 2);
    const sorted = (await ask("GET", "/v1/secrets?sort=algorithm")).json["secrets"] as {
      name: string;
    }[];
    assert.deepEqual(
      sorted.map(({ name }) => name),
      ["a_b", "axb"],
    );
    assert.equal(
      (await ask("PUT", `${path}/acl`, { body: { read: { users: ["u"] } } })).status,
      200,
    );
    assert.equal(
      (await ask("PUT", `${path}/metadata`, { body: { metadata: { k: "v" } } })).status,
      201,
    );
    const consumer = { service: "s", resource_type: "t", resource_id: "r" };
    assert.equal((await ask("POST", `${path}/consumers`, { body: consumer })).status, 200);
    const order = await ask("POST", "/v1/orders", {
      body: { type: "asymmetric", meta: { algorithm: "ec", bit_length: 256 } },
    });
    const orderPath = `/v1/orders/${idOf(order.json["order_ref"])}`;
    while ((await ask("GET", orderPath)).json["status"] === "PENDING")
      await new Promise((resolve) => setTimeout(resolve, 20));
    const { json } = await ask("GET", orderPath);
    const container = `/v1/containers/${idOf(json["container_ref"])}`;
    assert.equal(((await ask("GET", container)).json["secret_refs"] as object[]).length, 2);
    assert.equal((await ask("GET", "/v1/secrets")).json["total"], 4);
    assert.equal((await ask("DELETE", container)).status, 204);
    assert.equal((await ask("DELETE", path)).status, 204);
    assert.equal((await ask("GET", "/v1/secrets")).json["total"], 3);
  });

  it("keeps a quota with concurrent writers", async (t) => {
    const store = await open();
    const { ask } = await startHarness(t, { store, defaultQuotas: { secrets: 3 } });
    t.after(() => store.close());
    const answers = await Promise.all(
      Array.from({ length: 20 }, () => ask("POST", "/v1/secrets", { body: {} })),
    );
    assert.equal(answers.filter(({ status }) => status === 201).length, 3);
    assert.equal(answers.filter(({ status }) => status === 403).length, 17);
  });

  it("two nodes carry out each order once", async (t) => {
    const url = await postgres.newDatabase();
    const nodes = await Promise.all(
      [1, 2].map(async () => {
        const store = await PostgresStore.open({ url, now });
        const node = await startHarness(t, { store });
        t.after(() => store.close());
        return node;
      }),
    );
    const body = { type: "asymmetric", meta: { algorithm: "ed25519", bit_length: 256 } };
    const made = await Promise.all(
      Array.from({ length: 12 }, async (_, n) => nodes[n % 2]?.ask("POST", "/v1/orders", { body })),
    );
    assert.ok(made.every((answer) => answer?.status === 202));
    const pending = async () => {
      const listed = await nodes[0]?.ask("GET", "/v1/orders?limit=100");
      const orders = listed?.json["orders"] as { status: string }[] | undefined;
      return orders?.filter(({ status }) => status === "PENDING").length ?? 0;
    };
    while ((await pending()) > 0) await new Promise((resolve) => setTimeout(resolve, 50));
    assert.equal((await nodes[1]?.ask("GET", "/v1/containers"))?.json["total"], 12);
    assert.equal((await nodes[1]?.ask("GET", "/v1/secrets"))?.json["total"], 24);
  });

  it("answers 503 while the database is away, and works again when it is back", async (t) => {
    const store = await PostgresStore.open({
      url: await postgres.newDatabase(),
      now,
      timeoutMs: 2_000,
    });
    const { ask } = await startHarness(t, { store });
    t.after(() => store.close());
    const made = await ask("POST", "/v1/secrets", { body: { name: "kept" } });
    await postgres.kill();
    const away = await ask("GET", `/v1/secrets/${idOf(made.json["secret_ref"])}`);
    assert.deepEqual([away.status, away.headers["retry-after"]], [503, "1"]);
    assert.equal((await ask("POST", "/v1/secrets", { body: {} })).status, 503);
    assert.equal((await ask("GET", "/readiness", { token: null })).status, 503);
    await postgres.start();
    assert.equal((await ask("POST", "/v1/secrets", { body: {} })).status, 201);
    assert.equal((await ask("GET", "/v1/secrets")).json["total"], 2);
  });

  it("says that nothing answers at an address", async () => {
    await assert.rejects(
      PostgresStore.open({ url: "postgres://x@127.0.0.1:1/x", now }),
      (error) => error instanceof StoreError && error.code === "unavailable",
    );
  });
});
