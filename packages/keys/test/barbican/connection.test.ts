import assert from "node:assert/strict";
import { after, before, beforeEach, describe, it } from "node:test";
import { type Caller, keystoneCaller, SecretBytes } from "../../src/index.ts";
import { FakeCloud } from "../fake/cloud.ts";
import { refuses } from "../refuses.ts";

const id = "5ce7ab30-5c1f-4a3b-9d56-0a1b2c3d4e5f" as never;
const aes = { algorithm: "aes", bitLength: 256 };

function nova(cloud: FakeCloud): Caller {
  return cloud.caller({
    username: "nova",
    password: "nova's password",
    projectName: "service",
  });
}

describe("the connection to Barbican", () => {
  let cloud: FakeCloud;

  before(async () => {
    cloud = await FakeCloud.start();
  });
  after(() => cloud.stop());
  beforeEach(() => cloud.reset());

  it("finds Barbican in the catalog of the caller", async () => {
    assert.equal(await cloud.manager().client.connection.endpoint(cloud.caller()), cloud.endpoint);
  });

  it("takes an endpoint that is given, with or without /v1", async () => {
    for (const ending of ["", "/", "/v1", "/v1/"]) {
      const manager = cloud.manager({ endpoint: cloud.endpoint + ending });
      await manager.createKey(cloud.caller(), aes);
    }
    assert.ok(cloud.seen.every(({ path }) => !path.includes("/v1/v1")));
  });

  it("needs an endpoint for a token that came without a catalog", async () => {
    const caller = keystoneCaller({ token: "abc" });
    await refuses(cloud.manager().describe(caller, id), "invalid_argument", /endpoint is missing/);
  });

  it("works, and discovers versions, behind a path prefix", async () => {
    const prefixed = await FakeCloud.start({ prefix: "/key-manager" });
    try {
      prefixed.barbican.microversion = "1.2";
      const manager = prefixed.manager();
      const key = await manager.createKey(prefixed.caller(), aes);
      assert.equal((await manager.get(prefixed.caller(), key)).value.length, 32);
      assert.equal(await manager.client.connection.microversion(prefixed.caller()), "1.2");
      const paths = prefixed.seen.filter(({ service }) => service === "barbican");
      assert.ok(paths.every(({ path }) => path.startsWith("/key-manager/")));
    } finally {
      await prefixed.stop();
    }
  });

  for (const [server, spoken] of [
    ["none", "1.0"],
    ["1.0", "1.0"],
    ["1.1", "1.1"],
    ["1.2", "1.2"],
  ] as const) {
    it(`speaks ${spoken} with a server that has ${server}`, async () => {
      cloud.barbican.microversion = server;
      const manager = cloud.manager();
      await manager.createKey(cloud.caller(), aes);
      const header = cloud.seen.at(-1)?.headers["openstack-api-version"];
      assert.equal(header, `key-manager ${spoken}`);
    });
  }

  it("deletes on a Barbican that knows no consumers, too", async () => {
    cloud.barbican.microversion = "none";
    const manager = cloud.manager();
    const key = await manager.createKey(cloud.caller(), aes);
    assert.deepEqual((await manager.describe(cloud.caller(), key)).consumers, []);
    await manager.delete(cloud.caller(), key);
    assert.equal(cloud.barbican.contents.secrets, 0);
  });

  it("speaks the version that it is told to, and asks for none then", async () => {
    const manager = cloud.manager({ microversion: "1.0" });
    await manager.createKey(cloud.caller(), aes);
    assert.ok(cloud.seen.every(({ path }) => path !== "/"));
  });

  for (const [label, reply, code, message] of [
    [
      "no versions",
      { status: 200, json: {} },
      "bad_response",
      /lists no API versions: is this Barbican\?/,
    ],
    [
      "only a version v2",
      { status: 300, json: { versions: [{ id: "v2" }] } },
      "unsupported",
      /no version v1/,
    ],
    [
      "a page",
      { status: 200, bytes: Buffer.from("<html>") },
      "bad_response",
      /no JSON: is this the right/,
    ],
    ["a redirect", { status: 302, headers: { location: "/x" } }, "bad_response", /redirect/],
  ] as const) {
    it(`refuses a root with ${label}, and asks again next time`, async () => {
      cloud.fail(/^GET \/$/, { type: "reply", ...reply });
      const manager = cloud.manager();
      await refuses(manager.describe(cloud.caller(), id), code, message);
      await manager.createKey(cloud.caller(), aes);
    });
  }

  it("lets one caller abort the discovery without failing the others", async () => {
    const manager = cloud.manager();
    const abort = new AbortController();
    await manager.client.connection.identify(cloud.caller());
    cloud.onRequest = async () => {
      abort.abort();
      await new Promise((resolve) => setImmediate(resolve));
    };
    const aborted = manager.describe(cloud.caller(), id, { signal: abort.signal });
    const other = manager.createKey(cloud.caller(), aes);
    await refuses(aborted, "unavailable", /aborted by the caller/);
    await other;
    assert.equal(cloud.seen.filter(({ path }) => path === "/").length, 1);
  });

  describe("when a token is refused", () => {
    it("obtains another, once", async () => {
      const manager = cloud.manager();
      const key = await manager.createKey(cloud.caller(), aes);
      cloud.keystone.revokeAll();
      await manager.get(cloud.caller(), key);
      assert.equal(cloud.keystone.issued, 2);
    });

    it("obtains one for all who notice at the same time", async () => {
      const manager = cloud.manager();
      const key = await manager.createKey(cloud.caller(), aes);
      cloud.keystone.revokeAll();
      await Promise.all(Array.from({ length: 20 }, () => manager.get(cloud.caller(), key)));
      assert.equal(cloud.keystone.issued, 2);
    });

    it("gives up if the fresh one is refused as well", async () => {
      const manager = cloud.manager();
      const json = { error: { code: 401 } };
      cloud.fail(/secrets/, { type: "reply", status: 401, json }, 9);
      await refuses(
        manager.describe(cloud.caller(), id),
        "unauthenticated",
        /no new token could be obtained/,
      );
      assert.equal(cloud.takeCalls().length, 2);
    });

    it("says what Keystone says if it gives no other", async () => {
      const manager = cloud.manager();
      const key = await manager.createKey(cloud.caller(), aes);
      cloud.keystone.revokeAll();
      cloud.fail(/auth\/tokens/, { type: "reply", status: 401 });
      await refuses(manager.describe(cloud.caller(), key), "unauthenticated", /Keystone rejects/);
    });

    it("stores nothing twice", async () => {
      const manager = cloud.manager();
      await manager.createKey(cloud.caller(), aes);
      cloud.keystone.revokeAll();
      await manager.store(cloud.caller(), { type: "opaque", value: SecretBytes.random(8) });
      assert.equal(cloud.barbican.contents.secrets, 2);
    });
  });

  describe("with a service caller", () => {
    it("sends both tokens, each its own", async () => {
      const manager = cloud.manager({ serviceCaller: nova(cloud) });
      await manager.createKey(cloud.caller(), aes);
      const headers = cloud.seen.at(-1)?.headers ?? {};
      const who = ["x-auth-token", "x-service-token"].map(
        (name) => cloud.keystone.identify(headers[name])?.userId,
      );
      assert.deepEqual(who, ["alice", "nova"]);
    });

    it("sends one when the service calls for itself", async () => {
      const serviceCaller = nova(cloud);
      await cloud.manager({ serviceCaller }).createKey(serviceCaller, aes);
      assert.equal(cloud.seen.at(-1)?.headers["x-service-token"], undefined);
    });

    it("renews both when either was refused, once for all", async () => {
      const manager = cloud.manager({ serviceCaller: nova(cloud) });
      const key = await manager.createKey(cloud.caller(), aes);
      cloud.keystone.revokeAll();
      await Promise.all(Array.from({ length: 10 }, () => manager.get(cloud.caller(), key)));
      assert.equal(cloud.keystone.issued, 4);
    });

    it("tries again with a fresh service token even if the caller's own cannot be renewed", async () => {
      const manager = cloud.manager({ serviceCaller: nova(cloud), endpoint: cloud.endpoint });
      const token = cloud.keystone.issue({ userId: "alice", projectId: "a" });
      const caller = keystoneCaller({ token });
      const key = await manager.createKey(caller, aes);
      cloud.fail(/secrets/, { type: "reply", status: 401 });
      await manager.describe(caller, key);
    });
  });

  it("reuses its connections", async () => {
    const manager = cloud.manager();
    for (let n = 0; n < 5; n += 1) await manager.createKey(cloud.caller(), aes);
    const connections = new Set(
      cloud.seen
        .filter(({ service }) => service === "barbican")
        .map(({ connection }) => connection),
    );
    assert.equal(connections.size, 1);
  });

  for (const segment of ["", ".", ".."]) {
    it(`refuses ${JSON.stringify(segment)} as a key, which would name the secret itself`, async () => {
      const manager = cloud.manager();
      const key = await manager.createKey(cloud.caller(), aes);
      const { secretMetadata, quotas } = manager.client;
      await refuses(
        secretMetadata.remove(cloud.caller(), key, segment),
        "invalid_argument",
        /empty/,
      );
      await refuses(quotas.resetProject(cloud.caller(), segment), "invalid_argument", /empty/);
      assert.equal(cloud.barbican.contents.secrets, 1);
    });
  }

  it("writes other characters of a key so that they name nothing else", async () => {
    const manager = cloud.manager({ retries: 0 });
    for (const key of ["a/b", "../x", "%2e%2e", "?force=true", "#", "ü"]) {
      await manager.client.secretMetadata.get(cloud.caller(), id, key).catch(() => {});
      const path = cloud.seen.at(-1)?.path ?? "";
      assert.equal(path, `/v1/secrets/${id as string}/metadata/${encodeURIComponent(key)}`);
    }
  });
});
