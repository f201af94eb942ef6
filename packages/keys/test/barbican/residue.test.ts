import assert from "node:assert/strict";
import { after, before, beforeEach, describe, it } from "node:test";
import { type BarbicanKeyManager, SecretBytes } from "../../src/index.ts";
import { FakeCloud } from "../fake/cloud.ts";
import { refuses } from "../refuses.ts";

const aes = { algorithm: "aes", bitLength: 256 };
const rsa = { algorithm: "rsa", bitLength: 2048 };
const nothing = { secrets: 0, orders: 0, containers: 0 };

describe("what a failed call leaves in Barbican", () => {
  let cloud: FakeCloud;
  let manager: BarbicanKeyManager;
  let now: number;

  before(async () => {
    cloud = await FakeCloud.start();
  });
  after(() => cloud.stop());
  beforeEach(() => {
    cloud.reset();
    now = Date.now();
    manager = cloud.manager({
      orderTimeoutMs: 1_000,
      now: () => new Date(now),
      sleep: async (ms, signal) => {
        now += ms;
        signal?.throwIfAborted();
      },
    });
  });

  /** Does something just before the nth request that matches is handled. */
  function upon(match: RegExp, act: () => void, nth = 1): void {
    let count = 0;
    cloud.onRequest = ({ method, path }) => {
      if (match.test(`${method} ${path}`) && ++count === nth) act();
    };
  }

  it("is nothing if the order fails", async () => {
    await refuses(
      manager.createKey(cloud.caller(), { ...aes, bitLength: 72 }),
      "unsupported",
      /no such key/,
    );
    await refuses(
      manager.createKeyPair(cloud.caller(), { ...rsa, algorithm: "ec" }),
      "unsupported",
      /no such/,
    );
    assert.deepEqual(cloud.barbican.contents, nothing);
  });

  it("tells a failure of Barbican's from a key that it does not have", async () => {
    cloud.barbican.orderMode = "later";
    upon(/GET .*\/orders\//, () => {
      for (const order of cloud.barbican.orders.values()) {
        order.status = "ERROR";
        order.error = { code: "500", reason: "Process TypeOrder failure seen - please contact." };
      }
    });
    await refuses(
      manager.createKey(cloud.caller(), aes),
      "unavailable",
      /failed with status 500: Process/,
    );
    assert.deepEqual(cloud.barbican.contents, nothing);
  });

  it("is nothing if the order stays pending, and says for how long", async () => {
    cloud.barbican.orderMode = "later";
    await refuses(
      manager.createKey(cloud.caller(), aes),
      "unavailable",
      /still PENDING after 1000 ms/,
    );
    assert.deepEqual(cloud.barbican.contents, nothing);
  });

  for (const nth of [1, 2]) {
    it(`is nothing if the worker ends just before look ${nth} for its result`, async () => {
      cloud.barbican.orderMode = "later";
      upon(/DELETE .*\/orders\//, () => cloud.barbican.work());
      await refuses(manager.createKey(cloud.caller(), aes), "unavailable", /still PENDING/);
      assert.deepEqual(cloud.barbican.contents, nothing);
    });
  }

  it("is told if a pending order cannot be deleted", async () => {
    cloud.barbican.orderMode = "later";
    cloud.barbican.mayDeleteOrders = false;
    await refuses(
      manager.createKey(cloud.caller(), aes),
      "unavailable",
      /this may have left behind what Barbican may still make of order [0-9a-f-]{36}/,
    );
  });

  it("is told if a pending order's key could not be told from others of its name", async () => {
    cloud.barbican.orderMode = "later";
    const named = manager.createKey(cloud.caller(), { ...aes, name: "volume" });
    await refuses(named, "unavailable", /may still make of order/);
    const vouched = { ...aes, name: "volume 1", nameIsUnique: true };
    const error = await refuses(
      manager.createKey(cloud.caller(), vouched),
      "unavailable",
      /PENDING/,
    );
    assert.ok(!error.message.includes("left behind"));
  });

  it("is nothing if the caller aborts in the middle", async () => {
    cloud.barbican.orderMode = "later";
    for (const match of [/POST .*\/orders/, /GET .*\/orders\//]) {
      const abort = new AbortController();
      upon(match, () => abort.abort(new Error("enough")));
      const call = manager.createKey(cloud.caller(), aes, { signal: abort.signal });
      await refuses(call, "unavailable", /aborted by the caller/);
      assert.deepEqual(cloud.barbican.contents, nothing, String(match));
    }
  });

  it("is nothing if the caller aborts while it waits", async () => {
    cloud.barbican.orderMode = "later";
    const abort = new AbortController();
    upon(/GET .*\/orders\//, () => abort.abort(), 2);
    const call = manager.createKey(cloud.caller(), aes, { signal: abort.signal });
    await refuses(call, "unavailable", /aborted/);
    assert.deepEqual(cloud.barbican.contents, nothing);
  });

  for (const [label, fault] of [
    ["dropped", { type: "drop", takesEffect: true }],
    ["cut off", { type: "truncate", takesEffect: true }],
    ["lost by a proxy", { type: "reply", status: 502, takesEffect: true }],
    ["a 500", { type: "reply", status: 500, takesEffect: true }],
    ["garbled", { type: "reply", status: 202, bytes: Buffer.from("<"), takesEffect: true }],
  ] as const) {
    it(`is nothing if the reply to the order is ${label}, where its name is ours`, async () => {
      for (const call of [
        () => manager.createKey(cloud.caller(), aes),
        () => manager.createKeyPair(cloud.caller(), rsa),
        () =>
          manager.createKey(cloud.caller(), {
            ...aes,
            name: 'volume %41 "ü" +',
            nameIsUnique: true,
          }),
      ]) {
        cloud.fail(/POST .*\/orders/, fault);
        const error = await refuses(
          call(),
          fault.type === "reply" && fault.status === 202 ? "bad_response" : "unavailable",
          /POST orders/,
        );
        assert.ok(!error.message.includes("left behind"), error.message);
        assert.deepEqual(cloud.barbican.contents, nothing);
      }
    });

    it(`is told if the reply to the order is ${label} and its name may be another's`, async () => {
      const spec = { ...aes, name: "volume" };
      const other = await manager.createKey(cloud.caller(), spec);
      cloud.fail(/POST .*\/orders/, fault);
      const error = await refuses(
        manager.createKey(cloud.caller(), spec),
        fault.type === "reply" && fault.status === 202 ? "bad_response" : "unavailable",
        /this may have left behind an object named "volume" \(its name may be another's/,
      );
      assert.ok(error.cause instanceof Error);
      await manager.describe(cloud.caller(), other);
    });
  }

  it("is nothing if the reply was lost while the worker is at it still", async () => {
    cloud.barbican.orderMode = "later";
    cloud.fail(/POST .*\/orders/, { type: "drop", takesEffect: true });
    upon(/DELETE .*\/orders\//, () => cloud.barbican.work());
    await refuses(manager.createKey(cloud.caller(), aes), "unavailable", /closed before/);
    assert.deepEqual(cloud.barbican.contents, nothing);
  });

  it("is not looked for after a request that cannot have had an effect", async () => {
    cloud.fail(/POST .*\/orders/, {
      type: "reply",
      status: 400,
      json: { code: 400, description: "x" },
    });
    await refuses(manager.createKey(cloud.caller(), aes), "invalid_argument", /status 400/);
    assert.deepEqual(cloud.takeCalls(), ["POST /v1/orders"]);
  });

  it("is told, with its reason, if it cannot be removed", async () => {
    const json = { code: 403, title: "x", description: "Not allowed." };
    cloud.fail(/POST .*\/orders/, { type: "drop", takesEffect: true });
    cloud.fail(/DELETE .*\/secrets/, { type: "reply", status: 403, json }, 9);
    await refuses(
      manager.createKey(cloud.caller(), aes),
      "unavailable",
      /closed before the answer came; this may have left behind an object named "chatelaine-.*\(DELETE secrets\/.*status 403: Not allowed/,
    );
  });

  it("is an order that legacy policy does not let be deleted, of which it warns", async () => {
    cloud.barbican.mayDeleteOrders = false;
    const id = await manager.createKey(cloud.caller(), aes);
    assert.equal((await manager.get(cloud.caller(), id)).value.length, 32);
    assert.equal(cloud.warnings.length, 1);
    assert.match(
      cloud.warnings[0] ?? "",
      /^order .*: left behind: .*only admins delete orders; they count/,
    );
  });

  it("is no key though its order cannot be deleted", async () => {
    cloud.barbican.mayDeleteOrders = false;
    upon(/GET .*\/orders\//, () => {
      for (const order of cloud.barbican.orders.values()) order.status = "ERROR";
    });
    await refuses(manager.createKey(cloud.caller(), aes), "unavailable", /failed with status/);
    assert.equal(cloud.barbican.contents.secrets, 0);
  });

  describe("of a key pair", () => {
    it("is its container, of which it warns, if that alone cannot be deleted", async () => {
      cloud.fail(/DELETE .*\/containers/, { type: "reply", status: 500 });
      const pair = await manager.createKeyPair(cloud.caller(), rsa);
      assert.equal((await manager.describe(cloud.caller(), pair.privateKeyId)).type, "private");
      assert.match(cloud.warnings[0] ?? "", /^container .*: left behind: .*status 500/);
    });

    it("is nothing but the pair if the reply to that deletion is lost", async () => {
      cloud.fail(/DELETE .*\/containers/, { type: "drop", takesEffect: true });
      await manager.createKeyPair(cloud.caller(), rsa);
      assert.deepEqual(cloud.barbican.contents, { secrets: 2, orders: 0, containers: 0 });
      assert.deepEqual(cloud.warnings, []);
    });

    it("is nothing if the container cannot be read", async () => {
      cloud.fail(/GET .*\/containers\//, { type: "reply", status: 500 });
      await refuses(
        manager.createKeyPair(cloud.caller(), rsa),
        "unavailable",
        /containers.*status 500/,
      );
      assert.deepEqual(cloud.barbican.contents, nothing);
    });

    it("is nothing if the container has only half of it", async () => {
      upon(/GET .*\/containers\//, () => {
        for (const container of cloud.barbican.containers.values()) {
          const lost = container.members.pop();
          cloud.barbican.secrets.delete(lost?.secretId ?? "");
        }
      });
      await refuses(
        manager.createKeyPair(cloud.caller(), rsa),
        "bad_response",
        /it has no public_key/,
      );
      assert.deepEqual(cloud.barbican.contents, nothing);
    });

    it("is nothing if an order is done but names no result", async () => {
      cloud.onRequest = ({ method, path }) => {
        if (method !== "GET" || !path.includes("/orders/")) return;
        for (const order of cloud.barbican.orders.values()) {
          delete order.containerId;
          delete order.secretId;
        }
      };
      for (const call of [
        () => manager.createKeyPair(cloud.caller(), rsa),
        () => manager.createKey(cloud.caller(), aes),
      ]) {
        await refuses(call(), "bad_response", /it is done but names no (container|secret)/);
        assert.deepEqual(cloud.barbican.contents, nothing);
      }
    });

    it("is nothing if the caller aborts between order and container", async () => {
      const abort = new AbortController();
      upon(/GET .*\/containers\//, () => abort.abort());
      const call = manager.createKeyPair(cloud.caller(), rsa, { signal: abort.signal });
      await refuses(call, "unavailable", /aborted/);
      assert.deepEqual(cloud.barbican.contents, nothing);
    });
  });

  describe("of a stored object", () => {
    const value = SecretBytes.fromText("the payload");
    const text = { type: "opaque", contentType: "text/plain", value } as const;

    it("is nothing if the second step fails, for whatever reason", async () => {
      for (const fault of [
        { type: "reply", status: 500 },
        { type: "reply", status: 413, json: { code: 413, description: "x" } },
        { type: "drop" },
        { type: "drop", takesEffect: true },
      ] as const) {
        cloud.fail(/PUT .*\/secrets/, fault);
        const error = await manager.store(cloud.caller(), text).catch((thrown: unknown) => thrown);
        assert.ok(error instanceof Error && !error.message.includes("left behind"));
        assert.deepEqual(cloud.barbican.contents, nothing);
      }
    });

    it("is nothing if the caller aborts between the steps", async () => {
      const abort = new AbortController();
      upon(/PUT .*\/secrets/, () => abort.abort());
      const call = manager.store(cloud.caller(), text, { signal: abort.signal });
      await refuses(call, "unavailable", /aborted/, ["the payload"]);
      assert.deepEqual(cloud.barbican.contents, nothing);
    });

    it("is told, by id, if it cannot be removed", async () => {
      cloud.fail(/PUT .*\/secrets/, { type: "reply", status: 500 });
      cloud.fail(/DELETE .*\/secrets/, { type: "reply", status: 500 }, 9);
      await refuses(
        manager.store(cloud.caller(), text),
        "unavailable",
        /status 500.*; this may have left behind secret [0-9a-f-]{36} \(DELETE/,
        ["the payload"],
      );
    });

    it("is nothing if the reply was lost, where its name is ours; else it is told", async () => {
      const opaque = { type: "opaque", value } as const;
      cloud.fail(/POST .*\/secrets/, { type: "drop", takesEffect: true });
      await refuses(
        manager.store(cloud.caller(), opaque),
        "unavailable",
        /closed before the answer came$/,
      );
      assert.deepEqual(cloud.barbican.contents, nothing);
      cloud.fail(/POST .*\/secrets/, { type: "drop", takesEffect: true });
      const named = manager.store(cloud.caller(), { ...opaque, name: "mine" });
      await refuses(named, "unavailable", /left behind an object named "mine"/);
    });
  });

  describe("of a copy", () => {
    it("is nothing if metadata, grants or payload cannot be set", async () => {
      const id = await manager.createKey(cloud.caller(), aes);
      await manager.client.secretMetadata.replace(cloud.caller(), id, { disk: "1" });
      await manager.setReadAccess(cloud.caller(), id, { projectAccess: false, userIds: [] });
      for (const match of [/PUT .*\/metadata/, /PUT .*\/acl/, /PUT .*\/secrets\/[0-9a-f-]+$/]) {
        cloud.fail(match, { type: "reply", status: 500 });
        await refuses(manager.copy(cloud.caller(), id), "unavailable", /status 500/);
        assert.equal(cloud.barbican.contents.secrets, 1);
      }
    });

    it("is never readable by more people than the original, not for a moment", async () => {
      const id = await manager.createKey(cloud.caller(), aes);
      await manager.setReadAccess(cloud.caller(), id, { projectAccess: false, userIds: ["bob"] });
      let wasOpen = false;
      cloud.onRequest = () => {
        for (const secret of cloud.barbican.secrets.values()) {
          if (secret.payload !== undefined && secret.acl?.project !== false) wasOpen = true;
        }
      };
      const copied = await manager.copy(cloud.caller(), id);
      assert.equal(wasOpen, false);
      assert.deepEqual(await manager.readAccess(cloud.caller(), copied), {
        projectAccess: false,
        userIds: ["bob"],
      });
    });

    it("has the bytes and attributes that others gave the original, fitting or not", async () => {
      const id = await manager.createKey(cloud.caller(), aes);
      const original = cloud.barbican.secrets.get(id);
      assert.ok(original);
      original.payload = Buffer.from("two certificates, say");
      Object.assign(original.fields, {
        secret_type: "certificate",
        bit_length: 17,
        algorithm: "AES",
      });
      original.contentType = "text/plain";
      const copy = cloud.barbican.secrets.get(await manager.copy(cloud.caller(), id));
      assert.deepEqual(copy?.payload, original.payload);
      assert.equal(copy?.contentType, "text/plain");
      for (const field of ["secret_type", "bit_length", "algorithm", "name"]) {
        assert.equal(copy?.fields[field], original.fields[field], field);
      }
    });

    it("is made by one who may read but not see the grants", async () => {
      const id = await manager.createKey(cloud.caller(), aes);
      await manager.setReadAccess(cloud.caller(), id, { projectAccess: true, userIds: ["bob"] });
      const copied = await manager.copy(cloud.bob(), id);
      assert.equal(cloud.barbican.secrets.get(copied)?.owner.projectId, "b");
    });
  });

  it("is nothing when a deletion's reply is lost", async () => {
    const id = await manager.createKey(cloud.caller(), aes);
    cloud.fail(/DELETE .*\/secrets/, { type: "drop", takesEffect: true });
    await manager.delete(cloud.caller(), id);
    assert.deepEqual(cloud.barbican.contents, nothing);
    await refuses(manager.delete(cloud.caller(), id), "not_found", /404/);
  });

  it("never makes a promise that nobody handles", async () => {
    const unhandled: unknown[] = [];
    const note = (reason: unknown) => unhandled.push(reason);
    process.on("unhandledRejection", note);
    try {
      cloud.fail(/./, { type: "reply", status: 500 }, 30);
      const id = "5ce7ab30-5c1f-4a3b-9d56-0a1b2c3d4e5f" as never;
      for (const call of [
        () => manager.get(cloud.caller(), id),
        () => manager.copy(cloud.caller(), id),
        () => manager.createKeyPair(cloud.caller(), rsa),
        () => manager.get(cloud.caller(), id, { signal: AbortSignal.abort() }),
      ]) {
        await assert.rejects(call());
      }
      for (let turn = 0; turn < 20; turn += 1)
        await new Promise((resolve) => setImmediate(resolve));
      assert.deepEqual(unhandled, []);
    } finally {
      process.off("unhandledRejection", note);
    }
  });
});
