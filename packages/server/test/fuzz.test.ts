import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { type Harness, idOf, startHarness } from "./support/harness.ts";

const uuid = "00000000-0000-4000-8000-000000000000";

/** A path of every kind, with real ids and hostile ones in it. */
async function paths(ask: Harness["ask"]): Promise<readonly string[]> {
  const body = { payload: "x", payload_content_type: "text/plain" };
  const secret = idOf((await ask("POST", "/v1/secrets", { body })).json["secret_ref"]);
  const container = idOf(
    (await ask("POST", "/v1/containers", { body: { type: "generic" } })).json["container_ref"],
  );
  const meta = { algorithm: "aes", bit_length: 256 };
  const order = idOf(
    (await ask("POST", "/v1/orders", { body: { type: "key", meta } })).json["order_ref"],
  );
  const ids = [
    secret,
    container,
    order,
    uuid,
    "x",
    "%00",
    "%ff",
    "%2e%2e",
    "a".repeat(2_000),
    "__proto__",
  ];
  return ids
    .flatMap((id) => [
      `/v1/secrets/${id}`,
      ...["payload", "metadata", `metadata/${id}`, "acl", "consumers", "x"].map(
        (part) => `/v1/secrets/${id}/${part}`,
      ),
      `/v1/containers/${id}`,
      ...["secrets", "acl", "consumers", `consumers/${id}`, "x"].map(
        (part) => `/v1/containers/${id}/${part}`,
      ),
      `/v1/orders/${id}`,
      `/v1/orders/${id}/x`,
      `/v1/project-quotas/${id}`,
      `/v1/secret-stores/${id}/preferred`,
      `/v1/transport_keys/${id}`,
      `/v1/${id}`,
      `/${id}`,
    ])
    .concat([
      "/",
      "/v1",
      "/v1/secrets",
      "/v1/containers",
      "/v1/orders",
      "/v1/quotas",
      "/v1/project-quotas",
      "/v1/secret-stores",
      "/v1/secret-stores/preferred",
      "/v1/secret-stores/global-default",
      "/v1/transport_keys",
      "/healthcheck",
      "/readiness",
      "//v1//secrets//",
    ]);
}

const text = fc.oneof(
  fc.string({ unit: "binary" }),
  fc.constantFrom(
    "",
    " ",
    "\u0000",
    "\ud800",
    "a".repeat(300),
    "text/plain",
    "base64",
    "key",
    "asymmetric",
    "generic",
    "rsa",
    "aes",
    "2999-01-01",
    "-1",
  ),
);
const value: fc.Arbitrary<unknown> = fc.letrec((tie) => ({
  value: fc.oneof(
    { maxDepth: 3 },
    text,
    fc.integer(),
    fc.double(),
    fc.boolean(),
    fc.constant(null),
    fc.array(tie("value"), { maxLength: 3 }),
    tie("object"),
  ),
  object: fc.dictionary(
    fc.constantFrom(
      "name",
      "payload",
      "payload_content_type",
      "payload_content_encoding",
      "bit_length",
      "algorithm",
      "mode",
      "expiration",
      "secret_type",
      "type",
      "meta",
      "secret_refs",
      "secret_ref",
      "read",
      "users",
      "project-access",
      "metadata",
      "key",
      "value",
      "service",
      "resource_type",
      "resource_id",
      "URL",
      "project_quotas",
      "secrets",
      "passphrase",
      "__proto__",
      "constructor",
    ),
    tie("value"),
    { maxKeys: 6 },
  ),
})).value;
const body = fc.oneof(
  value.map((json) => JSON.stringify(json) ?? ""),
  fc.string({ unit: "binary", maxLength: 40 }),
  fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes)),
  fc.constantFrom("", "{", "[".repeat(5_000), '{"a":'.repeat(3_000), "{}".padEnd(30_000)),
);
const query = fc
  .dictionary(
    fc.constantFrom(
      "limit",
      "offset",
      "name",
      "alg",
      "mode",
      "bits",
      "secret_type",
      "acl_only",
      "created",
      "updated",
      "expiration",
      "sort",
      "meta",
      "type",
      "force",
      "transport_key_needed",
      "trans_wrapped_session_key",
      "target.secret.read",
    ),
    fc.oneof(
      text,
      fc.constantFrom(
        "%",
        "gt:2020-01-01,lt:2999-01-01",
        "name:desc,created",
        "99999999999999999999",
        "true",
      ),
    ),
    { maxKeys: 4 },
  )
  .map((pairs) =>
    Object.entries(pairs)
      .map(([key, item]) => `${key}=${encodeURIComponent(item.toWellFormed())}`)
      .join("&"),
  );
const header = fc.oneof(
  fc.constantFrom(
    "application/json",
    "text/plain",
    "application/octet-stream",
    "*/*",
    "",
    ";",
    "a/b;q=x",
    "text/plain; charset=utf-16",
    "base64",
    "key-manager 1.2",
    "key-manager latest",
    "key-manager",
    "key-manager 99999999999.1",
  ),
  fc.string({ maxLength: 20 }).map((item) => item.replaceAll(/[^\x20-\x7e]/g, "")),
);

describe("hostile requests", () => {
  it("get an answer below 500, each and every one", async (t) => {
    const { ask } = await startHarness(t);
    const all = await paths(ask);
    const method = fc.constantFrom(
      "GET",
      "HEAD",
      "POST",
      "PUT",
      "PATCH",
      "DELETE",
      "OPTIONS",
      "TRACE",
    );
    const headers = fc.dictionary(
      fc.constantFrom(
        "content-type",
        "accept",
        "content-encoding",
        "openstack-api-version",
        "x-roles",
        "x-project-id",
        "transfer-encoding-x",
      ),
      header,
      { maxKeys: 4 },
    );
    const token = fc.constantFrom(
      "alice/p/member",
      "root/p/admin",
      "mallory/other/admin",
      "x".repeat(4_000),
      null,
    );
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...all),
        method,
        query,
        headers,
        body,
        token,
        async (path, verb, search, given, sent, who) => {
          const url = search === "" ? path : `${path}?${search}`;
          const answer = await ask(verb, url, { headers: given, token: who, body: sent });
          assert.ok(answer.status < 500, `${verb} ${url}: ${answer.status} ${answer.text}`);
        },
      ),
      { numRuns: 1_500 },
    );
  });
});
