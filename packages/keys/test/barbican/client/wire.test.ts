import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { BarbicanClient } from "../../../src/barbican/index.ts";
import { keystoneCaller, SecretBytes } from "../../../src/index.ts";
import { refuses } from "../../refuses.ts";

const id = "5ce7ab30-5c1f-4a3b-9d56-0a1b2c3d4e5f" as never;
const other = "0b5bb9f4-3c0e-4a39-9f4e-0c4a3a0e6d11" as never;
const caller = keystoneCaller({ token: "the-token" });
const ref = (kind: string) => `http://configured-elsewhere/v1/${kind}/${id as string}`;
const times = { created: "2026-01-01T00:00:00", updated: "2026-01-01T00:00:01.5" };

interface Wire {
  readonly request: string;
  readonly headers: Headers;
  readonly body: unknown;
}

/** Answers one call, and shows what crossed the wire. */
async function exchange<T>(
  call: (client: BarbicanClient) => Promise<T>,
  reply: { readonly status: number; readonly json?: unknown; readonly bytes?: Uint8Array },
): Promise<{ readonly wire: Wire; readonly result: T }> {
  const wires: Wire[] = [];
  const client = new BarbicanClient({
    endpoint: "http://b:9311/v1/",
    microversion: "1.1",
    retries: 0,
    fetch: async (url, init) => {
      const body = Buffer.from((init?.body as Uint8Array | undefined) ?? []).toString();
      const headers = new Headers(init?.headers);
      const isJson = headers.get("content-type") === "application/json";
      const at = new Request(url).url.replace("http://b:9311/v1/", "");
      wires.push({
        request: `${init?.method ?? ""} ${at}`,
        headers,
        body: isJson ? JSON.parse(body) : body,
      });
      const text = reply.json === undefined ? null : JSON.stringify(reply.json);
      return new Response((reply.bytes as Uint8Array<ArrayBuffer> | undefined) ?? text, {
        status: reply.status,
      });
    },
  });
  const result = await call(client);
  const [wire, ...more] = wires;
  assert.ok(wire !== undefined && more.length === 0, "one request");
  return { wire, result };
}

const consumer = { service: "volume", resourceType: "disk", resourceId: "1" };
const wireConsumer = { service: "volume", resource_type: "disk", resource_id: "1" };
const wireSecret = {
  ...times,
  status: "ACTIVE",
  name: "n",
  secret_type: "symmetric",
  expiration: null,
  algorithm: "AES",
  bit_length: 256,
  mode: null,
  creator_id: "u",
  consumers: [wireConsumer],
  content_types: { default: "application/octet-stream" },
  secret_ref: ref("secrets"),
};
const secret = {
  ...times,
  id,
  type: "symmetric",
  status: "ACTIVE",
  name: "n",
  algorithm: "AES",
  bitLength: 256,
  mode: undefined,
  expiration: undefined,
  creatorId: "u",
  contentType: "application/octet-stream",
  consumers: [consumer],
};
const wireOrder = {
  ...times,
  status: "ACTIVE",
  sub_status: "Unknown",
  type: "key",
  meta: { name: "n", algorithm: "aes", expiration: null },
  creator_id: "u",
  order_ref: ref("orders"),
  secret_ref: ref("secrets"),
};
const order = {
  id,
  type: "key",
  status: "ACTIVE",
  name: "n",
  created: times.created,
  creatorId: "u",
  secretId: id,
  containerId: undefined,
  errorStatusCode: undefined,
  errorReason: undefined,
};
const wireContainer = {
  ...times,
  status: "ACTIVE",
  name: null,
  type: "rsa",
  creator_id: "u",
  secret_refs: [
    { name: "private_key", secret_ref: ref("secrets") },
    { secret_ref: ref("secrets") },
  ],
  consumers: [{ name: "lb", URL: "http://lb" }],
  container_ref: ref("containers"),
};
const container = {
  id,
  type: "rsa",
  status: "ACTIVE",
  name: undefined,
  created: times.created,
  creatorId: "u",
  members: [
    { name: "private_key", secretId: id },
    { name: undefined, secretId: id },
  ],
  consumers: [{ name: "lb", url: "http://lb" }],
};
const wireStore = {
  ...times,
  status: "ACTIVE",
  name: "soft",
  secret_store_plugin: "store_crypto",
  crypto_plugin: null,
  global_default: true,
  secret_store_ref: ref("secret-stores"),
};
const store = {
  id,
  name: "soft",
  status: "ACTIVE",
  secretStorePlugin: "store_crypto",
  cryptoPlugin: undefined,
  globalDefault: true,
};
const quotas = { secrets: 1, orders: -1, containers: 0, consumers: 5, cas: -1 };
const expiration = new Date("2126-01-01T00:00:00Z");
const opaque = {
  bytes: new SecretBytes(Uint8Array.of(1, 2, 255)),
  contentType: "application/octet-stream",
};
const text = { bytes: SecretBytes.fromText(" ü\n"), contentType: "text/plain" };
const uuid = id as string;

