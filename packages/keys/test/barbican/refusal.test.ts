import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { holds } from "../../../../scripts/random-runs.ts";
import { refusal } from "../../src/barbican/client/refusal.ts";
import { BarbicanClient } from "../../src/barbican/index.ts";
import { KeyManagerError, keystoneCaller, SecretBytes } from "../../src/index.ts";
import { showsNone } from "../refuses.ts";

const id = "5ce7ab30-5c1f-4a3b-9d56-0a1b2c3d4e5f" as never;
const caller = keystoneCaller({ token: "the-token" });
const consumer = { service: "s", resourceType: "r", resourceId: "i" };
const payload = { bytes: SecretBytes.fromText("the-payload"), contentType: "text/plain" };
const meta = { algorithm: "aes", bitLength: 256 };

/** Every kind of call of the client, and the one status that means that it was done. */
const calls: readonly (readonly [string, number, (client: BarbicanClient) => Promise<unknown>])[] =
  [
    ["secrets.create", 201, (c) => c.secrets.create(caller, { type: "opaque", payload })],
    ["secrets.create without payload", 201, (c) => c.secrets.create(caller, { type: "opaque" })],
    ["secrets.putPayload", 204, (c) => c.secrets.putPayload(caller, id, payload)],
    ["secrets.get", 200, (c) => c.secrets.get(caller, id)],
    ["secrets.payload", 200, (c) => c.secrets.payload(caller, id)],
    ["secrets.list", 200, (c) => c.secrets.list(caller)],
    ["secrets.delete", 204, (c) => c.secrets.delete(caller, id)],
    ["secretMetadata.all", 200, (c) => c.secretMetadata.all(caller, id)],
    ["secretMetadata.replace", 201, (c) => c.secretMetadata.replace(caller, id, {})],
    ["secretMetadata.get", 200, (c) => c.secretMetadata.get(caller, id, "k")],
    ["secretMetadata.add", 201, (c) => c.secretMetadata.add(caller, id, "k", "v")],
    ["secretMetadata.set", 200, (c) => c.secretMetadata.set(caller, id, "k", "v")],
    ["secretMetadata.remove", 204, (c) => c.secretMetadata.remove(caller, id, "k")],
    ["secretConsumers.add", 200, (c) => c.secretConsumers.add(caller, id, consumer)],
    ["secretConsumers.remove", 200, (c) => c.secretConsumers.remove(caller, id, consumer)],
    ["secretConsumers.list", 200, (c) => c.secretConsumers.list(caller, id)],
    ["secretAcls.get", 200, (c) => c.secretAcls.get(caller, id)],
    [
      "secretAcls.replace",
      200,
      (c) => c.secretAcls.replace(caller, id, { projectAccess: true, userIds: [] }),
    ],
    ["secretAcls.update", 200, (c) => c.secretAcls.update(caller, id, {})],
    ["secretAcls.delete", 200, (c) => c.secretAcls.delete(caller, id)],
    ["orders.create", 202, (c) => c.orders.create(caller, "key", meta)],
    ["orders.get", 200, (c) => c.orders.get(caller, id)],
    ["orders.list", 200, (c) => c.orders.list(caller)],
    ["orders.delete", 204, (c) => c.orders.delete(caller, id)],
    [
      "containers.create",
      201,
      (c) => c.containers.create(caller, { type: "generic", members: [] }),
    ],
    ["containers.get", 200, (c) => c.containers.get(caller, id)],
    ["containers.list", 200, (c) => c.containers.list(caller)],
    ["containers.delete", 204, (c) => c.containers.delete(caller, id)],
    [
      "containers.addSecret",
      201,
      (c) => c.containers.addSecret(caller, id, { name: "n", secretId: id }),
    ],
    [
      "containers.removeSecret",
      204,
      (c) => c.containers.removeSecret(caller, id, { name: "n", secretId: id }),
    ],
    [
      "containerConsumers.add",
      200,
      (c) => c.containerConsumers.add(caller, id, { name: "n", url: "u" }),
    ],
    ["quotas.effective", 200, (c) => c.quotas.effective(caller)],
    ["quotas.listProjects", 200, (c) => c.quotas.listProjects(caller)],
    ["quotas.project", 200, (c) => c.quotas.project(caller, "p")],
    ["quotas.setProject", 204, (c) => c.quotas.setProject(caller, "p", { secrets: 1 })],
    ["quotas.resetProject", 204, (c) => c.quotas.resetProject(caller, "p")],
    ["secretStores.list", 200, (c) => c.secretStores.list(caller)],
    ["secretStores.globalDefault", 200, (c) => c.secretStores.globalDefault(caller)],
    ["secretStores.preferred", 200, (c) => c.secretStores.preferred(caller)],
    ["secretStores.get", 200, (c) => c.secretStores.get(caller, id)],
    ["secretStores.prefer", 204, (c) => c.secretStores.prefer(caller, id)],
    ["secretStores.unprefer", 204, (c) => c.secretStores.unprefer(caller, id)],
    ["transportKeys.list", 200, (c) => c.transportKeys.list(caller)],
    ["transportKeys.get", 200, (c) => c.transportKeys.get(caller, id)],
    [
      "transportKeys.create",
      201,
      (c) => c.transportKeys.create(caller, { pluginName: "p", transportKey: "k" }),
    ],
    ["transportKeys.delete", 204, (c) => c.transportKeys.delete(caller, id)],
  ];

