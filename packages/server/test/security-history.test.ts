/** Barbican's and Keystone's security history, one row after the other, as tests of this server. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { chmodSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it, type TestContext } from "node:test";
import { connect } from "node:tls";
import fc from "fast-check";
import { holds } from "../../../scripts/random-runs.ts";
import { loadServerConfig } from "../src/config/config.ts";
import { KeystoneIdentity } from "../src/identity/keystone/keystone-identity.ts";
import { startServer } from "../src/startup/start-server.ts";
import { FakeKeystone } from "./identity/fake-keystone.ts";
import { login, startBuiltinHarness } from "./support/builtin-harness.ts";
import { base, type Harness, idOf, startHarness, temporaryFolder } from "./support/harness.ts";

const text = { payload: "x", payload_content_type: "text/plain" };
const stranger = "mallory/other/member";
const foreignAdmin = "mallory/other/admin";
const colleague = "bob/p/member";

async function newSecret(ask: Harness["ask"], token?: string): Promise<string> {
  const made = await ask("POST", "/v1/secrets", { body: text, ...(token && { token }) });
  return `/v1/secrets/${idOf(made.json["secret_ref"])}`;
}

async function newContainer(ask: Harness["ask"]): Promise<string> {
  const made = await ask("POST", "/v1/containers", { body: { type: "generic" } });
  return `/v1/containers/${idOf(made.json["container_ref"])}`;
}

async function statusOf(
  ask: Harness["ask"],
  method: string,
  path: string,
  token: string,
  body?: object,
): Promise<number> {
  return (await ask(method, path, { token, ...(body && { body }) })).status;
}

/** A whole server, whose Keystone does not answer. */
async function start(t: TestContext, folder: string, flags: Record<string, string> = {}) {
  const config = loadServerConfig({
    environment: { CHATELAINE_SERVER_KEYSTONE_PASSWORD: "hushhush-keystone" },
    flags: {
      "--listen-port": "0",
      "--data-directory": folder,
      "--identity-mode": "keystone",
      "--keystone-auth-url": "http://127.0.0.1:1/v3",
      "--keystone-username": "u",
      "--log-level": "debug",
      "--log-file": join(folder, "log"),
      ...flags,
    },
  });
  const server = await startServer(config);
  t.after(() => server.close());
  return { server, config };
}

