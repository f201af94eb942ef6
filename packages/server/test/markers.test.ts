/** Lists that are asked for by `marker`, as openstacksdk does after the last page of a list with `limit`. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { base, type Harness, idOf, startHarness } from "./support/harness.ts";

type Item = Readonly<Record<string, unknown>>;

const collections = {
  secrets: { ref: "secret_ref", body: { algorithm: "aes" } },
  containers: { ref: "container_ref", body: { type: "generic" } },
  orders: {
    ref: "order_ref",
    body: { type: "key", meta: { algorithm: "aes", bit_length: 256 } },
  },
} as const;
type Collection = keyof typeof collections;
const names = Object.keys(collections) as readonly Collection[];

async function make(ask: Harness["ask"], collection: Collection, count: number): Promise<string[]> {
  const { ref, body } = collections[collection];
  const ids: string[] = [];
  for (let n = 0; n < count; n++)
    ids.push(idOf((await ask("POST", `/v1/${collection}`, { body })).json[ref]));
  return ids;
}

const idsOf = (collection: Collection, json: Item) =>
  (json[collection] as Item[]).map((item) => idOf(item[collections[collection].ref]));

/**
 * Lists as openstacksdk's `Resource.list` does: it follows `next` with what it asked before, and after a page without
 * `next` asks once more for what comes after the last item.
 *
 * @param onPage Told the ids of each page.
 */
async function listAsOpenstacksdk(
  ask: Harness["ask"],
  collection: Collection,
  parameters: Readonly<Record<string, string>>,
  onPage: (ids: readonly string[]) => Promise<void> = async () => undefined,
): Promise<string[]> {
  const search = new URLSearchParams(parameters);
  const found: string[] = [];
  for (;;) {
    const { json } = await ask("GET", `/v1/${collection}?${search.toString()}`);
    const ids = idsOf(collection, json);
    if (ids.length === 0) return found;
    found.push(...ids);
    await onPage(ids);
    const lastMarker = search.get("marker");
    for (const name of ["marker", "limit"]) search.delete(name);
    if (json["next"] === undefined) {
      const marker = ids.at(-1) ?? "";
      assert.notEqual(marker, lastMarker, "Endless pagination loop detected, aborting");
      search.set("marker", marker);
      search.set("limit", parameters["limit"] ?? "");
    } else {
      const next = new URL(json["next"] as string);
      for (const [name, value] of next.searchParams) search.set(name, value);
    }
  }
}

describe("a list with a limit", () => {
  for (const collection of names)
    it(`of ${collection} comes to its end in openstacksdk`, async (t) => {
      const { ask } = await startHarness(t);
      const ids = await make(ask, collection, 5);
      for (const limit of ["1", "2", "5", "10"])
        assert.deepEqual(await listAsOpenstacksdk(ask, collection, { limit }), ids, limit);
      assert.deepEqual(await listAsOpenstacksdk(ask, collection, { limit: "2", offset: "3" }), [
        ids[3],
        ids[4],
      ]);
    });

  it("comes to its end if a client deletes what it sees", async (t) => {
    const { ask } = await startHarness(t);
    await make(ask, "secrets", 3);
    const remove = async (ids: readonly string[]) => {
      for (const id of ids) await ask("DELETE", `/v1/secrets/${id}`);
    };
    const found = await listAsOpenstacksdk(ask, "secrets", { limit: "10" }, remove);
    assert.equal(found.length, 3);
    assert.equal((await ask("GET", "/v1/secrets")).json["total"], 0);
  });
});