/** Answers every request with one status; with a body that has all that any call looks for. */
function answering(status: number, more: object) {
  const ref = `http://b/v1/x/${id as string}`;
  const time = "2026-01-01T00:00:00";
  const numbers = { secrets: 1, orders: 1, containers: 1, consumers: 1, cas: 1 };
  const empty = Object.fromEntries(
    ["secrets", "orders", "containers", "project_quotas", "transport_keys", "secret_stores"]
      .concat("secret_refs", "consumers")
      .map((name) => [name, []]),
  );
  const refs = Object.fromEntries(
    ["secret_ref", "order_ref", "container_ref", "transport_key_ref", "secret_store_ref"].map(
      (name) => [name, ref],
    ),
  );
  const document = {
    ...empty,
    ...refs,
    created: time,
    updated: time,
    status: "ACTIVE",
    secret_type: "opaque",
    type: "key",
    meta: {},
    name: "n",
    value: "v",
    metadata: {},
    read: {},
    total: 0,
    secret_store_plugin: "p",
    plugin_name: "p",
    transport_key: "k",
    quotas: numbers,
  };
  const body = { ...document, ...more };
  const bodyless = [101, 204, 205, 304].includes(status) || status < 200;
  return new BarbicanClient({
    endpoint: "http://b",
    microversion: "1.1",
    retries: 0,
    fetch: async () =>
      ({
        status,
        headers: new Headers(),
        body: bodyless ? null : new Response(JSON.stringify(body)).body,
      }) as Response,
  });
}