type Call = (client: BarbicanClient) => Promise<unknown>;

/** Each call: its request line, its body, its answer, and what that is read as. */
const table: readonly (readonly [Call, string, unknown, number, unknown, unknown?])[] = [
  [
    (c) =>
      c.secrets.create(caller, {
        type: "symmetric",
        name: "n",
        algorithm: "aes",
        bitLength: 24,
        mode: "cbc",
        expiration,
        payload: opaque,
      }),
    "POST secrets",
    {
      secret_type: "symmetric",
      name: "n",
      algorithm: "aes",
      bit_length: 24,
      mode: "cbc",
      expiration: "2126-01-01T00:00:00.000Z",
      payload: "AQL/",
      payload_content_type: "application/octet-stream",
      payload_content_encoding: "base64",
    },
    201,
    { secret_ref: ref("secrets") },
    id,
  ],
  [
    (c) => c.secrets.create(caller, { type: "opaque", payload: text }),
    "POST secrets",
    { secret_type: "opaque", payload: " ü\n", payload_content_type: "text/plain" },
    201,
    { secret_ref: `${ref("secrets")}/` },
    id,
  ],
  [
    (c) => c.secrets.create(caller, { type: "opaque", transportKeyId: uuid }),
    "POST secrets",
    { secret_type: "opaque", transport_key_id: uuid },
    201,
    { secret_ref: ref("secrets") },
    id,
  ],
  [(c) => c.secrets.get(caller, id), `GET secrets/${uuid}`, "", 200, wireSecret, secret],
  [
    (c) =>
      c.secrets.list(
        caller,
        {
          name: "a b",
          bits: 8,
          secret_type: "opaque",
          acl_only: true,
          created: "gte:x",
          sort: ["created:asc", "name:desc"],
        },
        { limit: 7, offset: 3 },
      ),
    "GET secrets?name=a+b&bits=8&secret_type=opaque&created=gte%3Ax&sort=created%3Aasc%2Cname%3Adesc&acl_only=true&limit=7&offset=3",
    "",
    200,
    { secrets: [wireSecret], total: 12, next: "http://elsewhere" },
    { items: [secret], total: 12 },
  ],
  [
    (c) => c.secrets.list(caller),
    "GET secrets?limit=100&offset=0",
    "",
    200,
    { secrets: [], total: 0 },
    { items: [], total: 0 },
  ],
  [(c) => c.secrets.delete(caller, id), `DELETE secrets/${uuid}`, "", 204, undefined],
  [
    (c) => c.secrets.delete(caller, id, { force: true }),
    `DELETE secrets/${uuid}?force=true`,
    "",
    204,
    undefined,
  ],
  [
    (c) => c.secretMetadata.all(caller, id),
    `GET secrets/${uuid}/metadata`,
    "",
    200,
    { metadata: { a: "1", __proto__x: "2" } },
    { a: "1", __proto__x: "2" },
  ],
  [
    (c) => c.secretMetadata.replace(caller, id, { a: "1" }),
    `PUT secrets/${uuid}/metadata`,
    { metadata: { a: "1" } },
    201,
    { metadata_ref: "x" },
  ],
  [
    (c) => c.secretMetadata.get(caller, id, "a"),
    `GET secrets/${uuid}/metadata/a`,
    "",
    200,
    { key: "a", value: "1" },
    "1",
  ],
  [
    (c) => c.secretMetadata.add(caller, id, "a", "1"),
    `POST secrets/${uuid}/metadata`,
    { key: "a", value: "1" },
    201,
    { key: "a", value: "1" },
  ],
  [
    (c) => c.secretMetadata.set(caller, id, "a", "1"),
    `PUT secrets/${uuid}/metadata/a`,
    { key: "a", value: "1" },
    200,
    { key: "a", value: "1" },
  ],
  [
    (c) => c.secretMetadata.remove(caller, id, "a"),
    `DELETE secrets/${uuid}/metadata/a`,
    "",
    204,
    undefined,
  ],
  [
    (c) => c.secretConsumers.add(caller, id, consumer),
    `POST secrets/${uuid}/consumers`,
    wireConsumer,
    200,
    wireSecret,
  ],
  [
    (c) => c.secretConsumers.remove(caller, id, consumer),
    `DELETE secrets/${uuid}/consumers`,
    wireConsumer,
    200,
    wireSecret,
  ],
  [
    (c) => c.secretConsumers.list(caller, id, { limit: 1 }),
    `GET secrets/${uuid}/consumers?limit=1&offset=0`,
    "",
    200,
    { consumers: [{ ...times, status: "ACTIVE", ...wireConsumer }], total: 1 },
    { items: [consumer], total: 1 },
  ],
  [
    (c) => c.containerConsumers.add(caller, id, { name: "lb", url: "u" }),
    `POST containers/${uuid}/consumers`,
    { name: "lb", URL: "u" },
    200,
    wireContainer,
  ],
  [
    (c) => c.containerConsumers.remove(caller, id, { name: "lb", url: "u" }),
    `DELETE containers/${uuid}/consumers`,
    { name: "lb", URL: "u" },
    200,
    wireContainer,
  ],
  [
    (c) => c.containerConsumers.list(caller, id),
    `GET containers/${uuid}/consumers?limit=100&offset=0`,
    "",
    200,
    { consumers: [{ name: "lb", URL: "u" }], total: 1 },
    { items: [{ name: "lb", url: "u" }], total: 1 },
  ],
  [
    (c) => c.secretAcls.get(caller, id),
    `GET secrets/${uuid}/acl`,
    "",
    200,
    { read: { "project-access": true } },
    { projectAccess: true, userIds: [] },
  ],
  [
    (c) => c.containerAcls.get(caller, id),
    `GET containers/${uuid}/acl`,
    "",
    200,
    { read: { ...times, users: ["u"], "project-access": false } },
    { projectAccess: false, userIds: ["u"] },
  ],
  [
    (c) => c.secretAcls.replace(caller, id, { projectAccess: false, userIds: ["u"] }),
    `PUT secrets/${uuid}/acl`,
    { read: { users: ["u"], "project-access": false } },
    200,
    { acl_ref: "x" },
  ],
  [
    (c) => c.secretAcls.update(caller, id, { userIds: [] }),
    `PATCH secrets/${uuid}/acl`,
    { read: { users: [] } },
    200,
    { acl_ref: "x" },
  ],
  [(c) => c.containerAcls.delete(caller, id), `DELETE containers/${uuid}/acl`, "", 200, null],
  [
    (c) =>
      c.orders.create(caller, "key", {
        name: "n",
        algorithm: "aes",
        bitLength: 512,
        mode: "xts",
        expiration,
      }),
    "POST orders",
    {
      type: "key",
      meta: {
        name: "n",
        algorithm: "aes",
        bit_length: 512,
        mode: "xts",
        expiration: "2126-01-01T00:00:00.000Z",
        payload_content_type: "application/octet-stream",
      },
    },
    202,
    { order_ref: ref("orders") },
    id,
  ],
  [(c) => c.orders.get(caller, id), `GET orders/${uuid}`, "", 200, wireOrder, order],
  [
    (c) => c.orders.get(caller, id),
    `GET orders/${uuid}`,
    "",
    200,
    {
      ...wireOrder,
      secret_ref: undefined,
      status: "ERROR",
      error_status_code: "400",
      error_reason: "why",
    },
    { ...order, secretId: undefined, status: "ERROR", errorStatusCode: "400", errorReason: "why" },
  ],
  [
    (c) => c.orders.list(caller, { meta: "n" }),
    "GET orders?meta=n&limit=100&offset=0",
    "",
    200,
    { orders: [wireOrder], total: 1 },
    { items: [order], total: 1 },
  ],
  [(c) => c.orders.delete(caller, id), `DELETE orders/${uuid}`, "", 204, undefined],
  [
    (c) =>
      c.containers.create(caller, {
        type: "generic",
        name: "n",
        members: [
          { name: "m", secretId: other },
          { name: undefined, secretId: id },
        ],
      }),
    "POST containers",
    {
      type: "generic",
      name: "n",
      secret_refs: [
        { name: "m", secret_ref: `http://b:9311/v1/secrets/${other as string}` },
        { secret_ref: `http://b:9311/v1/secrets/${uuid}` },
      ],
    },
    201,
    { container_ref: ref("containers") },
    id,
  ],
  [
    (c) => c.containers.get(caller, id),
    `GET containers/${uuid}`,
    "",
    200,
    wireContainer,
    container,
  ],
  [
    (c) => c.containers.list(caller, { name: "n", type: "rsa" }),
    "GET containers?name=n&type=rsa&limit=100&offset=0",
    "",
    200,
    { containers: [wireContainer], total: 1 },
    { items: [container], total: 1 },
  ],
  [(c) => c.containers.delete(caller, id), `DELETE containers/${uuid}`, "", 204, undefined],
  [
    (c) => c.containers.addSecret(caller, id, { name: "m", secretId: other }),
    `POST containers/${uuid}/secrets`,
    { name: "m", secret_ref: `http://b:9311/v1/secrets/${other as string}` },
    201,
    { container_ref: "x" },
  ],
  [
    (c) => c.containers.removeSecret(caller, id, { name: "m", secretId: other }),
    `DELETE containers/${uuid}/secrets`,
    { name: "m", secret_ref: `http://b:9311/v1/secrets/${other as string}` },
    204,
    undefined,
  ],
  [(c) => c.quotas.effective(caller), "GET quotas", "", 200, { quotas }, quotas],
  [
    (c) => c.quotas.project(caller, "p/1"),
    "GET project-quotas/p%2F1",
    "",
    200,
    { project_quotas: { secrets: 3, orders: null } },
    { secrets: 3 },
  ],
  [
    (c) => c.quotas.listProjects(caller, { offset: 2 }),
    "GET project-quotas?limit=100&offset=2",
    "",
    200,
    { project_quotas: [{ project_id: "p", project_quotas: { secrets: 3, cas: null } }], total: 3 },
    { items: [{ projectId: "p", quotas: { secrets: 3 } }], total: 3 },
  ],
  [
    (c) => c.quotas.setProject(caller, "p", { secrets: 3 }),
    "PUT project-quotas/p",
    { project_quotas: { secrets: 3 } },
    204,
    undefined,
  ],
  [(c) => c.quotas.resetProject(caller, "p"), "DELETE project-quotas/p", "", 204, undefined],
  [
    (c) => c.secretStores.list(caller),
    "GET secret-stores",
    "",
    200,
    { secret_stores: [wireStore] },
    [store],
  ],
  [
    (c) => c.secretStores.globalDefault(caller),
    "GET secret-stores/global-default",
    "",
    200,
    wireStore,
    store,
  ],
  [
    (c) => c.secretStores.preferred(caller),
    "GET secret-stores/preferred",
    "",
    200,
    wireStore,
    store,
  ],
  [(c) => c.secretStores.get(caller, id), `GET secret-stores/${uuid}`, "", 200, wireStore, store],
  [
    (c) => c.secretStores.prefer(caller, id),
    `POST secret-stores/${uuid}/preferred`,
    "",
    204,
    undefined,
  ],
  [
    (c) => c.secretStores.unprefer(caller, id),
    `DELETE secret-stores/${uuid}/preferred`,
    "",
    204,
    undefined,
  ],
  [
    (c) => c.transportKeys.list(caller, { pluginName: "p" }),
    "GET transport_keys?plugin_name=p&limit=100&offset=0",
    "",
    200,
    { transport_keys: [ref("transport_keys")], total: 1 },
    { items: [id], total: 1 },
  ],
  [
    (c) => c.transportKeys.get(caller, id),
    `GET transport_keys/${uuid}`,
    "",
    200,
    { plugin_name: "p", transport_key: "PEM" },
    { id, pluginName: "p", transportKey: "PEM" },
  ],
  [
    (c) => c.transportKeys.create(caller, { pluginName: "p", transportKey: "PEM" }),
    "POST transport_keys",
    { plugin_name: "p", transport_key: "PEM" },
    201,
    { transport_key_ref: ref("transport_keys") },
    id,
  ],
  [(c) => c.transportKeys.delete(caller, id), `DELETE transport_keys/${uuid}`, "", 204, undefined],
];

