import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { SqliteStore } from "../src/store/sqlite/sqlite-store.ts";
import { base, idOf, startHarness, temporaryFolder } from "./support/harness.ts";

const key = Buffer.from(Array.from({ length: 32 }, (_, index) => index));
const newKey = {
  name: "volume key",
  algorithm: "aes",
  bit_length: 256,
  mode: "xts",
  secret_type: "symmetric",
  payload: key.toString("base64"),
  payload_content_type: "application/octet-stream",
  payload_content_encoding: "base64",
};

describe("a secret", () => {
  it("comes back as it was stored, and is gone when it is deleted", async (t) => {
    const { ask } = await startHarness(t);
    const made = await ask("POST", "/v1/secrets/", { body: newKey });
    assert.equal(made.status, 201);
    const ref = made.json["secret_ref"] as string;
    assert.equal(made.headers["location"], ref);
    assert.ok(ref.startsWith(`${base}/v1/secrets/`));
    const path = `/v1/secrets/${idOf(ref)}`;

    const document = await ask("GET", path, { version: "1.1" });
    assert.equal(document.status, 200);
    assert.deepEqual(Object.keys(document.json), [
      "created",
      "updated",
      "status",
      "name",
      "secret_type",
      "expiration",
      "algorithm",
      "bit_length",
      "mode",
      "creator_id",
      "consumers",
      "content_types",
      "secret_ref",
    ]);
    assert.match(String(document.json["created"]), /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}$/);
    assert.equal(document.headers["openstack-api-version"], "key-manager 1.1");
    assert.match(String(document.headers["x-openstack-request-id"]), /^req-[0-9a-f-]{36}$/);

    const payload = await ask("GET", `${path}/payload`, {
      headers: { accept: "application/octet-stream" },
    });
    assert.equal(payload.status, 200);
    assert.deepEqual(payload.bytes, key);
    assert.equal(payload.headers["content-type"], "application/octet-stream");

    const gone = await ask("DELETE", path);
    assert.equal(gone.status, 204);
    assert.equal(gone.text, "");
    for (const method of ["GET", "DELETE", "PUT"])
      assert.equal((await ask(method, path)).status, 404);
  });

  it("takes its payload in a second step, once, unstripped", async (t) => {
    const { ask } = await startHarness(t);
    const made = await ask("POST", "/v1/secrets", { body: { name: "two steps" } });
    const path = `/v1/secrets/${idOf(made.json["secret_ref"])}`;
    assert.equal((await ask("GET", `${path}/payload`)).status, 404);
    assert.equal((await ask("GET", path)).json["content_types"], undefined);
    const headers = { "content-type": "text/plain" };
    assert.equal((await ask("PUT", path, { headers, body: " pass phrase\n" })).status, 204);
    assert.equal((await ask("PUT", path, { headers, body: "again" })).status, 409);
    const payload = await ask("GET", `${path}/payload`, { headers: { accept: "text/plain" } });
    assert.equal(payload.text, " pass phrase\n");
    assert.equal(payload.headers["content-type"], "text/plain; charset=UTF-8");
  });

  it("is refused with the status that the wire has for each mistake", async (t) => {
    const { ask } = await startHarness(t);
    const text = { payload: "x", payload_content_type: "text/plain" };
    const octets = {
      payload_content_type: "application/octet-stream",
      payload_content_encoding: "base64",
    };
    const cases: readonly (readonly [number, object])[] = [
      [201, {}],
      [201, { name: null, payload_content_type: null }],
      [201, { bit_length: 2.0 }],
      [201, { expiration: "2999-01-01" }],
      [201, { expiration: "2999-01-01T10:00:00.5+02" }],
      [201, { expiration: " " }],
      [201, { ...text, payload_content_type: "text/plain; charset=UTF-8" }],
      // Barbican drops what is not base64; where that leaves nothing, a key would be lost in silence.
      [400, { ...octets, payload: "!!!!" }],
      [201, { ...octets, payload: "!QUJD!" }],
      [201, { ...octets, payload: "A".repeat(20_000) }],
      [413, { ...octets, payload: "A".repeat(20_001) }],
      [400, { ...octets, payload: "é" }],
      [400, { ...octets, payload: "AAA" }],
      [400, { ...octets, payload_content_encoding: "gzip", payload: "AAAA" }],
      [400, { payload_content_type: "application/octet-stream", payload: "AAAA" }],
      [400, { ...text, payload: "  " }],
      [400, { ...text, payload: null }],
      [400, { ...text, payload_content_encoding: "base64" }],
      [400, { ...text, payload_content_type: "text/html" }],
      [400, { payload: "x" }],
      [400, { payload_content_type: "text/plain" }],
      [400, { name: "n".repeat(256) }],
      [400, { name: "n\u0000" }],
      [400, { name: "\ud800" }],
      [400, { bit_length: 0 }],
      [400, { bit_length: 32_768 }],
      [400, { bit_length: "256" }],
      [400, { bit_length: null }],
      [400, { algorithm: null }],
      [400, { secret_type: "Opaque" }],
      [400, { expiration: "2000-01-01" }],
      [400, { expiration: "2999-01-01T10:00:00-5:00" }],
      [400, { expiration: "2999-02-30" }],
      [400, { expiration: null }],
      [400, { transport_key_needed: "true" }],
      [400, { ...text, transport_key_id: "x" }],
      [400, []],
    ];
    for (const [status, body] of cases)
      assert.equal(
        (await ask("POST", "/v1/secrets", { body })).status,
        status,
        JSON.stringify(body).slice(0, 80),
      );
    for (const body of ["", "{", "null", '"text"'])
      assert.equal(
        (
          await ask("POST", "/v1/secrets", {
            body,
            headers: { "content-type": "application/json" },
          })
        ).status,
        400,
      );
    assert.equal((await ask("POST", "/v1/secrets", { body: "{}" })).status, 415);
  });

  it("names the supported types as the clients' tests expect", async (t) => {
    const { ask } = await startHarness(t);
    const answer = await ask("POST", "/v1/secrets", {
      body: { payload: "x", payload_content_type: "image/png" },
    });
    assert.deepEqual(Object.keys(answer.json), ["code", "title", "description"]);
    assert.equal(answer.json["title"], "Bad Request");
    assert.ok(
      (answer.json["description"] as string).startsWith(
        "Provided object does not match schema 'Secret': payload_content_type is not one of ['text/plain', 'text/plain;charset=utf-8', 'text/plain; charset=utf-8', 'application/octet-stream'",
      ),
    );
  });

  it("is sent as Accept asks, or not at all", async (t) => {
    const { ask } = await startHarness(t);
    const binary = await ask("POST", "/v1/secrets", {
      body: { ...newKey, payload: Buffer.from([0xff, 0xfe]).toString("base64") },
    });
    const text = await ask("POST", "/v1/secrets", {
      body: { payload: "grüß", payload_content_type: "text/plain" },
    });
    const cases: readonly (readonly [string | undefined, string, number, string?])[] = [
      [undefined, "text", 200, "application/octet-stream"],
      ["*/*", "text", 200, "text/plain; charset=UTF-8"],
      ["*/*", "binary", 200, "application/octet-stream"],
      ["text/plain", "text", 200, "text/plain; charset=UTF-8"],
      ["text/plain", "binary", 406],
      ["application/octet-stream", "text", 200, "application/octet-stream"],
      ["application/pkcs8", "binary", 200, "application/pkcs8"],
      ["TEXT/PLAIN", "text", 400],
      ["application/json", "text", 406],
      ["image/png", "text", 406],
      ["image/png, text/plain;q=0.5", "text", 200, "text/plain; charset=UTF-8"],
    ];
    for (const [accept, which, status, type] of cases) {
      const id = idOf((which === "text" ? text : binary).json["secret_ref"]);
      const answer = await ask("GET", `/v1/secrets/${id}/payload`, {
        headers: accept === undefined ? {} : { accept },
      });
      assert.equal(answer.status, status, `${accept} of ${which}`);
      if (type) assert.equal(answer.headers["content-type"], type, `${accept} of ${which}`);
    }
    const deprecated = await ask("GET", `/v1/secrets/${idOf(text.json["secret_ref"])}`, {
      headers: { accept: "text/plain" },
    });
    assert.equal(deprecated.text, "grüß");
  });

  it("is 404 for an id that is unknown or malformed, whatever the method, and 403 across projects", async (t) => {
    const { ask } = await startHarness(t);
    const made = await ask("POST", "/v1/secrets", { body: newKey });
    const id = idOf(made.json["secret_ref"]);
    for (const wrong of [
      id.toUpperCase(),
      id.replaceAll("-", ""),
      "x",
      "00000000-0000-4000-8000-000000000000",
    ])
      for (const method of ["GET", "DELETE", "HEAD", "PATCH"])
        assert.equal((await ask(method, `/v1/secrets/${wrong}`)).status, 404);
    const stranger = { token: "mallory/other/member" };
    for (const path of [`/v1/secrets/${id}`, `/v1/secrets/${id}/payload`])
      assert.equal((await ask("GET", path, stranger)).status, 403);
    assert.equal((await ask("DELETE", `/v1/secrets/${id}`, stranger)).status, 403);
    const wrongMethod = await ask("PATCH", `/v1/secrets/${id}`);
    assert.equal(wrongMethod.status, 405);
    assert.equal(wrongMethod.headers["allow"], "DELETE, GET, PUT");
    assert.equal((await ask("PATCH", `/v1/secrets/${id}/payload`)).headers["allow"], undefined);
    assert.equal((await ask("HEAD", "/v1/secrets")).status, 405);
  });

  it("is hidden once it expires", async (t) => {
    let now = Date.parse("2030-01-01T00:00:00Z");
    const { systemClock } = await import("../src/model/clock.ts");
    const { ask } = await startHarness(t, { clock: systemClock(() => now) });
    const made = await ask("POST", "/v1/secrets", {
      body: { ...newKey, expiration: "2030-01-01T00:00:15" },
    });
    const path = `/v1/secrets/${idOf(made.json["secret_ref"])}`;
    assert.equal((await ask("GET", path)).json["expiration"], "2030-01-01T00:00:15.000000");
    assert.equal((await ask("GET", "/v1/secrets")).json["total"], 1);
    now += 16_000;
    for (const at of [path, `${path}/payload`]) assert.equal((await ask("GET", at)).status, 404);
    assert.deepEqual((await ask("GET", "/v1/secrets")).json, { secrets: [], total: 0 });
  });
});