describe("what went wrong elsewhere", () => {
  it("CVE-2022-3100: query parameters and bodies that name policy targets change nothing", async (t) => {
    const { ask } = await startHarness(t);
    const path = await newSecret(ask);
    const names = [
      "target.secret.read",
      "target.secret.project_id",
      "secret.read",
      "project_id",
      "read",
      "target%2Esecret%2Eread",
      "creator_id",
    ];
    const targets = Object.fromEntries(names.map((name) => [name, "mallory"]));
    for (const name of names)
      for (const item of ["read", "other", "mallory", "true"])
        for (const [method, at] of [
          ["GET", path],
          ["GET", `${path}/payload`],
          ["DELETE", path],
          ["GET", `${path}/metadata`],
          ["GET", `${path}/acl`],
        ] as const)
          assert.equal(
            await statusOf(ask, method, `${at}?${name}=${item}&${name}=${item}`, stranger),
            403,
          );
    const acl = { read: { users: ["mallory"] }, ...targets };
    assert.equal(await statusOf(ask, "PUT", `${path}/acl`, stranger, acl), 403);
    const metadata = { metadata: { a: "b" }, ...targets };
    assert.equal(await statusOf(ask, "PUT", `${path}/metadata`, stranger, metadata), 403);
    assert.equal((await ask("GET", path)).status, 200);
  });

  it("CVE-2022-23451: user metadata is out of reach for other projects and for readers", async (t) => {
    const { ask } = await startHarness(t);
    const path = `${await newSecret(ask)}/metadata`;
    await ask("PUT", path, { body: { metadata: { a: "b" } } });
    const body = { key: "a", value: "stolen" };
    for (const token of [stranger, foreignAdmin, "eve/p/reader"])
      for (const [method, at] of [
        ["GET", ""],
        ["PUT", ""],
        ["POST", ""],
        ["GET", "/a"],
        ["PUT", "/a"],
        ["DELETE", "/a"],
      ] as const)
        assert.equal(
          await statusOf(ask, method, path + at, token, method[0] === "P" ? body : undefined),
          403,
        );
    assert.deepEqual((await ask("GET", path)).json, { metadata: { a: "b" } });
  });

  it("CVE-2022-23452: containers take no secret of another project, and none from its admin", async (t) => {
    const { ask } = await startHarness(t);
    const foreign = base + (await newSecret(ask, stranger));
    const filled = { type: "generic", secret_refs: [{ secret_ref: foreign }] };
    assert.equal((await ask("POST", "/v1/containers", { body: filled })).status, 404);
    const path = `${await newContainer(ask)}/secrets`;
    assert.equal((await ask("POST", path, { body: { secret_ref: foreign } })).status, 404);
    for (const method of ["POST", "DELETE"])
      assert.equal(await statusOf(ask, method, path, foreignAdmin, { secret_ref: foreign }), 403);
    assert.equal((await ask("POST", path, { body: { secret_ref: "nothing" } })).status, 400);
    assert.equal((await ask("POST", path, { body: { secret_ref: `${foreign}/` } })).status, 404);
  });

  it("CVE-2023-1633: a file with secrets that others may read is refused, and no secret is shown", async (t) => {
    const folder = temporaryFolder(t);
    const file = join(folder, "server.yaml");
    writeFileSync(file, "keystone: { password: hushhush }");
    chmodSync(file, 0o644);
    assert.throws(() => loadServerConfig({ file, environment: {} }), /chmod 600/);
    chmodSync(file, 0o600);
    const config = loadServerConfig({
      file,
      environment: { CHATELAINE_SERVER_DATABASE: "postgres://u:hushhush@h/d" },
    });
    assert.equal(config.describe().includes("hushhush"), false);
    assert.match(config.describe(), /keystone\.password: \(secret, set\)/);
    const { server } = await start(t, folder);
    await server.close();
    chmodSync(join(folder, "root-key"), 0o644);
    await assert.rejects(() => start(t, folder), /root-key.*chmod 600/s);
  });

  it("CVE-2023-1636: other accounts of the host see nothing of what the server keeps", async (t) => {
    const folder = temporaryFolder(t);
    const before = process.umask(0);
    t.after(() => process.umask(before));
    const { server } = await start(t, folder);
    const kept = readdirSync(folder).filter((name) => name !== "log");
    assert.ok(kept.includes("root-key") && kept.includes("keys.db"), kept.join(" "));
    for (const name of kept)
      assert.equal(statSync(join(folder, name)).mode & 0o077, 0, `${name} is its owner's alone`);
    await server.close();
  });

  it("CVE-2026-22797: no identity header is believed but the token", async (t) => {
    const { ask, administration } = await startBuiltinHarness(t);
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

  it("CVE-2022-2447: a credential that is taken away ends its tokens at once, cached or not", async (t) => {
    const { ask, administration } = await startBuiltinHarness(t);
    const issue = async () => {
      const issued = await ask("POST", "/v3/auth/tokens", { token: null, body: login("secret") });
      return String(issued.headers["x-subject-token"]);
    };
    const first = await issue();
    assert.equal((await ask("GET", "/v1/secrets", { token: first })).status, 200);
    await administration.setPassword("alice", "another");
    assert.equal((await ask("GET", "/v1/secrets", { token: first })).status, 401);
    await administration.setPassword("alice", "secret");
    const second = await issue();
    assert.equal((await ask("GET", "/v1/secrets", { token: second })).status, 200);
    await administration.revokeRole("alice", "vault", "member");
    assert.ok((await ask("GET", "/v1/secrets", { token: second })).status >= 401);
  });

  it("OSSN-0063: nobody is served as whoever asked first", async (t) => {
    const keystone = new FakeKeystone();
    const authUrl = await keystone.start();
    t.after(() => keystone.stop());
    const projects = ["p1", "p2", "p3", "p4"];
    for (const projectId of projects) keystone.tokens.set(`token-${projectId}`, { projectId });
    const credentials = { username: "u", password: "right", projectName: "service" };
    const identity = new KeystoneIdentity({
      authUrl,
      credentials: { type: "password", ...credentials },
    });
    t.after(() => identity.close());
    for (let round = 0; round < 3; round += 1) {
      const principals = await Promise.all(
        projects.map((id) => identity.authenticate({ token: `token-${id}` }, "req-1")),
      );
      assert.deepEqual(
        principals.map(({ projectId }) => projectId),
        projects,
      );
    }
  });

  it("LP 1421479: no reference is built from the caller's Host or X-Forwarded headers", async (t) => {
    const { ask } = await startHarness(t);
    const headers = {
      host: "evil.test",
      "x-forwarded-host": "evil.test",
      "x-forwarded-proto": "https",
      "x-forwarded-prefix": "/evil",
      forwarded: "host=evil.test;proto=https",
    };
    const order = { type: "key", meta: { algorithm: "aes", bit_length: 256, mode: "cbc" } };
    const secret = await newSecret(ask);
    const container = await newContainer(ask);
    for (const [method, path, body] of [
      ["POST", "/v1/secrets", text],
      ["POST", "/v1/containers", { type: "generic" }],
      ["POST", "/v1/orders", order],
      ["PUT", `${secret}/metadata`, { metadata: { a: "b" } }],
      ["PUT", `${secret}/acl`, { read: { users: [] } }],
      ["POST", `${container}/secrets`, { secret_ref: base + secret }],
      ["POST", `${container}/consumers`, { name: "n", URL: "https://lb.test/" }],
      ["GET", "/v1/secrets", undefined],
      ["GET", "/v1/orders", undefined],
    ] as const) {
      const answer = await ask(method, path, { headers, ...(body && { body }) });
      assert.ok(answer.status < 300, `${method} ${path}: ${answer.text}`);
      const said = JSON.stringify(answer.headers) + answer.text;
      assert.ok(!said.includes("evil"), `${method} ${path}: ${said}`);
      assert.ok(!/https?:\/\/(?!keys\.test:9311\/|lb\.test\/)/.test(said), said);
    }
  });

  it("LP 1430516: no text of a body is unbounded", async (t) => {
    const { ask } = await startHarness(t);
    const long = "x".repeat(10_000);
    const secret = await newSecret(ask);
    const container = await newContainer(ask);
    const consumer = { service: "s", resource_type: "volume", resource_id: "1" };
    const meta = { algorithm: "aes", bit_length: 256, mode: "cbc" };
    for (const [path, body] of [
      ...["name", "algorithm", "mode"].map((field) => ["/v1/secrets", { ...text, [field]: long }]),
      ["/v1/containers", { type: "generic", name: long }],
      [`${container}/consumers`, { name: long, URL: "https://a.test/" }],
      [`${container}/consumers`, { name: "n", URL: `https://a.test/${long}` }],
      [`${container}/secrets`, { name: long, secret_ref: base + secret }],
      ...Object.keys(consumer).map((field) => [
        `${secret}/consumers`,
        { ...consumer, [field]: long },
      ]),
      ["/v1/orders", { type: "key", meta: { ...meta, name: long } }],
    ] as [string, object][])
      assert.equal(
        (await ask("POST", path, { body })).status,
        400,
        JSON.stringify(body).slice(0, 90),
      );
  });

  it("210c7a96: no TLS older than 1.2 is spoken", async (t) => {
    const folder = temporaryFolder(t);
    const [key, cert] = [join(folder, "key.pem"), join(folder, "cert.pem")];
    const request =
      "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=localhost";
    const args = [...request.split(" "), "-days", "2", "-keyout", key, "-out", cert];
    if (spawnSync("openssl", args).error) return t.skip("openssl is not installed");
    const { server } = await start(t, folder, {
      "--tls-certificate-file": cert,
      "--tls-key-file": key,
    });
    const speak = (version: "TLSv1.1" | "TLSv1.2" | "TLSv1.3") =>
      new Promise<string>((resolve) => {
        const socket = connect({
          port: server.port,
          host: "127.0.0.1",
          rejectUnauthorized: false,
          minVersion: version,
          maxVersion: version,
          // OpenSSL itself would not offer the old ones otherwise.
          ciphers: "DEFAULT@SECLEVEL=0",
        });
        socket.on("secureConnect", () => resolve(socket.getProtocol() ?? ""));
        socket.on("error", (error: NodeJS.ErrnoException) => resolve(error.code ?? ""));
        socket.on("close", () => socket.destroy());
        socket.on("secureConnect", () => socket.end());
      });
    assert.equal(await speak("TLSv1.3"), "TLSv1.3");
    assert.equal(await speak("TLSv1.2"), "TLSv1.2");
    assert.match(await speak("TLSv1.1"), /PROTOCOL_VERSION|ECONNRESET/);
  });

  it("Story 2009664: consumers follow the ownership of what they are consumers of", async (t) => {
    const { ask } = await startHarness(t);
    const ofSecret = { service: "volume", resource_type: "volume", resource_id: "1" };
    const ofContainer = { name: "lb", URL: "https://lb.test/" };
    for (const [parent, consumer] of [
      [await newSecret(ask), ofSecret],
      [await newContainer(ask), ofContainer],
    ] as const) {
      const path = `${parent}/consumers`;
      for (const token of [stranger, foreignAdmin, "eve/p/reader"])
        for (const method of ["POST", "GET", "DELETE"])
          assert.equal(
            await statusOf(ask, method, path, token, method === "GET" ? undefined : consumer),
            403,
            `${method} ${path} ${token}`,
          );
      assert.equal(await statusOf(ask, "POST", path, colleague, consumer), 200);
      const acl = { read: { "project-access": false } };
      assert.equal((await ask("PUT", `${parent}/acl`, { body: acl })).status, 200);
      for (const method of ["POST", "DELETE"])
        assert.equal(await statusOf(ask, method, path, colleague, consumer), 403);
      assert.equal((await ask("DELETE", path, { body: consumer })).status, 200);
    }
  });

  it("Story 2009672: whatever is sent as a consumer, the answer is below 500", async (t) => {
    const { ask } = await startHarness(t);
    const paths = [`${await newSecret(ask)}/consumers`, `${await newContainer(ask)}/consumers`];
    const field = fc.constantFrom(
      ..."name URL service resource_type resource_id consumers __proto__".split(" "),
    );
    await holds(
      t,
      fc.asyncProperty(
        fc.constantFrom(...paths),
        fc.constantFrom("POST", "DELETE", "PUT", "GET"),
        fc.oneof(
          fc.dictionary(field, fc.jsonValue()).map((body) => JSON.stringify(body)),
          fc.json(),
          fc.string(),
        ),
        async (path, method, body) => {
          const headers = { "content-type": "application/json" };
          const answer = await ask(method, path, { body, headers });
          assert.ok(answer.status < 500, `${method} ${path} ${body}: ${answer.status}`);
        },
      ),
      { numRuns: 300 },
    );
  });

  it("Story 2009791: who may delete a secret: members of the project unless it is private, and admins", async (t) => {
    const { ask } = await startHarness(t);
    const matrix = async (isPrivate: boolean) => {
      const statuses: Record<string, number> = {};
      for (const token of [stranger, "eve/p/reader", colleague, "root/p/admin", "alice/p/member"]) {
        const path = await newSecret(ask);
        const acl = { read: { "project-access": !isPrivate } };
        await ask("PUT", `${path}/acl`, { body: acl });
        statuses[token] = await statusOf(ask, "DELETE", path, token);
      }
      return Object.values(statuses);
    };
    assert.deepEqual(await matrix(false), [403, 403, 204, 204, 204]);
    assert.deepEqual(await matrix(true), [403, 403, 403, 204, 204]);
  });

  it("LP 2058397: no configured secret and no token gets into the log, whatever goes wrong", async (t) => {
    const folder = temporaryFolder(t);
    const { server, config } = await start(t, folder);
    const headers = { "x-auth-token": "hushhush-token", "x-service-token": "hushhush-service" };
    for (const path of ["/v1/secrets?name=hushhush-query", "/v1/%00", "/v1/orders"]) {
      const answer = await fetch(`${server.url}${path}`, { headers });
      assert.ok(answer.status >= 400 && !(await answer.text()).includes("hushhush"));
    }
    await server.close();
    const log = readFileSync(join(folder, "log"), "utf8");
    assert.ok(log.includes('"status":503'), "what went wrong was logged");
    for (const said of [log, config.describe()]) assert.ok(!said.includes("hushhush"), said);
  });
});
