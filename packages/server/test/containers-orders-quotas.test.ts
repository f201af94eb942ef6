import assert from "node:assert/strict";
import { createPrivateKey, createPublicKey, type KeyObject } from "node:crypto";
import { describe, it } from "node:test";
import { base, type Harness, idOf, startHarness } from "./support/harness.ts";
import { until } from "./support/until.ts";

const text = { payload: "x", payload_content_type: "text/plain" };

async function newRef(ask: Harness["ask"], token = "alice/p/member"): Promise<string> {
  return String((await ask("POST", "/v1/secrets", { body: text, token })).json["secret_ref"]);
}

describe("a container", () => {
  it("holds secrets, loses those that are deleted, and leaves them when it goes", async (t) => {
    const { ask } = await startHarness(t, { acceptedAddresses: ["http://another.host"] });
    const [one, two] = [await newRef(ask), await newRef(ask)];
    const made = await ask("POST", "/v1/containers", {
      body: { type: "generic", name: "c", secret_refs: [{ secret_ref: one, name: "first" }] },
    });
    assert.equal(made.status, 201);
    const path = `/v1/containers/${idOf(made.json["container_ref"])}`;
    const found = (await ask("GET", path)).json;
    assert.deepEqual(Object.keys(found), [
      "created",
      "updated",
      "status",
      "name",
      "type",
      "creator_id",
      "secret_refs",
      "consumers",
      "container_ref",
    ]);
    assert.deepEqual(found["secret_refs"], [{ name: "first", secret_ref: one }]);
    const second = { secret_ref: two.replace(base, "http://another.host"), name: "second" };
    assert.equal((await ask("POST", `${path}/secrets`, { body: second })).status, 201);
    assert.equal((await ask("POST", `${path}/secrets`, { body: second })).status, 409);
    assert.equal((await ask("DELETE", `${path}/secrets`, { body: second })).status, 204);
    assert.equal((await ask("DELETE", `${path}/secrets`, { body: second })).status, 404);
    assert.equal((await ask("POST", `${path}/secrets`, { body: second })).status, 201);
    await ask("DELETE", `/v1/secrets/${idOf(one)}`);
    assert.equal(((await ask("GET", path)).json["secret_refs"] as object[]).length, 1);
    assert.equal((await ask("GET", "/v1/containers?name=c&type=generic")).json["total"], 1);
    assert.equal((await ask("GET", "/v1/containers?name=x")).json["total"], 0);
    assert.equal((await ask("PUT", path)).headers["allow"], "DELETE, GET");
    assert.equal((await ask("DELETE", path)).status, 204);
    assert.equal((await ask("DELETE", path)).status, 404);
    assert.equal((await ask("GET", `/v1/secrets/${idOf(two)}`)).status, 200);
    assert.deepEqual((await ask("GET", "/v1/containers")).json, { containers: [], total: 0 });
  });

  it("has the members that its type asks for", async (t) => {
    const { ask } = await startHarness(t);
    const refs = [await newRef(ask), await newRef(ask), await newRef(ask)];
    const named = (...names: (string | null | undefined)[]) =>
      names.map((name, n) => ({ secret_ref: refs[n], ...(name !== undefined && { name }) }));
    const cases: readonly (readonly [number, object])[] = [
      [201, { type: "rsa" }],
      [
        201,
        { type: "rsa", secret_refs: named("private_key", "public_key", "private_key_passphrase") },
      ],
      [400, { type: "rsa", secret_refs: named("private_key") }],
      [400, { type: "rsa", secret_refs: named("private_key", "public_key", "x") }],
      [201, { type: "certificate", secret_refs: named("certificate", "private_key") }],
      [400, { type: "certificate", secret_refs: named("private_key") }],
      [201, { type: "generic", name: null, secret_refs: named(undefined, null) }],
      [400, { type: "generic", secret_refs: named(undefined, undefined) }],
      [400, { type: "generic", secret_refs: named(undefined, "") }],
      [
        400,
        {
          type: "generic",
          secret_refs: [
            { secret_ref: refs[0], name: "a" },
            { secret_ref: refs[0], name: "b" },
          ],
        },
      ],
      [
        400,
        {
          type: "generic",
          secret_refs: [{ secret_ref: `http://evil.test/v1/secrets/${idOf(refs[0])}` }],
        },
      ],
      [
        404,
        {
          type: "generic",
          secret_refs: [{ secret_ref: `${base}/v1/secrets/00000000-0000-4000-8000-000000000000` }],
        },
      ],
      [400, { type: "generic", secret_refs: null }],
      [400, { type: "generic", secret_refs: ["x"] }],
      [400, { type: "dsa" }],
      [400, { type: "RSA" }],
      [400, {}],
    ];
    for (const [status, body] of cases)
      assert.equal(
        (await ask("POST", "/v1/containers", { body })).status,
        status,
        JSON.stringify(body),
      );
  });

  it("names who uses it", async (t) => {
    const { ask } = await startHarness(t);
    const made = await ask("POST", "/v1/containers", { body: { type: "generic" } });
    const id = idOf(made.json["container_ref"]);
    const path = `/v1/containers/${id}/consumers`;
    const consumer = { name: "lb", URL: "https://lb.test/1" };
    const added = await ask("POST", path, { body: { ...consumer, more: 1 } });
    assert.equal(added.status, 200);
    assert.equal(added.headers["location"], `${base}/v1/consumers/${id}/consumers`);
    assert.deepEqual(added.json["consumers"], [consumer]);
    await ask("POST", path, { body: consumer });
    const listed = (await ask("GET", path)).json;
    assert.equal(listed["total"], 1);
    assert.deepEqual(Object.keys((listed["consumers"] as object[])[0] ?? {}), [
      "created",
      "updated",
      "status",
      "name",
      "URL",
    ]);
    for (const body of [{ name: "x".repeat(37), URL: "u" }, { name: "", URL: "u" }, { name: "n" }])
      assert.equal((await ask("POST", path, { body })).status, 400);
    assert.equal((await ask("GET", `${path}/nothing`)).status, 404);
    assert.equal((await ask("GET", `${path}/00000000-0000-4000-8000-000000000000`)).status, 404);
    const removed = await ask("DELETE", path, { body: consumer });
    assert.deepEqual([removed.status, removed.json["consumers"]], [200, []]);
    assert.equal((await ask("DELETE", path, { body: consumer })).status, 404);
  });
});

