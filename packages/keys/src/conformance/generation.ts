import assert from "node:assert/strict";
import { createPrivateKey, createPublicKey } from "node:crypto";
import { it } from "node:test";
import { rejectsWith, type Scene } from "./scene.ts";

export function promisesOfGeneration(of: () => Scene): void {
  for (const bitLength of [128, 192, 256, 512]) {
    it(`generates an AES key of ${bitLength} bits`, async () => {
      const { manager, alice, prefix } = of();
      const name = `${prefix}aes-${bitLength}`;
      const id = await manager.createKey(alice, { algorithm: "aes", bitLength, name });
      const key = await manager.get(alice, id);
      assert.equal(key.type, "symmetric");
      assert.equal(key.value.length * 8, bitLength);
      assert.deepEqual([key.name, key.algorithm, key.bitLength], [name, "aes", bitLength]);
      if (bitLength === 512) assert.equal(key.mode, "xts");
      await manager.delete(alice, id);
    });
  }

  it("generates as many distinct keys at once as it is asked for", async () => {
    const { manager, alice, prefix } = of();
    const spec = { algorithm: "aes", bitLength: 256, name: `${prefix}many` } as const;
    const ids = await Promise.all(Array.from({ length: 8 }, () => manager.createKey(alice, spec)));
    const values = await Promise.all(ids.map(async (id) => (await manager.get(alice, id)).value));
    for (const [index, value] of values.entries()) {
      assert.ok(values.every((other, at) => at === index || !other.equals(value)));
    }
    for (const id of ids) await manager.delete(alice, id);
  });

  it("generates a key pair that belongs together", async () => {
    const { manager, alice, prefix } = of();
    const spec = { algorithm: "rsa", bitLength: 2048, name: `${prefix}pair` };
    const { privateKeyId, publicKeyId } = await manager.createKeyPair(alice, spec);
    const [secretKey, publicKey] = [
      await manager.get(alice, privateKeyId),
      await manager.get(alice, publicKeyId),
    ];
    assert.deepEqual([secretKey.type, publicKey.type], ["private", "public"]);
    const fromPrivate = secretKey.value.use((der) =>
      createPublicKey(createPrivateKey({ key: Buffer.from(der), format: "der", type: "pkcs8" })),
    );
    const given = publicKey.value.use((der) =>
      createPublicKey({ key: Buffer.from(der), format: "der", type: "spki" }),
    );
    assert.ok(fromPrivate.equals(given));
    assert.equal(fromPrivate.asymmetricKeyDetails?.modulusLength, 2048);
    await manager.delete(alice, privateKeyId);
    await manager.delete(alice, publicKeyId);
  });

  it("says that it has no such algorithm or length, and leaves nothing behind", async () => {
    const { manager, alice, prefix } = of();
    const name = `${prefix}unsupported`;
    for (const [algorithm, bitLength] of [
      ["rot13", 256],
      ["aes", 1024],
      ["aes", 72],
    ] as const) {
      await rejectsWith("unsupported", manager.createKey(alice, { algorithm, bitLength, name }));
    }
    await rejectsWith(
      "unsupported",
      manager.createKeyPair(alice, { algorithm: "rot13", bitLength: 2048, name }),
    );
    assert.deepEqual(await Array.fromAsync(manager.list(alice, { name })), []);
  });
}
