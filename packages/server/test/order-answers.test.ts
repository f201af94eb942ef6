/** When an order for a key pair is answered, and which pairs are made side by side. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { KeyPairGenerator } from "../src/orders/key-pair-generator.ts";
import { FakeKeyPairs } from "./support/fake-key-pairs.ts";
import { type Answer, type Harness, idOf, startHarness } from "./support/harness.ts";
import { until } from "./support/until.ts";

const pair = { type: "asymmetric", meta: { algorithm: "rsa", bit_length: 2048 } };

/** No answer is given before its order is done. */
const forEver = () => new Promise<never>(() => undefined);

const tokenOf = (project: string) => `u/${project}/member`;
const order = (ask: Harness["ask"], project = "p", body: object = pair) =>
  ask("POST", "/v1/orders", { body, token: tokenOf(project) });
const look = async (ask: Harness["ask"], { json }: Answer, project = "p") =>
  (await ask("GET", `/v1/orders/${idOf(json["order_ref"])}`, { token: tokenOf(project) })).json;

/** Long enough for an answer that waits for nothing. */
async function someTurns(): Promise<void> {
  for (let turn = 0; turn < 50; turn++) await new Promise((resolve) => setImmediate(resolve));
}

const bounded = { timeout: 120_000 };

describe("an order for a key pair", bounded, () => {
  it("is ACTIVE at the first look, as from a Barbican without a queue", async (t) => {
    const { ask } = await startHarness(t, { orderPatience: forEver });
    for (const meta of [pair.meta, { algorithm: "ec", bit_length: 256 }]) {
      const made = await order(ask, "p", { type: "asymmetric", meta });
      assert.equal(made.status, 202);
      const first = await look(ask, made);
      assert.equal(first["status"], "ACTIVE");
      assert.match(String(first["container_ref"]), /\/v1\/containers\//);
    }
  });

  it("is ERROR at the first look if its pair cannot be made", async (t) => {
    const keyPairs = new FakeKeyPairs();
    const { ask } = await startHarness(t, { keyPairs, orderPatience: forEver });
    const answered = order(ask);
    (await keyPairs.nth(0)).fail();
    assert.equal((await look(ask, await answered))["status"], "ERROR");
  });

  it("is answered while its pair is being made if that takes too long", async (t) => {
    const keyPairs = new FakeKeyPairs();
    const patience = Promise.withResolvers<void>();
    const orderPatience = () => patience.promise;
    const { ask } = await startHarness(t, { keyPairs, orderPatience });
    let isAnswered = false;
    const answered = order(ask).finally(() => {
      isAnswered = true;
    });
    const asked = await keyPairs.nth(0);
    await someTurns();
    assert.equal(isAnswered, false);
    patience.resolve();
    const made = await answered;
    assert.equal(made.status, 202);
    assert.equal((await look(ask, made))["status"], "PENDING");
    asked.finish();
    await until(async () => (await look(ask, made))["status"] === "ACTIVE");
  });

  it("is answered when somebody deletes it meanwhile", async (t) => {
    const keyPairs = new FakeKeyPairs();
    const { ask } = await startHarness(t, { keyPairs, orderPatience: forEver });
    const answered = order(ask);
    const { signal } = await keyPairs.nth(0);
    const token = tokenOf("p");
    const { orders } = (await ask("GET", "/v1/orders", { token })).json as {
      orders: { order_ref: string }[];
    };
    const path = `/v1/orders/${idOf(orders[0]?.order_ref)}`;
    assert.equal((await ask("DELETE", path, { token })).status, 204);
    assert.equal((await answered).status, 202);
    assert.equal(signal?.aborted, true);
  });

  it("does not keep the server from stopping", async (t) => {
    const keyPairs = new FakeKeyPairs();
    const { ask, server } = await startHarness(t, { keyPairs, orderPatience: forEver });
    const answered = order(ask);
    await keyPairs.nth(0);
    await Promise.all([server.close(), answered]);
    assert.equal((await answered).status, 202);
  });

  it("does not wait where it is refused", async (t) => {
    const { ask } = await startHarness(t, {
      orderPatience: forEver,
      defaultQuotas: { containers: 0 },
    });
    assert.equal((await order(ask)).status, 403);
  });
});

describe("key pairs", bounded, () => {
  it("are made side by side", async (t) => {
    const keyPairs = new FakeKeyPairs(3);
    const { ask } = await startHarness(t, { keyPairs });
    const made = [await order(ask, "a"), await order(ask, "b"), await order(ask, "c")];
    // The last that was begun is done first.
    (await keyPairs.nth(2)).finish();
    await until(async () => (await look(ask, made[2] as Answer, "c"))["status"] === "ACTIVE");
    assert.equal((await look(ask, made[0] as Answer, "a"))["status"], "PENDING");
    (await keyPairs.nth(0)).finish();
    await until(async () => (await look(ask, made[0] as Answer, "a"))["status"] === "ACTIVE");
  });

  it("of one project never take every place", async (t) => {
    const keyPairs = new FakeKeyPairs(3);
    const { ask } = await startHarness(t, { keyPairs });
    const greedy = [];
    for (let times = 0; times < 6; times++) greedy.push(await order(ask, "greedy"));
    await keyPairs.nth(1);
    const modest = await order(ask, "modest");
    (await keyPairs.nth(2)).finish();
    await until(async () => (await look(ask, modest, "modest"))["status"] === "ACTIVE");
    assert.equal(keyPairs.asked.length, 3);
    // Its own next pair begins when one of its two is done.
    (await keyPairs.nth(0)).finish();
    await keyPairs.nth(3);
  });

  it("of a deleted order give their place to the next", async (t) => {
    const keyPairs = new FakeKeyPairs(2);
    const { ask } = await startHarness(t, { keyPairs });
    const first = await order(ask, "a");
    await order(ask, "b");
    const [one, other] = [await keyPairs.nth(0), await keyPairs.nth(1)];
    await order(ask, "c");
    const path = `/v1/orders/${idOf(first.json["order_ref"])}`;
    assert.equal((await ask("DELETE", path, { token: tokenOf("a") })).status, 204);
    assert.deepEqual([one.signal?.aborted, other.signal?.aborted], [true, false]);
    await keyPairs.nth(2);
  });

  it("that are small are made while a large one is", async () => {
    const generator = new KeyPairGenerator({ atOnce: 2 });
    // Takes minutes.
    const rsa = {
      type: "pair",
      algorithm: "rsa",
      bitLength: 16_384,
      containerType: "rsa",
    } as const;
    const ec = { type: "pair", algorithm: "ec", bitLength: 256, containerType: "generic" } as const;
    const deleted = new AbortController();
    const large = generator.generate({ recipe: rsa }, deleted.signal);
    const small = [generator.generate({ recipe: ec }), generator.generate({ recipe: ec })];
    for (const { publicKey } of await Promise.all(small))
      assert.match(Buffer.from(publicKey).toString(), /PUBLIC KEY/);
    deleted.abort();
    await assert.rejects(large, /stopped/);
    generator.close();
    await assert.rejects(generator.generate({ recipe: ec }), /stopped/);
  });
});
