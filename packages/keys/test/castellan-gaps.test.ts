import assert from "node:assert/strict";
import { after, before, beforeEach, describe, it } from "node:test";
import {
  type BarbicanKeyManager,
  FixedKeyManager,
  fixedKeyId,
  KeyManagerError,
  keystoneCaller,
  MemoryKeyManager,
  migratingKeyManager,
  openKeyManager,
  SecretBytes,
} from "../src/index.ts";
import { FakeCloud } from "./fake/cloud.ts";
import { refuses } from "./refuses.ts";

/** Castellan is OpenStack's key manager library in Python; what follows are its known faults. */
describe("what Castellan gets wrong", () => {
  let cloud: FakeCloud;
  let manager: BarbicanKeyManager;
  const aes = { algorithm: "aes", bitLength: 256 };

  before(async () => {
    cloud = await FakeCloud.start();
  });
  after(() => cloud.stop());
  beforeEach(async () => {
    cloud.reset();
    manager = cloud.manager();
    await manager.client.connection.microversion(cloud.caller());
    cloud.takeCalls();
  });

  it("lists all objects, not the first 10", async () => {
    const alice = cloud.caller();
    const value = SecretBytes.random(8);
    for (let n = 0; n < 230; n += 1) {
      await manager.store(alice, { type: "opaque", name: `object ${n}`, value });
    }
    cloud.takeCalls();
    const listed = await Array.fromAsync(manager.list(alice));
    assert.equal(new Set(listed.map(({ id }) => id)).size, 230);
    assert.ok(cloud.takeCalls().length <= 5, "a request for each page, not for each object");
  });

  it("reads an unnamed key with 2 requests, not 16", async () => {
    const alice = cloud.caller();
    const { secret_ref: reference } = (await (
      await fetch(`${cloud.endpoint}/v1/secrets`, {
        method: "POST",
        headers: { "x-auth-token": cloud.keystone.issue({ userId: "alice", projectId: "a" }) },
        body: JSON.stringify({
          secret_type: "symmetric",
          payload: "AAAA",
          payload_content_type: "application/octet-stream",
          payload_content_encoding: "base64",
        }),
      })
    ).json()) as { secret_ref: string };
    cloud.takeCalls();
    const key = await manager.get(alice, reference as never);
    assert.equal(key.name, undefined);
    assert.deepEqual(cloud.takeCalls().toSorted(), [
      "GET /v1/secrets/:id",
      "GET /v1/secrets/:id/payload",
    ]);
  });

  it("asks for metadata and payload at the same time, so that a get takes one round trip", async () => {
    const alice = cloud.caller();
    const id = await manager.createKey(alice, aes);
    let waiting = 0;
    const { promise: both, resolve } = Promise.withResolvers<void>();
    cloud.onRequest = async () => {
      waiting += 1;
      if (waiting === 2) resolve();
      await both;
    };
    await manager.get(alice, id);
    assert.equal(waiting, 2);
  });

  it("creates a key with 3 requests: the order, its result, its deletion", async () => {
    await manager.createKey(cloud.caller(), aes);
    assert.deepEqual(cloud.takeCalls(), [
      "POST /v1/orders",
      "GET /v1/orders/:id",
      "DELETE /v1/orders/:id",
    ]);
  });

  it("discovers versions once, not with every call", async () => {
    const fresh = cloud.manager();
    cloud.seen.splice(0);
    for (let n = 0; n < 3; n += 1) await fresh.createKey(cloud.caller(), aes);
    assert.equal(cloud.seen.filter(({ path }) => path === "/").length, 1);
    assert.equal(cloud.seen.filter(({ service }) => service === "keystone").length, 1);
  });

  it("does not wait a quarter of a second before it looks at an order", async () => {
    const waited: number[] = [];
    const watched = cloud.manager({ sleep: async (ms) => void waited.push(ms) });
    await watched.createKey(cloud.caller(), aes);
    assert.deepEqual(waited, [], "an order that is done at once costs no wait");
    cloud.barbican.orderMode = "later";
    let looks = 0;
    cloud.onRequest = ({ method, path }) => {
      if (method === "GET" && path.startsWith("/v1/orders/") && ++looks === 3)
        cloud.barbican.work();
    };
    await watched.createKey(cloud.caller(), aes);
    assert.equal(waited.length, 2);
    assert.ok((waited[0] ?? 0) <= 25 && (waited[1] ?? 0) <= 50, waited.join(", "));
  });

  it("generates a key of 512 bits for AES-256-XTS", async () => {
    const alice = cloud.caller();
    const id = await manager.createKey(alice, { algorithm: "aes", bitLength: 512 });
    const key = await manager.get(alice, id);
    assert.deepEqual([key.value.length, key.bitLength, key.mode], [64, 512, "xts"]);
  });

  it("tells a caller that he is forbidden, not just that something failed", async () => {
    const id = await manager.createKey(cloud.caller(), aes);
    await refuses(
      manager.get(cloud.bob(), id),
      "forbidden",
      /check the caller's roles in the project/,
    );
  });

  it("tells a missing object, a refused token and a refused right apart", async () => {
    const alice = cloud.caller();
    const codes = new Map<number, string>();
    for (const status of [401, 403, 404]) {
      const said = { code: status, title: "", description: "Not for you." };
      cloud.fail(
        /GET .*\/secrets\//,
        { type: "reply", status, json: said },
        status === 401 ? 2 : 1,
      );
      const id = "5ce7ab30-5c1f-4a3b-9d56-0a1b2c3d4e5f" as never;
      const error = await manager.describe(alice, id).catch((thrown: unknown) => thrown);
      assert.ok(error instanceof KeyManagerError);
      codes.set(status, error.code);
    }
    assert.deepEqual([...codes.values()], ["unauthenticated", "forbidden", "not_found"]);
  });

  it("leaves no order behind when Barbican reports an error", async () => {
    await refuses(
      manager.createKey(cloud.caller(), { algorithm: "rot13", bitLength: 256 }),
      "unsupported",
      /no such key/,
    );
    assert.deepEqual(cloud.barbican.contents, { secrets: 0, orders: 0, containers: 0 });
  });

  it("leaves no order behind when Barbican takes too long, nor the key that it makes then", async () => {
    cloud.barbican.orderMode = "later";
    let now = 0;
    const impatient = cloud.manager({
      orderTimeoutMs: 500,
      now: () => new Date(now),
      sleep: async (ms) => void (now += ms),
    });
    // Its worker finishes in the very moment in which we give up.
    cloud.onRequest = ({ method, path }) => {
      if (method === "DELETE" && path.startsWith("/v1/orders/")) cloud.barbican.work();
    };
    await refuses(impatient.createKey(cloud.caller(), aes), "unavailable", /worker running/);
    assert.deepEqual(cloud.barbican.contents, { secrets: 0, orders: 0, containers: 0 });
  });

  it("leaves no container behind after creating a key pair", async () => {
    const alice = cloud.caller();
    await manager.createKeyPair(alice, { algorithm: "rsa", bitLength: 2048 });
    assert.deepEqual(cloud.barbican.contents, { secrets: 2, orders: 0, containers: 0 });
  });

  it("shares nothing between callers that use it at the same time", async () => {
    const [alice, bob] = [cloud.caller(), cloud.bob()];
    const ids = await Promise.all(
      Array.from({ length: 20 }, async (_, n) => {
        const caller = n % 2 === 0 ? alice : bob;
        return { caller, id: await manager.createKey(caller, aes) };
      }),
    );
    for (const { caller, id } of ids) {
      const owner = cloud.barbican.secrets.get(id)?.owner.projectId;
      assert.equal(owner, caller === alice ? "a" : "b");
    }
  });

  it("can be asked for metadata only while a fixed key is configured", async () => {
    const backend = new MemoryKeyManager({ warn: () => {} });
    const fixed = new FixedKeyManager({ key: "00".repeat(32), warn: () => {} });
    const both = migratingKeyManager(fixed, backend);
    const alice = { type: "project", projectId: "a", userId: "alice" } as const;
    const id = await both.createKey(alice, aes);
    assert.equal((await both.describe(alice, id)).bitLength, 256);
    assert.equal((await both.describe(alice, fixedKeyId)).bitLength, 256);
  });

  it("can delete by force while a fixed key is configured", async () => {
    const both = openKeyManager({
      backend: new MemoryKeyManager({ warn: () => {} }),
      fixed: { key: "00".repeat(32), warn: () => {} },
    });
    const alice = { type: "project", projectId: "a", userId: "alice" } as const;
    const id = await both.createKey(alice, aes);
    await both.delete(alice, id, { force: true });
    await refuses(both.describe(alice, id), "not_found", /there is none/);
  });

  for (const status of [200, 202, 204, 206, 302, 400, 404, 405]) {
    it(`never takes status ${status} for a stored key, as the Vault driver does`, async () => {
      cloud.fail(/POST .*\/secrets$/, { type: "reply", status });
      const value = SecretBytes.random(32);
      const error = await manager
        .store(cloud.caller(), { type: "symmetric", algorithm: "aes", value })
        .catch((thrown: unknown) => thrown);
      assert.ok(error instanceof KeyManagerError, String(error));
    });
  }

  it("rejects with one class of error, whatever is missing", async () => {
    const nobody = undefined as never;
    const nothing = undefined as never;
    await refuses(manager.get(nobody, fixedKeyId), "invalid_argument", /caller is missing/);
    await refuses(manager.get(cloud.caller(), nothing), "invalid_argument", /object id/);
    await refuses(manager.delete(cloud.caller(), null as never), "invalid_argument", /object id/);
  });

  it("keeps a name that the caller gives, and names what he does not", async () => {
    const alice = cloud.caller();
    const id = await manager.createKey(alice, { ...aes, name: "volume 1" });
    assert.equal((await manager.describe(alice, id)).name, "volume 1");
    const unnamed = await manager.createKey(alice, aes);
    assert.match((await manager.describe(alice, unnamed)).name ?? "", /^chatelaine-/);
  });

  it("shows expiration and mode, which Castellan's objects do not have", async () => {
    const alice = cloud.caller();
    const expiration = new Date("2126-01-01T00:00:00Z");
    const id = await manager.createKey(alice, { ...aes, mode: "cbc", expiration });
    const info = await manager.describe(alice, id);
    assert.deepEqual([info.mode, info.expiration], ["cbc", expiration]);
  });

  it("records the length that a stored key has, not 256 bits for every key", async () => {
    const alice = cloud.caller();
    const value = SecretBytes.random(64);
    const id = await manager.store(alice, { type: "symmetric", algorithm: "aes", value });
    assert.equal(cloud.barbican.secrets.get(id)?.fields["bit_length"], 512);
  });

  it("copies mode, expiration, user metadata and grants along", async () => {
    const alice = cloud.caller();
    const expiration = new Date("2126-01-01T00:00:00Z");
    const id = await manager.createKey(alice, { ...aes, mode: "cbc", expiration });
    await manager.client.secretMetadata.replace(alice, id, { disk: "1" });
    await manager.setReadAccess(alice, id, { projectAccess: false, userIds: ["bob"] });
    const copied = await manager.copy(alice, id);
    const [original, copy] = [id, copied].map((each) => cloud.barbican.secrets.get(each));
    assert.deepEqual(copy?.fields["mode"], "cbc");
    assert.deepEqual(copy?.fields["expiration"], original?.fields["expiration"]);
    assert.deepEqual(copy?.metadata, { disk: "1" });
    assert.deepEqual(copy?.acl, { users: ["bob"], project: false });
    assert.deepEqual(copy?.payload, original?.payload);
  });

  it("retries a call that is safe to repeat when Barbican is away for a moment", async () => {
    const alice = cloud.caller();
    const id = await manager.createKey(alice, aes);
    cloud.fail(/GET .*\/payload/, { type: "reply", status: 503 }, 2);
    assert.equal((await manager.get(alice, id)).value.length, 32);
  });

  it("finds and removes the key of an order whose reply was lost", async () => {
    cloud.fail(/POST .*\/orders/, { type: "drop", takesEffect: true });
    const error = await refuses(
      manager.createKey(cloud.caller(), aes),
      "unavailable",
      /closed before the answer came/,
    );
    assert.ok(!error.message.includes("left behind"), error.message);
    assert.deepEqual(cloud.barbican.contents, { secrets: 0, orders: 0, containers: 0 });
  });

  it("works with a token alone, whose scope it does not change", async () => {
    const token = cloud.keystone.issue({ userId: "alice", projectId: "a" });
    const caller = keystoneCaller({ token });
    const direct = cloud.manager({ endpoint: cloud.endpoint });
    const id = await direct.createKey(caller, aes);
    assert.equal(cloud.barbican.secrets.get(id)?.owner.projectId, "a");
  });
});
