import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { eraseProject } from "../src/store/operations/projects.ts";
import { restoreSecret } from "../src/store/operations/retention.ts";
import { PostgresStore } from "../src/store/postgres/postgres-store.ts";
import { FakeKeyPairs } from "./support/fake-key-pairs.ts";
import { type Answer, type Harness, idOf, startHarness } from "./support/harness.ts";
import { emptyDatabase, noPostgres } from "./support/test-store.ts";
import { until } from "./support/until.ts";

const key = { type: "key", meta: { algorithm: "aes", bit_length: 256 } };
const pair = { type: "asymmetric", meta: { algorithm: "rsa", bit_length: 2048 } };
const guarded = { type: "asymmetric", meta: { ...pair.meta, passphrase: "hush" } };

const order = (ask: Harness["ask"], body: object) => ask("POST", "/v1/orders", { body });
const secret = (ask: Harness["ask"]) => ask("POST", "/v1/secrets", { body: {} });
const cancel = async (ask: Harness["ask"], { json }: Answer) =>
  assert.equal((await ask("DELETE", `/v1/orders/${idOf(json["order_ref"])}`)).status, 204);
const total = async (ask: Harness["ask"], what: string) =>
  (await ask("GET", `/v1/${what}`)).json["total"];

describe("a project with a quota", () => {
  it("gets no more keys by ordering them and deleting the orders", async (t) => {
    const { ask } = await startHarness(t, { defaultQuotas: { secrets: 2 } });
    const answers: Answer[] = [];
    for (let times = 0; times < 4; times++) {
      const made = await order(ask, key);
      answers.push(made);
      if (made.status === 202) await cancel(ask, made);
    }
    assert.deepEqual(
      answers.map(({ status }) => status),
      [202, 202, 403, 403],
    );
    assert.match(String(answers[2]?.json["description"]), /quota of secrets is reached/);
    assert.equal(await total(ask, "secrets"), 2);
  });

  it("gets no more secrets while its key pairs are on their way", async (t) => {
    const keyPairs = new FakeKeyPairs();
    const { ask } = await startHarness(t, { keyPairs, defaultQuotas: { secrets: 5 } });
    assert.equal((await order(ask, guarded)).status, 202);
    assert.equal((await order(ask, pair)).status, 202);
    assert.equal((await secret(ask)).status, 403);
    assert.equal((await order(ask, key)).status, 403);
    assert.equal((await order(ask, pair)).status, 403);
    (await keyPairs.nth(0)).finish();
    (await keyPairs.nth(1)).finish();
    await until(async () => (await total(ask, "containers")) === 2);
    assert.equal(await total(ask, "secrets"), 5);
    assert.equal((await secret(ask)).status, 403);
  });

  it("gets no more containers by ordering key pairs", async (t) => {
    const keyPairs = new FakeKeyPairs();
    const { ask } = await startHarness(t, { keyPairs, defaultQuotas: { containers: 1 } });
    const container = { body: { type: "generic" } };
    const first = await order(ask, pair);
    assert.equal(first.status, 202);
    assert.equal((await order(ask, pair)).status, 403);
    assert.equal((await ask("POST", "/v1/containers", container)).status, 403);
    await cancel(ask, first);
    assert.equal((await ask("POST", "/v1/containers", container)).status, 201);
    assert.equal((await order(ask, pair)).status, 403);
  });

  it("gets its places back from a deleted order, and the pair no longer comes", async (t) => {
    const keyPairs = new FakeKeyPairs();
    const { ask } = await startHarness(t, { keyPairs, defaultQuotas: { secrets: 2 } });
    const [first, second] = [await order(ask, pair), await order(ask, pair)];
    assert.deepEqual([first.status, second.status], [202, 403]);
    const underWay = await keyPairs.nth(0);
    await cancel(ask, first);
    underWay.finish();
    assert.equal((await order(ask, pair)).status, 202);
    (await keyPairs.nth(1)).finish();
    await until(async () => (await total(ask, "containers")) === 1);
    assert.equal(await total(ask, "secrets"), 2);
  });

  it("gets no more by many requests at once", async (t) => {
    const keyPairs = new FakeKeyPairs();
    const { ask } = await startHarness(t, { keyPairs, defaultQuotas: { secrets: 7 } });
    const answers = await Promise.all(
      Array.from({ length: 30 }, (_, n) =>
        n % 3 === 0 ? secret(ask) : order(ask, n % 3 === 1 ? key : pair),
      ),
    );
    const accepted = (path: string) => answers.filter(({ text }) => text.includes(path)).length;
    const secrets = Number(await total(ask, "secrets"));
    const pairs = accepted("order_ref") + accepted("secret_ref") - secrets;
    assert.ok(secrets + 2 * pairs <= 7, `${secrets} secrets, ${pairs} pairs wait`);
    assert.ok(secrets + 2 * pairs >= 6);
    for (let n = 0; n < pairs; n++) (await keyPairs.nth(n)).finish();
    await until(async () => (await total(ask, "containers")) === pairs);
    assert.equal(await total(ask, "secrets"), secrets + 2 * pairs);
  });

  it("gets no more by having deleted secrets restored", async (t) => {
    const { ask, store } = await startHarness(t, {
      defaultQuotas: { secrets: 1 },
      deleteRetentionSeconds: 60,
    });
    const id = idOf((await secret(ask)).json["secret_ref"]);
    assert.equal((await ask("DELETE", `/v1/secrets/${id}`)).status, 204);
    const other = idOf((await secret(ask)).json["secret_ref"]);
    const restoring = {
      id,
      defaultQuotas: { secrets: 1, consumers: 1 },
      now: "2026-01-01T00:00:00.000000",
    };
    const refusal = { refused: "quota", projectId: "p", kind: "secrets" };
    assert.deepEqual(await store.write(restoreSecret, restoring), refusal);
    assert.equal((await ask("DELETE", `/v1/secrets/${other}`)).status, 204);
    assert.deepEqual(await store.write(restoreSecret, restoring), {});
    assert.equal(await total(ask, "secrets"), 1);
  });

  it("gets no more consumers by having a secret restored that had some", async (t) => {
    const { ask, store } = await startHarness(t, { deleteRetentionSeconds: 60 });
    const consumer = { service: "s", resource_type: "t", resource_id: "r" };
    const id = idOf((await secret(ask)).json["secret_ref"]);
    const other = idOf((await secret(ask)).json["secret_ref"]);
    const register = (secretId: string) =>
      ask("POST", `/v1/secrets/${secretId}/consumers`, { body: consumer });
    assert.equal((await register(id)).status, 200);
    assert.equal((await ask("DELETE", `/v1/secrets/${id}`)).status, 204);
    assert.equal((await register(other)).status, 200);
    const restoring = {
      id,
      defaultQuotas: { secrets: -1, consumers: 1 },
      now: "2026-01-01T00:00:00.000000",
    };
    const refusal = { refused: "quota", projectId: "p", kind: "consumers" };
    assert.deepEqual(await store.write(restoreSecret, restoring), refusal);
  });

  it("gets no more consumers when the project of a deleted secret is erased", async (t) => {
    const { ask, store } = await startHarness(t, {
      defaultQuotas: { consumers: 1 },
      deleteRetentionSeconds: 60,
    });
    const other = { token: "bob/other/member" };
    const consumer = { service: "s", resource_type: "t", resource_id: "r" };
    const id = idOf((await secret(ask)).json["secret_ref"]);
    const acl = { read: { users: ["bob"] } };
    assert.equal((await ask("PUT", `/v1/secrets/${id}/acl`, { body: acl })).status, 200);
    const register = async (secretId: string) =>
      (await ask("POST", `/v1/secrets/${secretId}/consumers`, { ...other, body: consumer })).status;
    assert.equal(await register(id), 200);
    assert.equal((await ask("DELETE", `/v1/secrets/${id}`)).status, 204);
    await store.write(eraseProject, { projectId: "p" });
    const statuses: number[] = [];
    for (let times = 0; times < 3; times++) {
      const own = await ask("POST", "/v1/secrets", { ...other, body: {} });
      statuses.push(await register(idOf(own.json["secret_ref"])));
    }
    assert.deepEqual(statuses, [200, 403, 403]);
  });
});

describe("a project with a quota, in PostgreSQL", { skip: noPostgres }, () => {
  it("gets no more in a database whose transactions see an old state by default", async (t) => {
    const url = new URL(await emptyDatabase(t));
    const options = url.searchParams.get("options") ?? "";
    const stricter = "-c default_transaction_isolation=repeatable\\ read";
    url.searchParams.set("options", `${options} ${stricter}`);
    const now = "2026-01-01T00:00:00.000000";
    const store = await PostgresStore.open({ url: url.href, now, connections: 6 });
    t.after(() => store.close());
    const { ask } = await startHarness(t, { store, defaultQuotas: { secrets: 3 } });
    const answers = await Promise.all(Array.from({ length: 20 }, () => secret(ask)));
    assert.equal(answers.filter(({ status }) => status === 201).length, 3);
  });
});
