import assert from "node:assert/strict";
import { describe, it, type TestContext } from "node:test";
import { ProjectKeys } from "../src/keyring/project-keys.ts";
import { admitRootKeys } from "../src/keyring/system-keys.ts";
import { rotateProjectKeys } from "../src/maintenance/rotate-project-keys.ts";
import { systemClock } from "../src/model/clock.ts";
import { all, operation } from "../src/store/operation.ts";
import { reserveSeals } from "../src/store/operations/keys.ts";
import type { Store } from "../src/store/store.ts";
import {
  type Harness,
  idOf,
  startHarness,
  temporaryFolder,
  testRootKeys,
} from "./support/harness.ts";
import { tamper } from "./support/tamper.ts";
import { openTestStore } from "./support/test-store.ts";

/** How many payloads and passphrases each key of a project guards, and how many seals of it are counted. */
export const sealsByKey = operation(import.meta.url, "sealsByKey", function* () {
  return yield* all<{ generation: number; payloads: number; seals: number }>(
    `SELECT generation, seals, CAST((SELECT COUNT(*) FROM payloads p
       WHERE p.generation = project_keys.generation) AS INTEGER) AS payloads
     FROM project_keys ORDER BY generation`,
  );
});

const body = { payload: "x", payload_content_type: "text/plain" };
const newId = async (ask: Harness["ask"]) =>
  idOf((await ask("POST", "/v1/secrets", { body })).json["secret_ref"]);
const payloadOf = async (ask: Harness["ask"], id: string) =>
  (await ask("GET", `/v1/secrets/${id}/payload`)).text;

async function opened(t: TestContext): Promise<Store> {
  const store = await openTestStore(t, temporaryFolder(t));
  t.after(() => store.close());
  await admitRootKeys(store, testRootKeys, systemClock());
  return store;
}

/** A process that serves the store, and ends by being killed. */
async function nodeOn(store: Store, maxSealsOfKey: number): Promise<ProjectKeys> {
  const keys = new ProjectKeys({
    store,
    rootKeys: testRootKeys,
    clock: systemClock(),
    maxSeals: maxSealsOfKey,
  });
  return keys;
}