const finished = async (ask: Harness["ask"], path: string) => {
  let order: Readonly<Record<string, unknown>> = {};
  await until(async () => {
    order = (await ask("GET", path)).json;
    return order["status"] !== "PENDING";
  });
  return order;
};
const order = async (ask: Harness["ask"], type: string, meta: object) => {
  const made = await ask("POST", "/v1/orders", { body: { type, meta } });
  assert.equal(made.status, 202, made.text);
  assert.equal(made.headers["location"], made.json["order_ref"]);
  return `/v1/orders/${idOf(made.json["order_ref"])}`;
};

/** Of a private key, as an order names it. */
function bitLengthOf({ asymmetricKeyDetails: details }: KeyObject): number {
  const curves = { prime256v1: 256, secp384r1: 384, secp521r1: 521 };
  return details?.modulusLength ?? curves[details?.namedCurve as keyof typeof curves] ?? 256;
}

describe("an order", () => {
  it("makes a key of the right length, at once", async (t) => {
    const { ask } = await startHarness(t);
    const path = await order(ask, "key", {
      name: "k",
      algorithm: "AES",
      bit_length: 512,
      mode: "XTS",
      custom: "kept",
    });
    const done = (await ask("GET", path)).json;
    assert.equal(done["status"], "ACTIVE");
    assert.deepEqual(done["meta"], {
      name: "k",
      algorithm: "AES",
      bit_length: 512,
      mode: "XTS",
      custom: "kept",
      expiration: null,
    });
    assert.deepEqual([done["sub_status"], done["sub_status_message"]], ["Unknown", "Unknown"]);
    const secret = `/v1/secrets/${idOf(done["secret_ref"])}`;
    const { json } = await ask("GET", secret);
    assert.deepEqual(
      [json["name"], json["secret_type"], json["bit_length"], json["mode"]],
      ["k", "symmetric", 512, "XTS"],
    );
    const payload = await ask("GET", `${secret}/payload`, {
      headers: { accept: "application/octet-stream" },
    });
    assert.equal(payload.bytes.length, 64);
    assert.equal((await ask("GET", "/v1/orders?meta=AES")).json["total"], 1);
    assert.equal((await ask("GET", "/v1/orders?meta=A%25")).json["total"], 0);
    assert.equal((await ask("GET", "/v1/orders?meta=512")).json["total"], 0);
    assert.equal((await ask("GET", path, { token: "mallory/other/admin" })).status, 404);
    assert.equal((await ask("DELETE", path, { token: "mallory/other/admin" })).status, 404);
    assert.equal((await ask("DELETE", path)).status, 204);
    assert.equal((await ask("GET", path)).status, 404);
    assert.equal((await ask("GET", secret)).status, 200);
  });

  it("refuses an empty passphrase, with which a private key would be in clear", async (t) => {
    const { ask } = await startHarness(t);
    for (const passphrase of [{ passphrase: "" }, { passphrase: " " }, { pass_phrase: "" }]) {
      const meta = { algorithm: "rsa", bit_length: 2048, ...passphrase };
      const answer = await ask("POST", "/v1/orders", { body: { type: "asymmetric", meta } });
      assert.equal(answer.status, 400, answer.text);
      assert.match(answer.text, /is empty; leave it out/);
    }
  });

  it("makes key pairs in a container, the passphrase sealed and out of sight", async (t) => {
    const { ask } = await startHarness(t);
    for (const [algorithm, bits, type, kind] of [
      ["rsa", 2048, "rsa", "rsa"],
      ["rsa", 3072, "rsa", "rsa"],
      ["ec", 256, "generic", "ec"],
      ["ec", 384, "generic", "ec"],
      ["ec", 521, "generic", "ec"],
      ["ed25519", 256, "generic", "ed25519"],
      ["dsa", 1024, "dsa", "dsa"],
    ] as const) {
      const path = await order(ask, "asymmetric", {
        name: "pair",
        algorithm,
        bit_length: bits,
        pass_phrase: "hush",
      });
      assert.equal((await ask("GET", path)).text.includes("hush"), false);
      const done = await finished(ask, path);
      assert.equal(done["status"], "ACTIVE", JSON.stringify(done));
      const container = (await ask("GET", `/v1/containers/${idOf(done["container_ref"])}`)).json;
      assert.deepEqual([container["type"], container["name"]], [type, "pair"]);
      const members = container["secret_refs"] as { name: string; secret_ref: string }[];
      assert.deepEqual(
        members.map(({ name }) => name),
        ["private_key", "public_key", "private_key_passphrase"],
      );
      const payload = async (n: number) =>
        (await ask("GET", `/v1/secrets/${idOf(members[n]?.secret_ref)}/payload`)).bytes;
      const form =
        algorithm === "dsa"
          ? { format: "der" as const, type: "pkcs8" as const }
          : { format: "pem" as const };
      const key = createPrivateKey({ key: await payload(0), ...form, passphrase: "hush" });
      assert.equal(key.asymmetricKeyType, kind);
      assert.equal(bitLengthOf(key), bits);
      const open =
        algorithm === "dsa"
          ? { format: "der" as const, type: "spki" as const }
          : { format: "pem" as const };
      const pair = createPublicKey({ key: await payload(1), ...open });
      assert.ok(pair.equals(createPublicKey(key)));
      assert.equal((await payload(2)).toString(), "hush");
    }
  });

  it("ends in error with a reason that helps, or is refused", async (t) => {
    const { ask } = await startHarness(t);
    for (const [type, meta] of [
      ["key", { algorithm: "rot13", bit_length: 256 }],
      ["key", { algorithm: "aes", bit_length: 136 }],
      ["asymmetric", { algorithm: "rsa", bit_length: 1016 }],
      ["asymmetric", { algorithm: "diffie_hellman", bit_length: 2048 }],
    ] as const) {
      const json = (await ask("GET", await order(ask, type, meta))).json;
      assert.equal(json["status"], "ERROR");
      assert.equal(json["error_status_code"], "400");
      assert.match(String(json["error_reason"]), /bits|algorithm/);
      assert.equal("sub_status" in json, false);
    }
    for (const body of [
      { type: "Key", meta: { algorithm: "aes", bit_length: 256 } },
      { type: "certificate", meta: {} },
      { type: "key" },
      { type: "key", meta: { algorithm: "aes" } },
      { type: "key", meta: { bit_length: 256 } },
      { type: "key", meta: { algorithm: "", bit_length: 256 } },
      { type: "key", meta: { algorithm: "aes", bit_length: 255 } },
      { type: "key", meta: { algorithm: "aes", bit_length: 256, payload: "x" } },
      {
        type: "key",
        meta: { algorithm: "aes", bit_length: 256, payload_content_type: "image/png" },
      },
    ])
      assert.equal((await ask("POST", "/v1/orders", { body })).status, 400, JSON.stringify(body));
    assert.equal((await ask("PUT", "/v1/orders", { body: {} })).status, 405);
    assert.equal((await ask("PUT", "/v1/orders", { body: {}, token: "r/p/reader" })).status, 403);
    assert.equal((await ask("PATCH", "/v1/orders")).headers["allow"], "GET, POST, PUT");
  });
});