const textOf = (length: number) => ({
  payload: "x".repeat(length),
  payload_content_type: "text/plain",
});

describe("the limit of payloads", () => {
  it("is 20,000 bytes, unless it is configured", async (t) => {
    const small = await startHarness(t);
    const large = await startHarness(t, { maxPayloadBytes: 100_000 });
    const post = async (ask: typeof small.ask, length: number) =>
      (await ask("POST", "/v1/secrets", { body: textOf(length) })).status;
    const put = async (ask: typeof small.ask, length: number) => {
      const made = await ask("POST", "/v1/secrets", { body: {} });
      const headers = { "content-type": "application/octet-stream" };
      const body = Buffer.alloc(length);
      return (await ask("PUT", `/v1/secrets/${idOf(made.json["secret_ref"])}`, { headers, body }))
        .status;
    };
    assert.deepEqual([await post(small.ask, 20_000), await post(small.ask, 20_001)], [201, 413]);
    assert.deepEqual([await put(small.ask, 20_000), await put(small.ask, 20_001)], [204, 413]);
    assert.deepEqual([await post(large.ask, 100_000), await post(large.ask, 100_001)], [201, 413]);
    assert.deepEqual([await put(large.ask, 100_000), await put(large.ask, 100_001)], [204, 413]);
    // A body that is longer still is no JSON to Barbican, which cuts it off; here it is too large, too.
    assert.deepEqual([await post(small.ask, 25_000), await post(large.ask, 125_000)], [413, 413]);
  });
});