describe("the table of refusals", () => {
  for (const [label, success, call] of calls) {
    it(`${label} is done at ${success}, and at no other status`, async () => {
      const more = label === "quotas.project" ? { project_quotas: {} } : {};
      await call(answering(success, more));
      for (let status = 100; status < 600; status += 1) {
        if (status === success) continue;
        const error = await call(answering(status, more)).then(
          () => assert.fail(`status ${status} passed for success`),
          (thrown: unknown) => thrown,
        );
        assert.ok(error instanceof KeyManagerError, `${status}: ${String(error)}`);
        assert.match(error.message, new RegExp(`status ${status}`));
      }
    });
  }

  for (const [status, code] of [
    [400, "invalid_argument"],
    [401, "unauthenticated"],
    [403, "forbidden"],
    [404, "not_found"],
    [409, "conflict"],
    [413, "invalid_argument"],
    [429, "unavailable"],
    [500, "unavailable"],
    [502, "unavailable"],
    [503, "unavailable"],
    [504, "unavailable"],
    [405, "bad_response"],
    [406, "bad_response"],
    [415, "bad_response"],
    [418, "bad_response"],
    [501, "bad_response"],
    [200, "bad_response"],
    [302, "bad_response"],
  ] as const) {
    it(`takes Barbican's own ${status} for ${code}`, () => {
      assert.equal(refused(status, { code: status, title: "x", description: "Said." }).code, code);
    });
  }

  for (const [label, body] of [
    ["a proxy's page", "<html>404 Not Found</html>"],
    ["an empty body", ""],
    ["another service's JSON", '{"error": {"code": 404, "message": "no"}}'],
    ["another code", '{"code": 400, "title": "x", "description": "y"}'],
  ] as const) {
    it(`does not take ${label} with status 404 for a missing object`, () => {
      assert.equal(refused(404, body).code, "bad_response");
    });
  }

  it("takes its router's 404 and 405 for a call that this Barbican does not have", () => {
    for (const status of [404, 405]) {
      const error = refused(status, { code: status, title: "Not Found", description: "" });
      assert.equal(error.code, "unsupported");
      assert.match(error.message, /is it too old\?/);
    }
  });

  it("tells an exhausted quota from a refused right on quotas", () => {
    const reached =
      "Order creation issue seen - Creation not allowed because a quota has been reached.";
    assert.equal(refused(403, { code: 403, description: reached }).code, "quota_exceeded");
    const right = "Quotas attempt not allowed - please review your user/project privileges";
    assert.equal(refused(403, { code: 403, description: right }).code, "forbidden");
  });

  it("repeats what Barbican says, shortened and on one line", () => {
    const description = `first\nsecond\u001b[31m ${"x".repeat(500)}`;
    const { message } = refused(400, { code: 400, description });
    assert.match(message, /^GET secrets: status 400: first second \[31m x+$/);
    assert.ok(message.length < 400);
  });

  it("names Barbican's id of the request, for its log", () => {
    assert.match(
      refused(500, "", { "x-openstack-request-id": "req-1" }).message,
      /later \(req-1\)$/,
    );
    assert.ok(!refused(500, "", { "x-openstack-request-id": "a b\nc" }).message.includes("a b"));
  });

  it("repeats nothing that was said of a request with a secret but the property", (t) => {
    const secrets = { carriedSecret: true, tokens: [] };
    const said = "'the-payload' is too long. Invalid property: 'payload'";
    const response = answer(400, { code: 400, description: said }, {});
    const error = refusal("POST secrets", response, secrets);
    assert.equal(error.message, "POST secrets: status 400: the property payload is not valid");
    holds(
      t,
      fc.property(fc.string({ minLength: 12 }), (description) => {
        const any = refusal("x", answer(400, { code: 400, description }, {}), secrets);
        showsNone(any, description.trim().length < 12 ? [] : [description]);
      }),
    );
  });

  it("repeats nothing that holds an identity token", () => {
    const response = answer(400, { code: 400, description: "who is the-token?" }, {});
    showsNone(refusal("x", response, { carriedSecret: false, tokens: ["the-token"] }), [
      "the-token",
    ]);
  });

  it("is made of any answer at all", (t) => {
    holds(
      t,
      fc.property(
        fc.integer({ min: 100, max: 999 }),
        fc.jsonValue(),
        fc.uint8Array(),
        (status, json, bytes) => {
          for (const body of [json as object, Buffer.from(bytes).toString("latin1")]) {
            assert.ok(refused(status, body) instanceof KeyManagerError);
          }
        },
      ),
    );
  });
});

function answer(status: number, body: object | string, headers: Record<string, string>) {
  const text = typeof body === "string" ? body : (JSON.stringify(body) ?? "");
  return { status, headers: new Map(Object.entries(headers)), body: Buffer.from(text) };
}

function refused(status: number, body: object | string, headers: Record<string, string> = {}) {
  return refusal("GET secrets", answer(status, body, headers), {
    carriedSecret: false,
    tokens: [],
  });
}
