import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { systemClock } from "../src/model/clock.ts";
import { KeyPairGenerator } from "../src/orders/key-pair-generator.ts";
import { one, operation } from "../src/store/operation.ts";
import { claimOrder } from "../src/store/operations/orders.ts";
import { eraseProject } from "../src/store/operations/projects.ts";
import { FakeKeyPairs } from "./support/fake-key-pairs.ts";
import { type Answer, type Harness, idOf, startHarness } from "./support/harness.ts";
import { until } from "./support/until.ts";

const slow = { type: "asymmetric", meta: { algorithm: "rsa", bit_length: 3072 } };
const quick = { type: "asymmetric", meta: { algorithm: "ec", bit_length: 256 } };
const now = () => systemClock().timestamp();
const later = "2100-01-01T00:00:00.000000";

/** How many claims there are. */
export const countClaims = operation(import.meta.url, "countClaims", function* () {
  const row = yield* one<{ n: number }>(
    "SELECT CAST(COUNT(*) AS INTEGER) AS n FROM orders WHERE claimed_until IS NOT NULL",
  );
  return row?.n ?? 0;
});

const tokenOf = (project: string) => `u/${project}/member`;
const order = (ask: Harness["ask"], project: string, body = slow) =>
  ask("POST", "/v1/orders", { body, token: tokenOf(project) });
const pathOf = ({ json }: Answer) => `/v1/orders/${idOf(json["order_ref"])}`;

async function statuses(ask: Harness["ask"], project: string): Promise<readonly unknown[]> {
  const { json } = await ask("GET", "/v1/orders?limit=100", { token: tokenOf(project) });
  return (json["orders"] as { status: unknown }[]).map(({ status }) => status);
}

describe("orders of several projects", () => {
  it("are not delayed by all of one project's", async (t) => {
    // All of them wait before the first is done.
    const { ask } = await startHarness(t, { orderPatience: () => Promise.resolve() });
    for (let n = 0; n < 8; n++) assert.equal((await order(ask, "greedy")).status, 202);
    assert.equal((await order(ask, "modest", quick)).status, 202);
    await until(async () => (await statuses(ask, "modest"))[0] !== "PENDING");
    const done = (await statuses(ask, "greedy")).filter((status) => status !== "PENDING");
    assert.ok(done.length <= 3, `${done.length} of the greedy project's came first`);
  });

  it("are carried out in turns, on whichever node", async (t) => {
    const keyPairs = new FakeKeyPairs();
    const { ask, store } = await startHarness(t, { keyPairs });
    for (const project of ["a", "a", "a", "b", "a", "c", "b"]) await order(ask, project);
    await keyPairs.nth(0);
    const claim = async () =>
      (await store.write(claimOrder, { now: now(), until: later }))?.order?.project_id;
    const [second, third] = await Promise.all([claim(), claim()]);
    assert.deepEqual(new Set([second, third]), new Set(["b", "c"]));
    for (const next of ["a", "b", "a", "a", undefined]) assert.equal(await claim(), next);
    // A project that always has only one order does not come before one that waits.
    await order(ask, "c");
    await order(ask, "b");
    assert.equal(await claim(), "c");
    await order(ask, "c");
    assert.equal(await claim(), "b");
  });

  it("wait only so many of each project", async (t) => {
    const keyPairs = new FakeKeyPairs();
    const { ask } = await startHarness(t, { keyPairs, limits: { waitingOrders: 3 } });
    const answers = await Promise.all(Array.from({ length: 9 }, () => order(ask, "greedy")));
    assert.equal(answers.filter(({ status }) => status === 202).length, 3);
    const refused = answers.filter(({ status }) => status === 429);
    assert.equal(refused.length, 6);
    assert.equal(refused[0]?.headers["retry-after"], "5");
    assert.equal((await order(ask, "modest")).status, 202);
    (await keyPairs.nth(0)).finish();
    await keyPairs.nth(1);
    assert.equal((await order(ask, "greedy")).status, 202);
    assert.equal((await order(ask, "greedy")).status, 429);
  });
});

describe("the work of an order", () => {
  it("stops when the order is deleted, and nothing is made", async (t) => {
    const keyPairs = new FakeKeyPairs();
    const { ask, store } = await startHarness(t, { keyPairs });
    const made = await order(ask, "p");
    await until(async () => (await store.read(countClaims, null)) === 1);
    const { signal } = await keyPairs.nth(0);
    assert.equal(signal?.aborted, false);
    assert.equal((await ask("DELETE", pathOf(made), { token: tokenOf("p") })).status, 204);
    assert.equal(signal?.aborted, true);
    await order(ask, "p");
    (await keyPairs.nth(1)).finish();
    await until(async () => (await statuses(ask, "p"))[0] === "ACTIVE");
    const { json } = await ask("GET", "/v1/secrets", { token: tokenOf("p") });
    assert.equal(json["total"], 2);
  });

  it("stops when another process deletes the order, or its project", async (t) => {
    const keyPairs = new FakeKeyPairs();
    const { ask, store } = await startHarness(t, { keyPairs, orderPollMs: 1 });
    await order(ask, "p");
    const { signal } = await keyPairs.nth(0);
    await store.write(eraseProject, { projectId: "p" });
    await until(async () => signal?.aborted === true);
  });

  it("ends its process at once, and the next pair has another", async () => {
    const generator = new KeyPairGenerator();
    const recipe = {
      type: "pair",
      algorithm: "dsa",
      bitLength: 4096,
      containerType: "dsa",
    } as const;
    const deleted = new AbortController();
    const stopped = generator.generate({ recipe }, deleted.signal);
    await new Promise((resolve) => setImmediate(resolve));
    deleted.abort();
    // Told by the end of the process.
    await assert.rejects(stopped, /stopped/);
    const ec = { type: "pair", algorithm: "ec", bitLength: 256, containerType: "generic" } as const;
    assert.match(
      Buffer.from((await generator.generate({ recipe: ec })).publicKey).toString(),
      /PUBLIC KEY/,
    );
    const closed = generator.generate({ recipe });
    await new Promise((resolve) => setImmediate(resolve));
    generator.close();
    await assert.rejects(closed, /stopped/);
  });
});
