import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { base, type Harness, idOf, startHarness } from "./support/harness.ts";

const text = { payload: "x", payload_content_type: "text/plain" };

async function newSecret(ask: Harness["ask"], body: object = text): Promise<string> {
  return `/v1/secrets/${idOf((await ask("POST", "/v1/secrets", { body })).json["secret_ref"])}`;
}

describe("user metadata", () => {
  it("is replaced, added to, changed and removed as the wire has it", async (t) => {
    const { ask } = await startHarness(t);
    const secret = await newSecret(ask);
    const path = `${secret}/metadata`;
    assert.deepEqual((await ask("GET", path)).json, { metadata: {} });
    const put = await ask("PUT", path, {
      body: { metadata: { Zone: "a", __proto__x: "1" }, more: 1 },
    });
    assert.equal(put.status, 201);
    assert.deepEqual(put.json, { metadata_ref: `${base}${path}` });
    assert.deepEqual((await ask("GET", path)).json, { metadata: { zone: "a", __proto__x: "1" } });
    const made = await ask("POST", path, { body: { key: "Rack", value: " 7 " } });
    assert.equal(made.status, 201);
    assert.equal(made.headers["location"], `${base}${path}/rack`);
    assert.deepEqual(made.json, { key: "rack", value: "7" });
    assert.equal((await ask("POST", path, { body: { key: "rack", value: "8" } })).status, 409);
    assert.deepEqual((await ask("GET", `${path}/rack`)).json, { key: "rack", value: "7" });
    assert.equal((await ask("GET", `${path}/Rack`)).status, 404);
    assert.equal(
      (await ask("PUT", `${path}/rack`, { body: { key: "RACK", value: "9" } })).status,
      200,
    );
    assert.equal(
      (await ask("PUT", `${path}/rack`, { body: { key: "x", value: "9" } })).status,
      409,
    );
    assert.equal(
      (await ask("PUT", `${path}/none`, { body: { key: "none", value: "9" } })).status,
      404,
    );
    assert.equal((await ask("DELETE", `${path}/rack`)).status, 204);
    assert.equal((await ask("DELETE", `${path}/rack`)).status, 204);
    assert.equal((await ask("GET", `${path}/rack`)).status, 404);
    assert.equal((await ask("DELETE", path)).headers["allow"], "GET, POST, PUT");
  });

  it("refuses what is no key or no value", async (t) => {
    const { ask } = await startHarness(t);
    const path = `${await newSecret(ask)}/metadata`;
    for (const metadata of [
      { "a b": "x" },
      { a: 1 },
      { a: null },
      { a: "\u0000" },
      { a: "x".repeat(256) },
      [],
      "x",
    ])
      assert.equal((await ask("PUT", path, { body: { metadata } })).status, 400);
    for (const body of [
      { key: "a" },
      { key: "a", value: 1 },
      { key: "a", value: "b", c: 1 },
      { key: "", value: "" },
    ])
      assert.equal((await ask("POST", path, { body })).status, 400);
    const own = await ask("PUT", path, {
      body: '{"metadata":{"__proto__":"x"}}',
      headers: { "content-type": "application/json" },
    });
    assert.equal(own.status, 201);
    assert.equal((await ask("GET", path)).text, '{"metadata":{"__proto__":"x"}}');
  });
});