describe("a document", () => {
  it("is JSON, for whoever takes it, and 406 for whoever does not", async (t) => {
    const { ask } = await startHarness(t);
    const secret = `/v1/secrets/${idOf((await ask("POST", "/v1/secrets", { body: {} })).json["secret_ref"])}`;
    for (const path of [
      "/v1",
      "/v1/secrets",
      "/v1/containers",
      "/v1/orders",
      "/v1/quotas",
      "/v1/transport_keys",
      ...["metadata", "acl", "consumers"].map((part) => `${secret}/${part}`),
    ]) {
      for (const accept of ["application/json", "*/*", "text/html, application/json;q=0.5", ""])
        assert.equal((await ask("GET", path, { headers: { accept } })).status, 200, path);
      for (const accept of ["text/plain", "application/json;q=0", "image/png, text/*"]) {
        const answer = await ask("GET", path, { headers: { accept } });
        const body = { code: 406, title: "Not Acceptable", description: null };
        assert.deepEqual([answer.status, answer.json], [406, body], path);
      }
    }
  });
});

describe("the list of secrets", () => {
  it("pages in order of age, with links that keep the filters", async (t) => {
    const { ask } = await startHarness(t);
    for (let n = 0; n < 12; n++)
      await ask("POST", "/v1/secrets", { body: { name: `s${n % 2}`, algorithm: "aes" } });
    const first = (await ask("GET", "/v1/secrets?name=s1&limit=4&alg=aes")).json;
    assert.equal(first["total"], 6);
    assert.equal(first["next"], `${base}/v1/secrets?limit=4&offset=4&name=s1&alg=aes`);
    assert.equal("previous" in first, false);
    const second = (await ask("GET", (first["next"] as string).slice(base.length))).json;
    assert.equal((second["secrets"] as object[]).length, 2);
    assert.equal(second["previous"], `${base}/v1/secrets?limit=4&offset=0&name=s1&alg=aes`);
    assert.equal(((await ask("GET", "/v1/secrets?limit=0")).json["secrets"] as object[]).length, 1);
    assert.equal(
      ((await ask("GET", "/v1/secrets?offset=-1")).json["secrets"] as object[]).length,
      10,
    );
  });

  it("filters and sorts as the wire has it, and refuses what it cannot read", async (t) => {
    const { ask } = await startHarness(t);
    for (const [name, bits] of [
      ["b", 128],
      ["a", 256],
      ["c_", 512],
    ] as const)
      await ask("POST", "/v1/secrets", { body: { name, bit_length: bits, algorithm: "AES" } });
    const names = async (query: string) =>
      ((await ask("GET", `/v1/secrets?${query}`)).json["secrets"] as { name: string }[])
        .map(({ name }) => name)
        .join();
    assert.equal(await names(""), "b,a,c_");
    assert.equal(await names("sort=name"), "a,b,c_");
    assert.equal(await names("sort=bit_length:desc,name"), "c_,a,b");
    assert.equal(await names("name=_"), "b,a");
    assert.equal(await names("name=c%25"), "c_");
    assert.equal(await names("bits=128"), "b");
    assert.equal(await names("bits=x"), "b,a,c_");
    assert.equal(await names("secret_type=symmetric"), "");
    assert.equal(await names("created=gt:2020-01-01,lt:2999-01-01T00:00:00Z"), "b,a,c_");
    const all = (await ask("GET", "/v1/secrets")).json["secrets"] as {
      name: string;
      created: string;
    }[];
    assert.equal(await names(`created=${all[1]?.created}`), "a");
    for (const bad of [
      "sort=x",
      "sort=name,name",
      "sort=name:up",
      "created=yesterday",
      "created=gt:2020-01-01,gte:2021-01-01",
      "name=a&name=b",
      "limit=1&limit=2",
      "name=%00",
    ])
      assert.equal((await ask("GET", `/v1/secrets?${bad}`)).status, 400, bad);
  });
});

