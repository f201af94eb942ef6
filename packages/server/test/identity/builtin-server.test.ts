import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { login, startBuiltinHarness } from "../support/builtin-harness.ts";
import { base, startHarness } from "../support/harness.ts";
import { readAudit } from "../support/store-promises.ts";

/** As a list of versions has it. */
interface Version {
  readonly id: string;
  readonly status: string;
  readonly links: readonly { readonly rel: string; readonly href: string }[];
}

describe("a key server with identity of its own", () => {
  it("lets one log in, keep a secret and log out, on one database", async (t) => {
    const { ask, store } = await startBuiltinHarness(t);
    const body = login("secret");
    const issued = await ask("POST", "/v3/auth/tokens", { token: null, body });
    assert.equal(issued.status, 201, issued.text);
    const token = String(issued.headers["x-subject-token"]);
    const secret = { name: "n", payload: "p", payload_content_type: "text/plain" };
    assert.equal((await ask("POST", "/v1/secrets", { token, body: secret })).status, 201);
    const headers = { "x-subject-token": token };
    assert.equal((await ask("HEAD", "/v3/auth/tokens", { token, headers })).status, 200);
    const out = await ask("DELETE", "/v3/auth/tokens", { token, headers });
    assert.equal(out.status, 204, out.text);
    assert.equal((await ask("GET", "/v1/secrets", { token })).status, 401);
    const lines = (await store.read(readAudit, null)).map(
      ({ line }) => JSON.parse(line) as string[],
    );
    assert.deepEqual(
      lines.map((line) => [line[4], line[6]]),
      [
        ["identity:login:password", "ok"],
        ["secrets:post", "ok"],
        ["identity:DELETE /v3/auth/tokens", "ok"],
      ],
    );
  });

  it("answers under /v3 to anybody, and names itself by its configured address", async (t) => {
    const { ask } = await startBuiltinHarness(t);
    for (const path of ["/v3", "/v3/", "//v3"]) {
      const answer = await ask("GET", path, { token: null, headers: { host: "evil.test" } });
      assert.equal(answer.status, 200, path);
      assert.ok(answer.text.includes(`${base}/v3/`) && !answer.text.includes("evil"));
    }
    const refused = await ask("GET", "/v1/secrets", { token: null });
    assert.equal(refused.headers["www-authenticate"], `Keystone uri="${base}/v3"`);
    assert.equal((await ask("GET", "/v3/users", { token: null })).status, 401);
    assert.equal((await ask("POST", "/v3/auth/tokens", { token: null, body: "{" })).status, 400);
    const large = await ask("POST", "/v3/auth/tokens", { token: null, body: "x".repeat(70_000) });
    assert.equal(large.status, 413);
  });

  it("is found by a client whose auth_url has no version", async (t) => {
    const { ask } = await startBuiltinHarness(t);
    const listed = await ask("GET", "/", { token: null, headers: { host: "evil.test" } });
    assert.equal(listed.status, 300);
    const { values } = listed.json["versions"] as { values: readonly Version[] };
    const found = values.map(({ id, status, links }) => [
      id,
      status,
      links[0]?.rel,
      links[0]?.href,
    ]);
    assert.deepEqual(found, [
      ["v3.14", "stable", "self", `${base}/v3/`],
      // Last: Castellan takes the last one for its own.
      ["v1", "stable", "self", `${base}/v1/`],
    ]);
  });

  it("lists the key manager alone for a client that names one of its versions, and where Keystone is elsewhere", async (t) => {
    const { ask } = await startBuiltinHarness(t);
    const headers = { "openstack-api-version": "key-manager 1.1" };
    const named = await ask("GET", "/", { token: null, headers });
    assert.deepEqual(
      (named.json["versions"] as readonly Version[]).map(({ id }) => id),
      ["v1"],
    );
    const alone = await (await startHarness(t)).ask("GET", "/", { token: null });
    const { values } = alone.json["versions"] as { values: readonly Version[] };
    assert.deepEqual(
      values.map(({ id }) => id),
      ["v1"],
    );
  });

  it("refuses a zero character wherever it is, on any database", async (t) => {
    const { ask, administration } = await startBuiltinHarness(t);
    await administration.grantRole("alice", "vault", "admin");
    const zero = "a\0b";
    const logged = await ask("POST", "/v3/auth/tokens", { body: login("secret"), token: null });
    const token = String(logged.headers["x-subject-token"]);
    const asked: readonly (readonly [number, string, string, object?])[] = [
      [400, "GET", "/v3/users/a%00b"],
      [400, "GET", "/v3/projects/a%00b"],
      [400, "GET", "/v3/users/a%00b/projects"],
      [400, "PUT", "/v3/projects/a%00b/users/a%00b/roles/a%00b"],
      [400, "GET", "/v3/role_assignments?user.id=a%00b"],
      [400, "GET", "/v3/users?name=%00"],
      [400, "POST", "/v3/users", { user: { name: zero, password: "x" } }],
      [400, "POST", "/v3/projects", { project: { name: "x", description: zero } }],
      [400, "POST", "/v3/auth/tokens", login(zero)],
      [400, "POST", "/v3/auth/tokens", login("secret", { name: zero })],
      [400, "POST", "/v3/auth/tokens", login("secret", { project: zero })],
    ];
    for (const [status, method, path, body] of asked) {
      const answer = await ask(method, path, { token, ...(body && { body }) });
      assert.equal(answer.status, status, `${method} ${path}: ${answer.text}`);
    }
  });
});
