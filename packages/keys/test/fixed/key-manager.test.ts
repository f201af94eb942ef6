import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  FixedKeyManager,
  fixedKeyId,
  objectId,
  SecretBytes,
  tracksConsumers,
} from "../../src/index.ts";
import { refuses } from "../refuses.ts";

const alice = { type: "project", projectId: "a", userId: "alice" } as const;
const key = "00ff".repeat(16);

function fixed(warnings: string[] = []): FixedKeyManager {
  return new FixedKeyManager({ key, warn: (message) => warnings.push(message) });
}

async function listed(filter = {}): Promise<number> {
  return (await Array.fromAsync(fixed().list(alice, filter))).length;
}

describe("the fixed key manager", () => {
  it("warns that one key opens everything", () => {
    const warnings: string[] = [];
    fixed(warnings);
    assert.match(warnings.join(), /one key opens every volume of every project; move them/);
    assert.ok(!warnings.join().includes(key));
  });

  it("gives its key to anyone, under one id, also as a reference", async () => {
    for (const id of [fixedKeyId, `http://b/v1/secrets/${fixedKeyId}`]) {
      const object = await fixed().get(alice, id as never);
      assert.equal(
        object.value.use((bytes) => Buffer.from(bytes).toString("hex")),
        key,
      );
      assert.deepEqual(
        [object.id, object.type, object.algorithm, object.bitLength],
        [fixedKeyId, "symmetric", "aes", 256],
      );
    }
  });

  it("lists it, where the filter lets it", async () => {
    assert.deepEqual(
      [
        await listed(),
        await listed({ type: "symmetric" }),
        await listed({ type: "opaque" }),
        await listed({ name: "x" }),
      ],
      [1, 1, 0, 0],
    );
  });

  it("keeps it when a volume is deleted, and says so", async () => {
    const warnings: string[] = [];
    const manager = fixed(warnings);
    await manager.delete(alice, fixedKeyId);
    assert.match(warnings.at(-1) ?? "", /not deleted: other volumes need it/);
    assert.equal((await manager.get(alice, fixedKeyId)).value.length, 32);
  });

  it("has no other object, and makes none", async () => {
    const manager = fixed();
    const other = objectId("5ce7ab30-5c1f-4a3b-9d56-0a1b2c3d4e5f");
    await refuses(manager.get(alice, other), "not_found", /has only 0000/, [key]);
    await refuses(manager.delete(alice, other), "not_found", /has only 0000/);
    for (const make of [
      manager.createKey(),
      manager.createKeyPair(),
      manager.store(),
      manager.copy(),
    ]) {
      await refuses(make, "unsupported", /one key, for reading old volumes/, [key]);
    }
    assert.equal(tracksConsumers(manager), false);
  });

  it("gives nothing to nobody", async () => {
    await refuses(
      fixed().get(undefined as never, fixedKeyId),
      "invalid_argument",
      /caller is missing/,
      [key],
    );
    await refuses(fixed().get(alice, null as never), "invalid_argument", /object id/);
  });

  for (const bad of ["", "abc", "xy", `${key} `, "0x00"]) {
    it(`refuses ${JSON.stringify(bad.slice(0, 8))} as a key, without repeating it`, async () => {
      const make = () => new FixedKeyManager({ key: bad, warn: () => {} });
      await refuses(
        make,
        "invalid_argument",
        /hexadecimal digits, two for each byte/,
        bad.length > 8 ? [key] : [],
      );
    });
  }

  it("takes bytes as well", async () => {
    const value = SecretBytes.random(64);
    const manager = new FixedKeyManager({ key: value, warn: () => {} });
    assert.ok((await manager.get(alice, fixedKeyId)).value.equals(value));
  });
});