/** https://docs.openstack.org/barbican/latest/api/ */
describe("each call of Barbican's API on the wire", () => {
  for (const [call, request, body, status, json, expected] of table) {
    it(request.replace(uuid, ":id"), async () => {
      const { wire, result } = await exchange(call, { status, json });
      assert.equal(wire.request, request);
      assert.deepEqual(wire.body, body);
      // Barbican answers one transport key in a type that it does not name.
      const accept = request.includes("transport_keys/") ? "*/*" : "application/json";
      assert.equal(wire.headers.get("accept"), accept);
      assert.equal(wire.headers.get("x-auth-token"), "the-token");
      assert.equal(wire.headers.get("openstack-api-version"), "key-manager 1.1");
      if (expected !== undefined) assert.deepEqual(result, expected);
    });
  }

  it("PUT secrets/:id with the payload as it is", async () => {
    for (const payload of [text, opaque]) {
      const { wire } = await exchange((c) => c.secrets.putPayload(caller, id, payload), {
        status: 204,
      });
      assert.equal(wire.request, `PUT secrets/${uuid}`);
      assert.equal(wire.headers.get("content-type"), payload.contentType);
      assert.equal(
        wire.body,
        payload.bytes.use((bytes) => Buffer.from(bytes).toString()),
      );
    }
  });

  it("GET secrets/:id/payload as bytes, or as what is asked for", async () => {
    const bytes = Uint8Array.of(0, 255, 10);
    const read = (accept?: string) =>
      exchange((c) => c.secrets.payload(caller, id, accept === undefined ? {} : { accept }), {
        status: 200,
        bytes,
      });
    const { wire, result } = await read();
    assert.equal(wire.headers.get("accept"), "application/octet-stream");
    assert.deepEqual(
      result.use((lent) => [...lent]),
      [0, 255, 10],
    );
    assert.equal((await read("text/plain")).wire.headers.get("accept"), "text/plain");
  });

  it("POST secrets refuses text that is none, rather than change it", async () => {
    const payload = { bytes: new SecretBytes(Uint8Array.of(0xff)), contentType: "text/plain" };
    const call = exchange((c) => c.secrets.create(caller, { type: "opaque", payload }), {
      status: 201,
    });
    await refuses(call, "invalid_argument", /not UTF-8 text/);
  });

  it("secret stores are unsupported where there is only one", async () => {
    const description =
      "Not Found. Multiple backends support is not enabled in service configuration.";
    const json = { code: 404, title: "Not Found", description };
    const call = exchange((c) => c.secretStores.list(caller), { status: 404, json });
    await refuses(call, "unsupported", /not enabled/);
  });

  for (const [field, value] of [
    ["secret_ref", "http://b/v1/secrets/not-an-id"],
    ["secret_ref", null],
    ["secret_type", "unknown"],
    ["created", 7],
    ["status", undefined],
    ["bit_length", "256"],
    ["consumers", {}],
    ["consumers", [null]],
    ["consumers", [{}]],
    ["content_types", "text/plain"],
  ] as const) {
    it(`a secret with ${field} ${JSON.stringify(value) ?? "missing"} is no answer`, async () => {
      const json = { ...wireSecret, [field]: value };
      const call = exchange((c) => c.secrets.get(caller, id), { status: 200, json });
      await refuses(call, "bad_response", /GET secrets\//);
    });
  }

  it("lists that are none are no answers", async () => {
    for (const json of [{}, { secrets: {} }, { secrets: [1], total: 1 }, { secrets: [] }]) {
      const call = exchange((c) => c.secrets.list(caller), { status: 200, json });
      await refuses(call, "bad_response", /GET secrets/);
    }
    const keys = exchange((c) => c.transportKeys.list(caller), {
      status: 200,
      json: { transport_keys: [{}], total: 1 },
    });
    await refuses(keys, "bad_response", /GET transport_keys/);
    const acl = exchange((c) => c.secretAcls.get(caller, id), {
      status: 200,
      json: { read: { users: [{}] } },
    });
    await refuses(acl, "bad_response", /acl/);
  });
});