describe("before anything else", () => {
  it("asks who it is", async (t) => {
    const { ask } = await startHarness(t);
    for (const path of [
      "/v1",
      "/v1/secrets",
      "/v1/secrets/x",
      "/v1/nothing",
      "//v1//nothing",
      "/%761/secrets",
    ]) {
      const answer = await ask("GET", path, { token: null });
      assert.equal(answer.status, 401, path);
      assert.equal(answer.headers["www-authenticate"], 'Keystone uri="http://identity.test/v3"');
      assert.deepEqual([answer.json["code"], answer.json["title"]], [401, "Unauthorized"]);
    }
    const unscoped = await ask("GET", "/v1/secrets", { token: "unscoped" });
    assert.equal(unscoped.status, 401);
    assert.equal(unscoped.headers["www-authenticate"], 'Keystone uri="http://identity.test/v3"');
    const away = await ask("GET", "/v1/secrets", { token: "away" });
    assert.equal(away.status, 503);
    assert.equal(away.headers["retry-after"], "1");
    assert.equal((await ask("GET", "/v1/secrets", { token: "x".repeat(3_500) })).status, 401);
    assert.equal((await ask("GET", "/v1/nothing")).status, 404);
    assert.equal((await ask("GET", "/nothing", { token: null })).status, 404);
  });

  it("agrees on a version", async (t) => {
    const { ask } = await startHarness(t);
    assert.equal((await ask("GET", "/", { token: null })).status, 300);
    const newer = await ask("GET", "/", { token: null, version: "1.1" });
    assert.deepEqual((newer.json["versions"] as { min_version: string }[])[0]?.min_version, "1.0");
    const latest = await ask("GET", "/v1/secrets", { version: "latest" });
    assert.equal(latest.headers["openstack-api-version"], "key-manager 1.2");
    assert.equal((await ask("GET", "/v1/secrets", { version: "1.3" })).status, 406);
    assert.equal((await ask("GET", "/v1/secrets", { version: "one" })).status, 400);
    const other = await ask("GET", "/v1/secrets", {
      headers: { "openstack-api-version": "compute 2.90" },
    });
    assert.equal(other.headers["openstack-api-version"], "key-manager 1.0");
  });

  it("takes no word of the request for who or where it is", async (t) => {
    const { ask } = await startHarness(t);
    const made = await ask("POST", "/v1/secrets", {
      body: { ...newKey, creator_id: "root", project_id: "other", status: "ERROR" },
      headers: {
        host: "evil.test",
        "x-forwarded-host": "evil.test",
        "x-forwarded-proto": "https",
        "x-roles": "admin",
        "x-project-id": "other",
        "x-user-id": "root",
      },
    });
    assert.ok((made.headers["location"] as string).startsWith(base));
    const { json } = await ask("GET", `/v1/secrets/${idOf(made.json["secret_ref"])}`);
    assert.equal(json["creator_id"], "alice");
    const stranger = await ask(
      "GET",
      `/v1/secrets/${idOf(made.json["secret_ref"])}/payload?target.secret.read=read&target.secret.project_id=other`,
      {
        token: "mallory/other/admin",
        headers: { "x-project-id": "p", "openstack-system-scope": "all" },
      },
    );
    assert.equal(stranger.status, 403);
  });
});

describe("the database file", () => {
  it("holds no payload in clear, and nothing of a deleted one", async (t) => {
    const folder = temporaryFolder(t);
    const store = await SqliteStore.open({ path: join(folder, "keys.db"), now: "2026-01-01" });
    const { ask } = await startHarness(t, { store });
    t.after(() => store.close());
    const payload = "a secret that would be seen";
    const made = await ask("POST", "/v1/secrets", {
      body: { payload, payload_content_type: "text/plain" },
    });
    const { findSecretWithPayload } = await import("../src/store/operations/secrets.ts");
    const id = idOf(made.json["secret_ref"]);
    const row = await store.read(findSecretWithPayload, { id, now: "2026-01-01" });
    const sealed = Buffer.from(row?.sealed ?? []);
    assert.ok(sealed.length > payload.length);
    const files = () =>
      Buffer.concat(["keys.db", "keys.db-wal"].map((name) => readFileSync(join(folder, name))));
    assert.equal(files().includes(payload), false);
    assert.equal(files().includes(sealed), true);
    await ask("DELETE", `/v1/secrets/${id}`);
    // The writer cuts its log soon after the last commit.
    while (files().includes(sealed)) await new Promise((resolve) => setTimeout(resolve, 50));
  });
});