describe("an ACL", () => {
  it("is replaced, merged and removed, with the defaults of the wire", async (t) => {
    const { ask } = await startHarness(t);
    const path = `${await newSecret(ask)}/acl`;
    const read = async () => (await ask("GET", path)).json["read"] as Record<string, unknown>;
    assert.deepEqual(await read(), { "project-access": true });
    const put = await ask("PUT", path, { body: { read: { users: ["u2", "u1", "u2"] } } });
    assert.deepEqual([put.status, put.json], [200, { acl_ref: `${base}${path}` }]);
    assert.deepEqual((await read())["users"], ["u1", "u2"]);
    assert.deepEqual(Object.keys(await read()).toSorted(), [
      "created",
      "project-access",
      "updated",
      "users",
    ]);
    await ask("PATCH", path, { body: { read: { "project-access": false } } });
    assert.deepEqual(
      [(await read())["users"], (await read())["project-access"]],
      [["u1", "u2"], false],
    );
    await ask("PATCH", path, { body: { read: { users: [] } } });
    assert.deepEqual((await read())["users"], []);
    await ask("PUT", path, { body: {} });
    assert.equal((await read())["project-access"], true);
    for (let times = 0; times < 2; times++) {
      const gone = await ask("DELETE", path);
      assert.deepEqual([gone.status, gone.text], [200, "null"]);
    }
    assert.deepEqual(await read(), { "project-access": true });
    assert.equal((await ask("POST", path)).headers["allow"], "DELETE, GET, PATCH, PUT");
    for (const body of [
      { write: {} },
      { read: { user: [] } },
      { read: { "project-access": "no" } },
      { read: { users: ["ok", 1] } },
      { read: { users: "u" } },
      { read: null },
    ])
      assert.equal((await ask("PUT", path, { body })).status, 400, JSON.stringify(body));
  });

  it("lets a listed user of any project read, list and nothing more", async (t) => {
    const { ask } = await startHarness(t);
    const secret = await newSecret(ask);
    const guest = { token: "guest/other/none" };
    assert.equal((await ask("GET", `${secret}/payload`, guest)).status, 403);
    await ask("PUT", `${secret}/acl`, { body: { read: { users: ["guest"] } } });
    assert.equal((await ask("GET", `${secret}/payload`, guest)).status, 200);
    assert.equal((await ask("GET", secret, guest)).status, 200);
    assert.equal((await ask("DELETE", secret, guest)).status, 403);
    assert.equal((await ask("PUT", `${secret}/acl`, { ...guest, body: {} })).status, 403);
    const shared = await ask("GET", "/v1/secrets?acl_only=true", { token: "guest/other/member" });
    assert.equal(shared.json["total"], 1);
    await ask("DELETE", `${secret}/acl`);
    assert.equal((await ask("GET", `${secret}/payload`, guest)).status, 403);
    assert.equal(
      (await ask("GET", "/v1/secrets?acl_only=1", { token: "guest/other/member" })).json["total"],
      0,
    );
  });

  it("makes a secret private to its creator, and keeps concurrent changes whole", async (t) => {
    const { ask } = await startHarness(t);
    const secret = await newSecret(ask);
    const colleague = { token: "bob/p/member" };
    assert.equal((await ask("GET", secret, colleague)).status, 200);
    await ask("PUT", `${secret}/acl`, { body: { read: { "project-access": false } } });
    for (const path of [secret, `${secret}/payload`])
      assert.equal((await ask("GET", path, colleague)).status, 403);
    assert.equal((await ask("PUT", `${secret}/acl`, { ...colleague, body: {} })).status, 403);
    assert.equal((await ask("GET", secret)).status, 200);
    const answers = await Promise.all(
      Array.from({ length: 8 }, (_, n) =>
        ask("PATCH", `${secret}/acl`, {
          body: { read: n % 2 ? { users: ["u"] } : { "project-access": false } },
        }),
      ),
    );
    assert.ok(answers.every(({ status }) => status === 200));
    const { read } = (await ask("GET", `${secret}/acl`)).json as { read: Record<string, unknown> };
    assert.deepEqual([read["users"], read["project-access"]], [["u"], false]);
  });
});

describe("secret consumers", () => {
  const consumer = { service: "volume", resource_type: "volume", resource_id: "v1" };

  it("are registered once, listed, removed, and guard the secret from version 1.2 on", async (t) => {
    const { ask } = await startHarness(t);
    const secret = await newSecret(ask);
    const path = `${secret}/consumers`;
    const added = await ask("POST", path, { body: consumer });
    assert.equal(added.status, 200);
    assert.deepEqual(added.json["consumers"], [consumer]);
    await ask("POST", path, { body: consumer });
    const listed = (await ask("GET", path)).json;
    assert.equal(listed["total"], 1);
    const [first] = listed["consumers"] as Record<string, unknown>[];
    assert.deepEqual(Object.keys(first ?? {}), [
      "created",
      "updated",
      "status",
      "service",
      "resource_type",
      "resource_id",
    ]);
    assert.equal("consumers" in (await ask("GET", secret)).json, false);
    assert.deepEqual((await ask("GET", secret, { version: "1.1" })).json["consumers"], [consumer]);
    const [inList] = (await ask("GET", "/v1/secrets", { version: "1.1" })).json[
      "secrets"
    ] as Record<string, unknown>[];
    assert.deepEqual(inList?.["consumers"], [consumer]);

    assert.equal((await ask("DELETE", secret, { version: "1.2" })).status, 400);
    assert.equal((await ask("DELETE", `${secret}?force=`, { version: "1.2" })).status, 400);
    assert.equal((await ask("DELETE", `${secret}?force=maybe`, { version: "1.2" })).status, 400);
    assert.equal(
      (await ask("DELETE", path, { body: { ...consumer, resource_id: "v2" } })).status,
      404,
    );
    const removed = await ask("DELETE", path, { body: consumer });
    assert.deepEqual([removed.status, removed.json["consumers"]], [200, []]);
    await ask("POST", path, { body: consumer });
    assert.equal((await ask("DELETE", `${secret}?force=Yes`, { version: "1.2" })).status, 204);
    const { ask: again } = { ask };
    const other = await newSecret(again);
    await ask("POST", `${other}/consumers`, { body: consumer });
    assert.equal((await ask("DELETE", other, { version: "1.1" })).status, 204);
  });

  it("have bounded fields and count against the caller's quota", async (t) => {
    const { ask } = await startHarness(t, { defaultQuotas: { consumers: 1 } });
    const path = `${await newSecret(ask)}/consumers`;
    for (const body of [
      { ...consumer, service: "" },
      { ...consumer, resource_id: "x".repeat(256) },
      { service: "a" },
    ])
      assert.equal((await ask("POST", path, { body })).status, 400);
    assert.equal(
      (await ask("POST", path, { body: consumer, headers: { "content-type": "text/plain" } }))
        .status,
      415,
    );
    assert.equal((await ask("POST", path, { body: consumer })).status, 200);
    assert.equal(
      (await ask("POST", path, { body: { ...consumer, resource_id: "v2" } })).status,
      403,
    );
    assert.equal((await ask("DELETE", path, { body: consumer })).status, 200);
    assert.equal(
      (await ask("POST", path, { body: { ...consumer, resource_id: "v2" } })).status,
      200,
    );
  });
});