describe("quotas", () => {
  it("are kept by many who write at once", async (t) => {
    const { ask } = await startHarness(t, { defaultQuotas: { secrets: 3 } });
    const answers = await Promise.all(
      Array.from({ length: 20 }, () => ask("POST", "/v1/secrets", { body: {} })),
    );
    assert.equal(answers.filter(({ status }) => status === 201).length, 3);
    assert.equal(answers.filter(({ status }) => status === 403).length, 17);
  });

  const admin = { token: "root/p/admin" };

  it("hold for each kind, and free a place when something goes", async (t) => {
    const { ask } = await startHarness(t, { defaultQuotas: { containers: 0 } });
    assert.deepEqual((await ask("GET", "/v1/quotas")).json, {
      quotas: { secrets: -1, orders: -1, containers: 0, consumers: -1, cas: -1 },
    });
    const quotas = { secrets: 2, orders: 1 };
    const path = "/v1/project-quotas/p";
    assert.equal((await ask("GET", path, admin)).status, 404);
    assert.equal(
      (await ask("PUT", path, { ...admin, body: { project_quotas: quotas } })).status,
      204,
    );
    assert.deepEqual((await ask("GET", path, admin)).json, {
      project_quotas: { secrets: 2, orders: 1, containers: null, consumers: null, cas: null },
    });
    const answers = await Promise.all(
      Array.from({ length: 6 }, () => ask("POST", "/v1/secrets", { body: {} })),
    );
    assert.equal(answers.filter(({ status }) => status === 201).length, 2);
    assert.equal(answers.filter(({ status }) => status === 403).length, 4);
    const ref = answers.find(({ status }) => status === 201)?.json["secret_ref"];
    await ask("DELETE", `/v1/secrets/${idOf(ref)}`);
    assert.equal((await ask("POST", "/v1/secrets", { body: {} })).status, 201);
    assert.equal((await ask("POST", "/v1/containers", { body: { type: "generic" } })).status, 403);
    const body = { type: "key", meta: { algorithm: "aes", bit_length: 256 } };
    assert.equal((await ask("POST", "/v1/orders", { body })).status, 403);
    const more = { project_quotas: { secrets: 4 } };
    assert.equal((await ask("PUT", path, { ...admin, body: more })).status, 204);
    assert.equal((await ask("POST", "/v1/orders", { body })).status, 202);
    assert.equal((await ask("POST", "/v1/orders", { body })).status, 403);
    const listed = (await ask("GET", "/v1/project-quotas", admin)).json;
    assert.equal(listed["total"], 1);
    assert.equal((await ask("DELETE", path, admin)).status, 204);
    assert.equal((await ask("DELETE", path, admin)).status, 404);
    assert.equal((await ask("POST", "/v1/secrets", { body: {} })).status, 201);
  });

  it("are set by administrators, in integers", async (t) => {
    const { ask } = await startHarness(t);
    const path = "/v1/project-quotas/any%20text";
    for (const body of [
      {},
      { project_quotas: { secret: 1 } },
      { project_quotas: { secrets: "1" } },
      { project_quotas: { secrets: 1.5 } },
      { project_quotas: {}, x: 1 },
    ])
      assert.equal((await ask("PUT", path, { ...admin, body })).status, 400, JSON.stringify(body));
    assert.equal((await ask("PUT", path, { body: { project_quotas: {} } })).status, 403);
    assert.equal(
      (await ask("PUT", path, { ...admin, body: { project_quotas: { secrets: 5 } } })).status,
      204,
    );
    assert.equal(
      (await ask("PUT", path, { ...admin, body: { project_quotas: { orders: 6 } } })).status,
      204,
    );
    const { project_quotas: found } = (await ask("GET", path, admin)).json as {
      project_quotas: Record<string, unknown>;
    };
    assert.deepEqual([found["secrets"], found["orders"]], [5, 6]);
    assert.equal((await ask("GET", "/v1/project-quotas/%00", admin)).status, 400);
  });
});

describe("what this server has none of", () => {
  it("says so, after it has asked for the right", async (t) => {
    const { ask } = await startHarness(t);
    const reader = { token: "r/p/reader" };
    assert.equal((await ask("GET", "/v1/secret-stores")).status, 404);
    assert.equal((await ask("GET", "/v1/secret-stores", { token: "n/p/none" })).status, 403);
    assert.equal((await ask("POST", "/v1/secret-stores/x/preferred", reader)).status, 403);
    assert.deepEqual((await ask("GET", "/v1/transport_keys", reader)).json, {
      transport_keys: [],
      total: 0,
    });
    assert.equal((await ask("GET", "/v1/transport_keys/x", reader)).status, 404);
    assert.equal((await ask("POST", "/v1/transport_keys", reader)).status, 403);
    assert.equal((await ask("POST", "/v1/transport_keys", { token: "a/p/admin" })).status, 400);
    assert.equal((await ask("PUT", "/v1/transport_keys")).status, 405);
  });
});
