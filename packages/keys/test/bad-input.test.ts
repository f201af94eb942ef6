import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, beforeEach, describe, it } from "node:test";
import {
  type BarbicanKeyManager,
  type KeyManagerConfig,
  openKeyManager,
  SecretBytes,
  settingsFromEnvironment,
} from "../src/index.ts";
import { FakeCloud } from "./fake/cloud.ts";
import { refuses } from "./refuses.ts";

/** What goes wrong in the field: one code each, a message that says what to do, no secret, no leftovers. */
describe("bad input", () => {
  let cloud: FakeCloud;
  let manager: BarbicanKeyManager;
  let directory: string;
  const password = "alice's password";
  const payload = SecretBytes.fromText("the payload that nobody may see");
  const secrets = [password, "the payload that nobody may see", "gAAAA-"];
  const object = { type: "opaque", value: payload } as const;
  const aes = { algorithm: "aes", bitLength: 256 };
  const nothing = { secrets: 0, orders: 0, containers: 0 };

  before(async () => {
    cloud = await FakeCloud.start();
    directory = mkdtempSync(join(tmpdir(), "chatelaine-keys-"));
  });
  after(async () => {
    await cloud.stop();
    rmSync(directory, { recursive: true });
  });
  beforeEach(() => {
    cloud.reset();
    manager = cloud.manager();
  });

  it("an unknown backend: names the likely right one", async () => {
    const config = { backend: "barbicna" } as unknown as KeyManagerConfig;
    await refuses(() => openKeyManager(config), "invalid_argument", /did you mean "barbican"\?/);
  });

  it("an unknown option: names the likely right one", async () => {
    const config = { barbican: { endpont: "http://localhost" } } as KeyManagerConfig;
    await refuses(() => openKeyManager(config), "invalid_argument", /did you mean "endpoint"\?/);
    const top = { barbicann: {} } as KeyManagerConfig;
    await refuses(() => openKeyManager(top), "invalid_argument", /did you mean "barbican"\?/);
    const tls = { barbican: { tls: { cafile: "x" } } } as unknown as KeyManagerConfig;
    await refuses(() => openKeyManager(tls), "invalid_argument", /did you mean "caFile"\?/);
  });

  it("an own backend that is no key manager: says what it lacks", async () => {
    const backend = { get: async () => {} } as never;
    await refuses(
      () => openKeyManager({ backend }),
      "invalid_argument",
      /lacks createKey, .*delete/,
    );
  });

  it("an unreadable clouds.yaml: names the file", async () => {
    const read = () =>
      settingsFromEnvironment({ OS_CLOUD: "one", OS_CLIENT_CONFIG_FILE: directory });
    await refuses(read, "invalid_argument", /cannot be read: EISDIR/);
    const missing = join(directory, "missing.yaml");
    await refuses(
      () => settingsFromEnvironment({ OS_CLOUD: "one", OS_CLIENT_CONFIG_FILE: missing }),
      "invalid_argument",
      /missing\.yaml: no such file/,
    );
  });

  it("a malformed clouds.yaml: names the line, and does not quote it", async () => {
    const path = join(directory, "clouds.yaml");
    writeFileSync(path, `clouds:\n  one:\n    auth:\n      password: "${password}\n  bad: [`);
    const read = () => settingsFromEnvironment({ OS_CLOUD: "one", OS_CLIENT_CONFIG_FILE: path });
    await refuses(read, "invalid_argument", /clouds\.yaml: not valid YAML: see line \d/, [
      password,
    ]);
    writeFileSync(path, `- ${password}`);
    await refuses(read, "invalid_argument", /the file must be a mapping/, [password]);
    writeFileSync(path, `clouds: ${password}`);
    await refuses(read, "invalid_argument", /clouds must be a mapping/, [password]);
    writeFileSync(path, `clouds:\n  one: ${password}`);
    await refuses(read, "invalid_argument", /clouds\.one must be a mapping/, [password]);
    writeFileSync(path, `clouds:\n  one:\n    auth: ${password}`);
    await refuses(read, "invalid_argument", /auth must be a mapping/, [password]);
  });

  it("no endpoint in the catalog: says what the catalog has, and makes nothing", async () => {
    const region = cloud.manager({ region: "two" });
    await refuses(
      region.createKey(cloud.caller(), aes),
      "invalid_argument",
      /no public endpoint of "key-manager" in region "two": it has .*public in one; choose/,
      secrets,
    );
    cloud.keystone.hasCatalogEntry = false;
    await refuses(
      cloud.manager().store(cloud.caller({ userDomainId: "x" }), object),
      "invalid_argument",
      /no service of that type; .*give the endpoint itself/,
      secrets,
    );
    assert.deepEqual(cloud.barbican.contents, nothing);
  });

  it("a wrong password: says that Keystone rejects it", async () => {
    const caller = cloud.caller({ password: "not alice's password" });
    await refuses(
      manager.store(caller, object),
      "unauthenticated",
      /check user, password or secret, domains and project/,
      ["not alice's password", ...secrets],
    );
    assert.deepEqual(cloud.barbican.contents, nothing);
  });

  it("an expired token: says that there is no other, and asks only once", async () => {
    const token = cloud.keystone.issue({ userId: "alice", projectId: "a" });
    const direct = cloud.manager({ endpoint: cloud.endpoint });
    const caller = { type: "token", authUrl: undefined, scope: { type: "unscoped" } } as const;
    cloud.keystone.revokeAll();
    cloud.takeCalls();
    await refuses(
      direct.store({ ...caller, token: SecretBytes.fromText(token) }, object),
      "unauthenticated",
      /rejects the token, and no new token could be obtained/,
      [token, ...secrets],
    );
    assert.deepEqual(cloud.takeCalls(), ["POST /v1/secrets"]);
    assert.deepEqual(cloud.barbican.contents, nothing);
  });

  it("an expired token of a caller with a password: is renewed unnoticed", async () => {
    await manager.store(cloud.caller(), object);
    cloud.keystone.revokeAll();
    await manager.store(cloud.caller(), object);
    assert.equal(cloud.barbican.contents.secrets, 2);
  });

  for (const [status, code, message] of [
    [403, "forbidden", /check the caller's roles in the project/],
    [404, "not_found", /status 404: Not here/],
    [409, "conflict", /status 409: Not here/],
    [500, "unavailable", /see its log, and try again later/],
    [502, "unavailable", /try again later/],
    [503, "unavailable", /try again later/],
    [504, "unavailable", /try again later/],
  ] as const) {
    it(`${status}: for reading and for making`, async () => {
      const json = { code: status, title: "x", description: "Not here." };
      cloud.fail(/(GET|POST) .*\/(secrets|orders)/, { type: "reply", status, json }, 4);
      const id = "5ce7ab30-5c1f-4a3b-9d56-0a1b2c3d4e5f" as never;
      await refuses(manager.describe(cloud.caller(), id), code, message, secrets);
      cloud.reset();
      cloud.fail(/POST .*\/(secrets|orders)/, { type: "reply", status, json });
      await refuses(manager.createKey(cloud.caller(), aes), code, message, secrets);
      cloud.fail(/POST .*\/secrets/, { type: "reply", status, json });
      await refuses(manager.store(cloud.caller(), object), code, /status \d/, secrets);
      assert.deepEqual(cloud.barbican.contents, nothing);
    });
  }

  it("an answer that quotes the payload or the token: is not repeated", async () => {
    const text = "the payload that nobody may see";
    const description = `Provided object does not match schema: ${text}. Invalid property: 'payload'`;
    cloud.fail(/POST .*\/secrets/, {
      type: "reply",
      status: 400,
      json: { code: 400, title: "x", description },
    });
    await refuses(
      manager.store(cloud.caller(), object),
      "invalid_argument",
      /status 400: the property payload is not valid/,
      secrets,
    );
    cloud.onRequest = ({ headers }) => {
      const said = `who is ${headers["x-auth-token"] ?? ""}?`;
      const json = { code: 403, title: "x", description: said };
      if (headers["x-auth-token"] !== undefined)
        cloud.fail(/DELETE/, { type: "reply", status: 403, json });
    };
    const id = await manager.store(cloud.caller(), object);
    await refuses(manager.delete(cloud.caller(), id), "forbidden", /roles in the project/, secrets);
  });

  it("an exhausted quota: is told from a refused right", async () => {
    const said =
      "Order creation issue seen - Creation not allowed because a quota has been reached.";
    const json = { code: 403, title: "Forbidden", description: said };
    cloud.fail(/POST .*\/orders/, { type: "reply", status: 403, json });
    await refuses(
      manager.createKey(cloud.caller(), aes),
      "quota_exceeded",
      /delete what the project does not need, or raise its quota/,
    );
  });

  for (const status of [301, 302, 303, 307, 308]) {
    it(`a redirect (${status}): is not followed, with its token`, async () => {
      const headers = { location: `${cloud.authUrl}/stolen` };
      cloud.fail(/\/v1\//, { type: "reply", status, headers }, 2);
      await refuses(
        manager.describe(cloud.caller(), "5ce7ab30-5c1f-4a3b-9d56-0a1b2c3d4e5f" as never),
        "bad_response",
        /a redirect, which is never followed: give the endpoint that it leads to/,
        secrets,
      );
      cloud.reset();
      cloud.fail(/POST \/v1\//, { type: "reply", status, headers });
      await refuses(manager.store(cloud.caller(), object), "bad_response", /redirect/, secrets);
      assert.ok(!cloud.seen.some(({ path }) => path.includes("stolen")));
      assert.deepEqual(cloud.barbican.contents, nothing);
    });
  }

  it("a truncated body: fails, and removes what was made", async () => {
    for (const call of [
      () => manager.createKey(cloud.caller(), aes),
      () => manager.store(cloud.caller(), object),
    ]) {
      cloud.fail(/POST .*\/(orders|secrets)/, { type: "truncate", takesEffect: true });
      await refuses(call(), "unavailable", /closed (in the middle|before the answer)/, secrets);
    }
    assert.deepEqual(cloud.barbican.contents, nothing);
  });

  it("a body that is no JSON: fails, and removes what was made", async () => {
    const bytes = Buffer.from("<html>the payload that nobody may see</html>");
    for (const [path, status] of [
      ["orders", 202],
      ["secrets", 201],
    ] as const) {
      cloud.fail(new RegExp(`POST .*/${path}`), {
        type: "reply",
        status,
        bytes,
        takesEffect: true,
      });
      const call =
        path === "orders"
          ? manager.createKey(cloud.caller(), aes)
          : manager.store(cloud.caller(), object);
      await refuses(call, "bad_response", /no JSON: is this the right endpoint\?/, secrets);
    }
    assert.deepEqual(cloud.barbican.contents, nothing);
  });

  it("a body without the ref: fails, and removes what was made", async () => {
    for (const json of [
      {},
      { order_ref: 7 },
      { order_ref: "http://x/v1/orders/not-an-id" },
      [],
      null,
    ]) {
      cloud.fail(/POST .*\/orders/, { type: "reply", status: 202, json, takesEffect: true });
      await refuses(
        manager.createKey(cloud.caller(), aes),
        "bad_response",
        /order_ref|no JSON object/,
        secrets,
      );
    }
    cloud.fail(/POST .*\/secrets/, { type: "reply", status: 201, json: {}, takesEffect: true });
    await refuses(manager.store(cloud.caller(), object), "bad_response", /secret_ref/, secrets);
    assert.deepEqual(cloud.barbican.contents, nothing);
  });

  it("a time-out: says after how long, and removes what was made", async () => {
    const hasty = cloud.manager({ timeoutMs: 50 });
    await hasty.client.connection.microversion(cloud.caller());
    cloud.fail(/POST .*\/(orders|secrets)/, { type: "hang", takesEffect: true }, 2);
    await refuses(
      hasty.createKey(cloud.caller(), aes),
      "unavailable",
      /no answer within 50 ms/,
      secrets,
    );
    await refuses(hasty.store(cloud.caller(), object), "unavailable", /within 50 ms/, secrets);
    assert.deepEqual(cloud.barbican.contents, nothing);
  });

  it("a server that is not there: asks whether it is up", async () => {
    const nowhere = cloud.manager({ endpoint: "http://127.0.0.1:9" });
    await refuses(
      nowhere.store(cloud.caller(), object),
      "unavailable",
      /nothing listens there: is the service up, and the URL right\?/,
      secrets,
    );
  });

  it("a wrong endpoint: a proxy's 404 does not pass for a missing key", async () => {
    const proxy = cloud.manager({ endpoint: `${cloud.endpoint}/elsewhere`, microversion: "1.1" });
    const id = "5ce7ab30-5c1f-4a3b-9d56-0a1b2c3d4e5f" as never;
    await refuses(
      proxy.delete(cloud.caller(), id),
      "bad_response",
      /no answer of Barbican's: check the endpoint/,
      secrets,
    );
  });

  it("credentials in a URL: are refused, and not repeated", async () => {
    const withPassword = "http://user:url-password@127.0.0.1:5000/v3";
    await refuses(() => cloud.caller({ authUrl: withPassword }), "invalid_argument", /contains/, [
      "url-password",
    ]);
    await refuses(() => cloud.manager({ endpoint: withPassword }), "invalid_argument", /contains/, [
      "url-password",
    ]);
    const handMade = { ...cloud.caller(), authUrl: withPassword } as never;
    await refuses(manager.store(handMade, object), "invalid_argument", /contains/, [
      "url-password",
    ]);
    for (const authUrl of ["user:url-password@host:5000", "ftp://u:url-password@host"]) {
      await refuses(
        () => cloud.caller({ authUrl }),
        "invalid_argument",
        /not an http or https URL/,
        ["url-password"],
      );
    }
  });

  it("a token with a line end: is refused, and not repeated", async () => {
    const token = "gAAAA-with-a-line-end\n";
    await refuses(
      () => cloud.caller({ token }),
      "invalid_argument",
      /token contains a space, a line break/,
      [token.trim()],
    );
    const handMade = {
      type: "token",
      authUrl: undefined,
      token: SecretBytes.fromText(token),
      scope: { type: "unscoped" },
    } as const;
    const direct = cloud.manager({ endpoint: cloud.endpoint, fetch: globalThis.fetch });
    await refuses(direct.store(handMade, object), "invalid_argument", /token contains a space/, [
      token.trim(),
    ]);
  });

  it("a fetch whose errors hold the request: they are not kept", async () => {
    const told: string[] = [];
    const talkative = cloud.manager({
      retries: 0,
      fetch: async (_url, init) => {
        const headers = JSON.stringify([...new Headers(init?.headers)]);
        const body = Buffer.from((init?.body as Uint8Array | undefined) ?? []).toString();
        told.push(headers, body);
        throw Object.assign(new Error(`failed: ${headers} ${body}`, { cause: { headers, body } }), {
          config: { headers, body },
        });
      },
    });
    await refuses(talkative.store(cloud.caller(), object), "unavailable", /no answer \(Error\)/, [
      password,
    ]);
    assert.ok(told.join("").includes(password), "the test would have shown it");
  });
});