describe("a project key", () => {
  it("never seals so often that nonces could repeat", async (t) => {
    const { ask, store } = await startHarness(t, { maxSealsOfKey: 4 });
    const ids = [];
    for (let n = 0; n < 10; n++) ids.push(await newId(ask));
    const empty = idOf((await ask("POST", "/v1/secrets", { body: {} })).json["secret_ref"]);
    const put = { headers: { "content-type": "text/plain" }, body: "x" };
    assert.equal((await ask("PUT", `/v1/secrets/${empty}`, put)).status, 204);
    const order = { type: "key", meta: { algorithm: "aes", bit_length: 256 } };
    assert.equal((await ask("POST", "/v1/orders", { body: order })).status, 202);
    const keys = await store.read(sealsByKey, null);
    assert.deepEqual(
      keys.map(({ payloads }) => payloads),
      [4, 4, 4],
    );
    for (const id of [...ids, empty]) assert.equal(await payloadOf(ask, id), "x");
  });

  it("never seals too often for many requests at once, on many nodes", async (t) => {
    const store = await opened(t);
    const nodes = await Promise.all(Array.from({ length: 4 }, () => nodeOn(store, 3_000)));
    const taken = new Map<number, number>();
    await Promise.all(
      Array.from({ length: 8_000 }, async (_, n) => {
        const { generation } = await (nodes[n % 4] as ProjectKeys).toSeal("p");
        taken.set(generation, (taken.get(generation) ?? 0) + 1);
      }),
    );
    for (const [generation, seals] of taken)
      assert.ok(seals <= 3_000, `generation ${generation}: ${seals}`);
    const counted = await store.read(sealsByKey, null);
    for (const { generation, seals } of counted)
      assert.ok(seals >= (taken.get(generation) ?? 0) && seals <= 3_000);
  });

  it("does not forget its seals when processes are killed", async (t) => {
    const store = await opened(t);
    const taken = new Map<number, number>();
    for (let lives = 0; lives < 12; lives++) {
      const { generation } = await (await nodeOn(store, 4_096)).toSeal("p");
      taken.set(generation, (taken.get(generation) ?? 0) + 1);
    }
    // Each life reserved a block of 1,024 and used one seal of it.
    assert.deepEqual([...taken.values()], [4, 4, 4]);
  });

  it("is counted without a write for each seal", async (t) => {
    const store = await opened(t);
    let writes = 0;
    const counting = new Proxy(store, {
      get(target, name) {
        const member: unknown = Reflect.get(target, name, target);
        if (typeof member !== "function") return member;
        return (...args: unknown[]) => {
          if (name === "write") writes++;
          return (member as (...all: unknown[]) => unknown).apply(target, args);
        };
      },
    });
    const keys = await nodeOn(counting, 2 ** 30);
    for (let n = 0; n < 5_000; n++) await keys.toSeal("p");
    assert.equal(writes, 5);
  });

  it("that an older server used seals nothing more, and still opens what it sealed", async (t) => {
    const { ask, store, server } = await startHarness(t);
    const before = await newId(ask);
    // What the migration gives to each key that is there.
    await store.write(tamper, { sql: "UPDATE project_keys SET seals = 1073741824", args: [] });
    server.context.keys.forget();
    const after = await newId(ask);
    assert.deepEqual(
      (await store.read(sealsByKey, null)).map(({ payloads }) => payloads),
      [1, 1],
    );
    assert.equal(await payloadOf(ask, before), "x");
    assert.equal(await payloadOf(ask, after), "x");
  });

  it("stays 2^30 seals below where it must end", async (t) => {
    const store = await opened(t);
    const keys = await nodeOn(store, 2 ** 30);
    const { generation } = await keys.toSeal("p");
    const most = { projectId: "p", generation, seals: 2 ** 30 - 1_024, max: 2 ** 30 };
    assert.deepEqual(await store.write(reserveSeals, most), {});
    assert.deepEqual(await store.write(reserveSeals, { ...most, seals: 1 }), {
      refused: "used_up",
    });
    const next = await (await nodeOn(store, 2 ** 30)).toSeal("p");
    assert.equal(next.generation, generation + 1);
  });
});

describe("a rotation of project keys", () => {
  it("leaves nothing under a key that was there before, however many there were", async (t) => {
    const { ask, store, server } = await startHarness(t, { maxSealsOfKey: 3 });
    const ids = [];
    for (let n = 0; n < 8; n++) ids.push(await newId(ask));
    const before = (await store.read(sealsByKey, null)).map(({ generation }) => generation);
    assert.equal(before.length, 3);
    assert.deepEqual(await rotateProjectKeys(server.context), { projects: 1, payloads: 8 });
    const after = await store.read(sealsByKey, null);
    assert.ok(after.every(({ generation }) => !before.includes(generation)));
    assert.deepEqual(
      after.map(({ payloads }) => payloads),
      [3, 3, 2],
    );
    for (const id of ids) assert.equal(await payloadOf(ask, id), "x");
  });

  it("that was cut short is finished under the key it began with", async (t) => {
    const { ask, store, server } = await startHarness(t);
    const id = await newId(ask);
    const [{ generation } = { generation: 0 }] = await store.read(sealsByKey, null);
    await server.context.keys.add("p", generation + 1, true);
    assert.deepEqual(await rotateProjectKeys(server.context), { projects: 1, payloads: 1 });
    const rows = await store.read(sealsByKey, null);
    assert.deepEqual(
      rows.map((row) => row.generation),
      [generation + 1],
    );
    assert.equal(await payloadOf(ask, id), "x");
  });
});