describe("a page after a marker", () => {
  for (const collection of names)
    it(`of ${collection} has what comes after it, with links that lead on`, async (t) => {
      const { ask } = await startHarness(t);
      const ids = await make(ask, collection, 5);
      const path = `/v1/${collection}?limit=2&marker=${ids[1]}&offset=4`;
      const { json } = await ask("GET", path);
      assert.deepEqual(idsOf(collection, json), ids.slice(2, 4));
      assert.equal(json["total"], 5);
      assert.equal(json["next"], `${base}/v1/${collection}?limit=2&offset=4`);
      assert.equal(json["previous"], `${base}/v1/${collection}?limit=2&offset=0`);
      const last = await ask("GET", `/v1/${collection}?limit=2&marker=${ids[4]}`);
      assert.deepEqual(last.json, { [collection]: [], total: 5 });
    });

  it("comes after it in the order that was asked for, among what the filters let through", async (t) => {
    const { ask } = await startHarness(t);
    const letters = ["b", null, "a", "c", null, "a"];
    for (const [n, mode] of letters.entries()) {
      const body = { name: n % 2 === 0 ? "even" : "odd", ...(mode !== null && { mode }) };
      await ask("POST", "/v1/secrets", { body });
    }
    for (const query of ["sort=mode", "sort=mode:desc", "sort=name:desc,mode", "name=even"]) {
      const { json } = await ask("GET", `/v1/secrets?${query}`);
      const all = idsOf("secrets", json);
      assert.ok(all.length >= 3);
      for (const [index, marker] of all.entries()) {
        const after = await ask("GET", `/v1/secrets?${query}&marker=${marker}`);
        assert.deepEqual(idsOf("secrets", after.json), all.slice(index + 1), query);
      }
      assert.deepEqual(
        await listAsOpenstacksdk(ask, "secrets", {
          ...Object.fromEntries(new URLSearchParams(query)),
          limit: "2",
        }),
        all,
        query,
      );
    }
  });

  it("is empty after what is not in the list, and says nothing of another project's", async (t) => {
    const { ask } = await startHarness(t);
    await make(ask, "secrets", 2);
    const stranger = await ask("POST", "/v1/secrets", { body: {}, token: "m/other/member" });
    for (const marker of [
      idOf(stranger.json["secret_ref"]),
      "00000000-0000-4000-8000-000000000000",
      "x",
    ])
      assert.deepEqual((await ask("GET", `/v1/secrets?marker=${marker}`)).json, {
        secrets: [],
        total: 2,
      });
    assert.equal(idsOf("secrets", (await ask("GET", "/v1/secrets?marker=")).json).length, 2);
    for (const wrong of ["x".repeat(256), "%00", "a&marker=b"])
      assert.equal((await ask("GET", `/v1/secrets?marker=${wrong}`)).status, 400, wrong);
  });

  it("of quotas comes after a project's id", async (t) => {
    const { ask } = await startHarness(t);
    const admin = { token: "root/p/admin" };
    const body = { project_quotas: { secrets: 1 } };
    for (const project of ["a", "b", "c"])
      await ask("PUT", `/v1/project-quotas/${project}`, { ...admin, body });
    const { json } = await ask("GET", "/v1/project-quotas?marker=a&limit=1", admin);
    const [only] = json["project_quotas"] as Item[];
    assert.equal(only?.["project_id"], "b");
    assert.equal(json["next"], `${base}/v1/project-quotas?limit=1&offset=2`);
  });
});

describe("quotas that are sent back as they were read", () => {
  it("stay as they are where they are null", async (t) => {
    const { ask } = await startHarness(t);
    const admin = { token: "root/p/admin" };
    const path = "/v1/project-quotas/p";
    const put = async (quotas: Item) =>
      (await ask("PUT", path, { ...admin, body: { project_quotas: quotas } })).status;
    assert.equal(await put({ secrets: 5, orders: 7 }), 204);
    const { project_quotas: read } = (await ask("GET", path, admin)).json as {
      project_quotas: Item;
    };
    assert.equal(await put({ ...read, secrets: null, containers: 3 }), 204);
    assert.deepEqual((await ask("GET", path, admin)).json, {
      project_quotas: { secrets: 5, orders: 7, containers: 3, consumers: null, cas: null },
    });
    assert.equal(await put({ secrets: "5" }), 400);
  });
});
