import assert from "node:assert/strict";
import { describe, it, type TestContext } from "node:test";
import { auditEntryOf } from "../../src/identity/builtin/audit-events.ts";
import { openBuiltinIdentity } from "../../src/identity/builtin/open-builtin-identity.ts";
import { SqlIdentityStore } from "../../src/identity/builtin/sql/sql-identity-store.ts";
import { base, startHarness, temporaryFolder } from "../support/harness.ts";
import { readAudit } from "../support/store-promises.ts";
import { openTestStore } from "../support/test-store.ts";

async function start(t: TestContext) {
  const now = "2026-01-01T00:00:00.000000";
  const store = await openTestStore(t, temporaryFolder(t));
  t.after(() => store.close());
  const { identity, api, administration } = openBuiltinIdentity({
    store: new SqlIdentityStore(store),
    publicUrl: base,
    passwords: { insecureCostLog2: 4 },
    audit: (event) => store.record(auditEntryOf(event, now)),
  });
  await administration.createProject({ name: "vault" });
  await administration.createUser({ name: "alice", password: "secret" });
  await administration.grantRole("alice", "vault", "member");
  const harness = await startHarness(t, { store, identity, keystoneApi: api });
  return { ...harness, store, administration };
}

const login = (password: string) => ({
  auth: {
    identity: {
      methods: ["password"],
      password: { user: { name: "alice", domain: { id: "default" }, password } },
    },
    scope: { project: { name: "vault", domain: { id: "default" } } },
  },
});

describe("a key server with identity of its own", () => {
  it("lets one log in, keep a secret and log out, on one database", async (t) => {
    const { ask, store } = await start(t);
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
    const { ask } = await start(t);
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

  it("believes no identity header but the token (CVE-2026-22797)", async (t) => {
    const { ask, administration } = await start(t);
    const [alice] = await administration.listUsers();
    const forged = {
      "x-user-id": alice?.id ?? "",
      "x-project-id": "vault",
      "x-roles": "admin",
      "x-role": "admin",
      "x-identity-status": "Confirmed",
      "x-is-admin-project": "True",
      "openstack-system-scope": "all",
      "x-service-roles": "service",
    };
    assert.equal((await ask("GET", "/v1/secrets", { token: null, headers: forged })).status, 401);
    const issued = await ask("POST", "/v3/auth/tokens", { token: null, body: login("secret") });
    const token = String(issued.headers["x-subject-token"]);
    const plain = await ask("GET", "/v1/project-quotas", { token });
    const dressed = await ask("GET", "/v1/project-quotas", { token, headers: forged });
    assert.deepEqual([plain.status, dressed.status], [403, 403]);
  });
});
