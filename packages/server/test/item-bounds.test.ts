import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { tagExistingRows } from "../src/row-tagging/tag-existing-rows.ts";
import { type Answer, type Harness, idOf, startHarness } from "./support/harness.ts";
import { tamper } from "./support/tamper.ts";

const limits = { itemsPerObject: 3 };

const newSecret = async (ask: Harness["ask"]) =>
  String((await ask("POST", "/v1/secrets", { body: {} })).json["secret_ref"]);
const newContainer = async (ask: Harness["ask"]) =>
  idOf((await ask("POST", "/v1/containers", { body: { type: "generic" } })).json["container_ref"]);
const secretConsumer = (n: number) => ({
  service: "s",
  resource_type: "t",
  resource_id: `r${n}`,
});
const containerConsumer = (n: number) => ({ name: `n${n}`, URL: "https://lb.test" });

const metadata = (...keys: string[]) => ({
  body: { metadata: Object.fromEntries(keys.map((key) => [key, "v"])) },
});
const users = (...names: string[]) => ({ body: { read: { users: names } } });

/** Sends ten at once: three are taken. */
async function fill(send: (n: number) => Promise<Answer>, status: number): Promise<Answer[]> {
  const answers = await Promise.all(Array.from({ length: 10 }, (_, n) => send(n)));
  assert.equal(answers.filter((answer) => answer.status === status).length, 3);
  const refused = answers.filter((answer) => answer.status === 403);
  assert.equal(refused.length, 7);
  assert.match(String(refused[0]?.json["description"]), /has as many .* as one may have/);
  return answers;
}

describe("an answer that shows all of a list", () => {
  it("does not grow with each consumer of a secret", async (t) => {
    const { ask } = await startHarness(t, { limits });
    const path = `/v1/secrets/${idOf(await newSecret(ask))}/consumers`;
    const answers = await fill((n) => ask("POST", path, { body: secretConsumer(n) }), 200);
    const taken = answers.findIndex(({ status }) => status === 200);
    const again = await ask("POST", path, { body: secretConsumer(taken) });
    assert.equal(again.status, 200);
    assert.equal((again.json["consumers"] as object[]).length, 3);
    assert.equal((await ask("DELETE", path, { body: secretConsumer(taken) })).status, 200);
    assert.equal((await ask("POST", path, { body: secretConsumer(99) })).status, 200);
    assert.equal((await ask("GET", path)).json["total"], 3);
  });

  it("does not grow with each consumer of a container", async (t) => {
    const { ask } = await startHarness(t, { limits });
    const path = `/v1/containers/${await newContainer(ask)}/consumers`;
    const answers = await fill((n) => ask("POST", path, { body: containerConsumer(n) }), 200);
    const taken = answers.findIndex(({ status }) => status === 200);
    assert.equal((await ask("POST", path, { body: containerConsumer(taken) })).status, 200);
    assert.equal((await ask("GET", path)).json["total"], 3);
  });

  it("does not grow with each secret in a container", async (t) => {
    const { ask } = await startHarness(t, { limits });
    const refs = await Promise.all(Array.from({ length: 10 }, () => newSecret(ask)));
    const path = `/v1/containers/${await newContainer(ask)}`;
    await fill((n) => ask("POST", `${path}/secrets`, { body: { secret_ref: refs[n] } }), 201);
    assert.equal(((await ask("GET", path)).json["secret_refs"] as object[]).length, 3);
    const whole = (count: number) => ({
      body: {
        type: "generic",
        secret_refs: refs.slice(0, count).map((ref, n) => ({ secret_ref: ref, name: `n${n}` })),
      },
    });
    assert.equal((await ask("POST", "/v1/containers", whole(3))).status, 201);
    assert.equal((await ask("POST", "/v1/containers", whole(4))).status, 400);
  });

  it("does not grow with each item of metadata", async (t) => {
    const { ask } = await startHarness(t, { limits });
    const path = `/v1/secrets/${idOf(await newSecret(ask))}/metadata`;
    await fill((n) => ask("POST", path, { body: { key: `k${n}`, value: "v" } }), 201);
    assert.equal((await ask("PUT", path, metadata("a", "b", "c", "d"))).status, 400);
    assert.equal((await ask("PUT", path, metadata("a", "b", "c"))).status, 201);
    assert.equal((await ask("POST", path, { body: { key: "a", value: "v" } })).status, 409);
  });

  it("does not grow with each user of an ACL", async (t) => {
    const { ask } = await startHarness(t, { limits });
    for (const path of [
      `/v1/secrets/${idOf(await newSecret(ask))}/acl`,
      `/v1/containers/${await newContainer(ask)}/acl`,
    ]) {
      for (const method of ["PUT", "PATCH"]) {
        assert.equal((await ask(method, path, users("a", "b", "c", "d"))).status, 400);
        assert.equal((await ask(method, path, users("a", "b", "c", "c"))).status, 200);
      }
    }
  });
});

/** Follows the links of a list; returns the refs of each page. */
async function pages(ask: Harness["ask"], path: string, kind: string): Promise<string[][]> {
  const found: string[][] = [];
  for (let next: string | undefined = path; next !== undefined; ) {
    const { json }: Answer = await ask("GET", next, { version: "1.1" });
    found.push(
      (json[`${kind}s`] as Record<string, string>[]).map((item) => item[`${kind}_ref`] ?? ""),
    );
    const link = json["next"] as string | undefined;
    next = link === undefined ? undefined : link.slice(new URL(link).origin.length);
  }
  return found;
}

/** As an older server allowed, and tagged since. */
async function addConsumers(
  { store, server }: Harness,
  kind: string,
  id: string,
  count: number,
): Promise<void> {
  const columns = kind === "secret" ? "service, resource_type, resource_id" : "name, url";
  const values = kind === "secret" ? "'s', 't', 'r' || n" : "'n' || n, 'u'";
  await store.write(tamper, {
    sql: `WITH RECURSIVE c (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < ${count})
      INSERT INTO ${kind}_consumers (id, ${kind}_id, project_id, ${columns}, created, updated)
      SELECT CAST(? AS TEXT) || n, CAST(? AS TEXT), 'p', ${values}, 'c', 'c' FROM c`,
    args: [id, id],
  });
  await tagExistingRows(store, server.context.keys, () => undefined);
}

describe("a page of a list", () => {
  for (const kind of ["secret", "container"] as const)
    it(`of ${kind}s does not show any number of consumers, and leads on to the rest`, async (t) => {
      const harness = await startHarness(t);
      const { ask } = harness;
      const ids = [];
      for (const count of [400, 400, 400, 1_500, 10]) {
        const id = kind === "secret" ? idOf(await newSecret(ask)) : await newContainer(ask);
        ids.push(id);
        await addConsumers(harness, kind, id, count);
      }
      const seen = await pages(ask, `/v1/${kind}s?limit=10`, kind);
      assert.deepEqual(
        seen.map((refs) => refs.length),
        [2, 1, 1, 1],
      );
      assert.deepEqual(seen.flat().map(idOf), ids);
      const { json } = await ask("GET", `/v1/${kind}s?limit=2`, { version: "1.1" });
      assert.equal(json["total"], 5);
    });
});
