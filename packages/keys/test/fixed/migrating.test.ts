import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { keepsTheKeyManagerPromises } from "../../src/conformance/index.ts";
import {
  FixedKeyManager,
  fixedKeyId,
  grantsAccess,
  type KeyManager,
  MemoryKeyManager,
  migratingKeyManager,
  tracksConsumers,
} from "../../src/index.ts";
import { refuses } from "../refuses.ts";

const alice = { type: "project", projectId: "a", userId: "alice" } as const;
const volume = { service: "volume", resourceType: "volume", resourceId: "1" };

function migrating(): KeyManager {
  const fixed = new FixedKeyManager({ key: "ab".repeat(32), warn: () => {} });
  return migratingKeyManager(fixed, new MemoryKeyManager({ warn: () => {} }));
}

keepsTheKeyManagerPromises("memory with a fixed key beside it", async () => ({
  manager: migrating(),
  alice,
  bob: { type: "project", projectId: "b", userId: "bob" },
  bobUserId: "bob",
}));

describe("the migrating key manager", () => {
  it("serves the fixed key, also by reference, and everything else from the backend", async () => {
    const manager = migrating();
    for (const id of [fixedKeyId, `http://b/v1/secrets/${fixedKeyId}`] as never[]) {
      assert.equal((await manager.get(alice, id)).value.length, 32);
      assert.equal((await manager.describe(alice, id)).id, fixedKeyId);
      await manager.delete(alice, id);
    }
    const id = await manager.createKey(alice, { algorithm: "aes", bitLength: 256 });
    assert.equal((await manager.get(alice, id)).id, id);
    assert.deepEqual(
      (await Array.fromAsync(manager.list(alice))).map((info) => info.id),
      [id],
    );
  });

  it("gives a volume an object of its own by copying the fixed key", async () => {
    const manager = migrating();
    const copied = await manager.copy(alice, fixedKeyId);
    assert.notEqual(copied, fixedKeyId);
    assert.ok(
      (await manager.get(alice, copied)).value.equals((await manager.get(alice, fixedKeyId)).value),
    );
  });

  it("has the abilities of the backend, and no others", async () => {
    const manager = migrating();
    assert.ok(tracksConsumers(manager) && grantsAccess(manager));
    await manager.addConsumer(alice, fixedKeyId, volume);
    await manager.removeConsumer(alice, fixedKeyId, volume);
    const id = await manager.createKey(alice, { algorithm: "aes", bitLength: 256 });
    await manager.addConsumer(alice, id, volume);
    await refuses(manager.delete(alice, id), "in_use", /consumers/);
    await manager.delete(alice, id, { force: true });
    const fixed = new FixedKeyManager({ key: "ab", warn: () => {} });
    assert.equal(tracksConsumers(migratingKeyManager(fixed, fixed)), false);
  });

  it("rejects, and does not throw, when the id is none", async () => {
    const manager = migrating();
    await refuses(manager.get(alice, "x" as never), "invalid_argument", /object id/);
    await refuses(manager.delete(alice, undefined as never), "invalid_argument", /object id/);
  });
});
