import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";
import { it } from "node:test";
import type { ManagedObject } from "../model/managed-object.ts";
import { SecretBytes } from "../model/secret-bytes.ts";
import { certificateDer } from "./certificate.ts";
import { rejectsWith, type Scene } from "./scene.ts";

export function promisesOfStorage(of: () => Scene): void {
  for (const [label, make] of samples()) {
    it(`returns the bytes and attributes it was given: ${label}`, async () => {
      const { manager, alice, prefix } = of();
      const object: ManagedObject = { ...make(), name: `${prefix}${label}` };
      const id = await manager.store(alice, object);
      const stored = await manager.get(alice, id);
      assert.ok(stored.value.equals(object.value), "the same bytes");
      assert.equal(stored.id, id);
      assert.equal(stored.type, object.type);
      assert.equal(stored.name, object.name);
      if (object.algorithm !== undefined) assert.equal(stored.algorithm, object.algorithm);
      if (object.mode !== undefined) assert.equal(stored.mode, object.mode);
      const { value: _, ...info } = stored;
      assert.deepEqual(await manager.describe(alice, id), info);
      assert.ok(Math.abs(stored.created.getTime() - Date.now()) < 300_000, "created is in UTC");
      await manager.delete(alice, id);
    });
  }

  it("derives the length of a key from its bytes", async () => {
    const { manager, alice, prefix } = of();
    const name = `${prefix}length`;
    const symmetric = {
      type: "symmetric",
      name,
      algorithm: "aes",
      value: SecretBytes.random(64),
    } as const;
    const pair = rsaPair();
    const secretKey = { type: "private", name, algorithm: "rsa", value: pair.privateKey } as const;
    for (const [object, bits] of [
      [symmetric, 512],
      [secretKey, 2048],
    ] as const) {
      const id = await manager.store(alice, object);
      assert.equal((await manager.describe(alice, id)).bitLength, bits);
      await rejectsWith(
        "invalid_argument",
        manager.store(alice, { ...object, bitLength: bits / 2 }),
      );
      await manager.delete(alice, id);
    }
  });

  it("refuses bytes that are not what the type says, and stores nothing", async () => {
    const { manager, alice, prefix } = of();
    const name = `${prefix}misfit`;
    const value = SecretBytes.random(100);
    for (const type of ["private", "public", "certificate"] as const) {
      await rejectsWith("invalid_argument", manager.store(alice, { type, name, value }));
    }
    const empty = new SecretBytes(new Uint8Array());
    await rejectsWith(
      "invalid_argument",
      manager.store(alice, { type: "opaque", name, value: empty }),
    );
    assert.deepEqual(await Array.fromAsync(manager.list(alice, { name })), []);
  });

  it("refuses what it could not keep as it is: a name too long or with blanks around it, text that is none", async () => {
    const { manager, alice, prefix } = of();
    const value = new SecretBytes(Uint8Array.of(0xc3, 0x28));
    const opaque = { type: "opaque", name: `${prefix}unkept`, value } as const;
    for (const misfit of [
      { ...opaque, name: "" },
      { ...opaque, name: "x".repeat(256) },
      { ...opaque, name: `${prefix}blank ` },
      { ...opaque, contentType: "text/plain" },
      { ...opaque, type: "passphrase" },
    ] as const) {
      await rejectsWith("invalid_argument", manager.store(alice, misfit));
    }
    for await (const info of manager.list(alice))
      assert.ok(!info.name?.startsWith(`${prefix}blank`));
    assert.deepEqual(await Array.fromAsync(manager.list(alice, { name: opaque.name })), []);
  });

  it("gives an object without a name one of its own", async () => {
    const { manager, alice } = of();
    const opaque = { type: "opaque", value: SecretBytes.random(8) } as const;
    const ids = [await manager.store(alice, opaque), await manager.store(alice, opaque)];
    const names = await Promise.all(
      ids.map(async (id) => (await manager.describe(alice, id)).name),
    );
    assert.ok(names[0] && names[1] && names[0] !== names[1], names.join(", "));
    for (const id of ids) await manager.delete(alice, id);
  });

  it("keeps an expiration, and refuses one that is past", async () => {
    const { manager, alice, prefix } = of();
    const value = SecretBytes.random(16);
    const expiration = new Date(Math.floor(Date.now() / 1000) * 1000 + 3_600_000);
    const object = { type: "opaque", name: `${prefix}expiring`, value } as const;
    const id = await manager.store(alice, { ...object, expiration });
    assert.deepEqual((await manager.describe(alice, id)).expiration, expiration);
    const past = new Date(Date.now() - 60_000);
    await rejectsWith("invalid_argument", manager.store(alice, { ...object, expiration: past }));
    await manager.delete(alice, id);
  });

  it("copies bytes and attributes into an object of its own", async () => {
    const { manager, alice, prefix } = of();
    const expiration = new Date(Math.floor(Date.now() / 1000) * 1000 + 3_600_000);
    const value = SecretBytes.random(32);
    const original = {
      type: "symmetric",
      name: `${prefix}original`,
      algorithm: "aes",
      mode: "cbc",
      expiration,
      value,
    } as const;
    const source = await manager.store(alice, original);
    const copied = await manager.copy(alice, source);
    assert.notEqual(copied, source);
    await manager.delete(alice, source);
    const kept = await manager.get(alice, copied);
    assert.ok(kept.value.equals(value));
    const { type, name, algorithm, bitLength, mode } = kept;
    assert.deepEqual(
      { type, name, algorithm, bitLength, mode, expiration: kept.expiration },
      {
        type: "symmetric",
        name: original.name,
        algorithm: "aes",
        bitLength: 256,
        mode: "cbc",
        expiration,
      },
    );
    await manager.delete(alice, copied);
  });

  it("shows no secret when an object is printed", async () => {
    const { manager, alice, prefix } = of();
    const text = "a-secret-that-must-not-show";
    const id = await manager.store(alice, {
      type: "passphrase",
      name: `${prefix}silent`,
      value: SecretBytes.fromText(text),
    });
    const stored = await manager.get(alice, id);
    for (const shown of [JSON.stringify(stored), String(stored.value)]) {
      assert.ok(!shown.includes(text) && !shown.includes(Buffer.from(text).toString("base64")));
    }
    await manager.delete(alice, id);
  });
}

function samples(): readonly (readonly [string, () => ManagedObject])[] {
  const bytes = Uint8Array.from({ length: 256 }, (_, index) => index);
  return [
    [
      "a key of 256 bits",
      () => ({ type: "symmetric", algorithm: "aes", mode: "cbc", value: SecretBytes.random(32) }),
    ],
    [
      "a key of 512 bits",
      () => ({ type: "symmetric", algorithm: "aes", mode: "xts", value: SecretBytes.random(64) }),
    ],
    ["a private key", () => ({ type: "private", algorithm: "rsa", value: rsaPair().privateKey })],
    ["a public key", () => ({ type: "public", algorithm: "rsa", value: rsaPair().publicKey })],
    ["a key of a curve", () => ({ type: "private", algorithm: "ec", value: ecPrivateKey() })],
    ["a certificate", () => ({ type: "certificate", value: new SecretBytes(certificateDer()) })],
    [
      "a passphrase with blanks",
      () => ({ type: "passphrase", value: SecretBytes.fromText("  pässwörd \n") }),
    ],
    [
      "text with blanks",
      () => ({ type: "opaque", contentType: "text/plain", value: SecretBytes.fromText(" text\n") }),
    ],
    ["every byte", () => ({ type: "opaque", value: new SecretBytes(bytes) })],
    ["one byte", () => ({ type: "opaque", value: new SecretBytes(new Uint8Array(1)) })],
    ['a name of % and _ + \\ "quotes" ü', () => ({ type: "opaque", value: SecretBytes.random(8) })],
    [
      "as many bytes as Barbican takes",
      () => ({ type: "opaque", value: SecretBytes.random(20_000) }),
    ],
  ];
}

function rsaPair() {
  const pair = generateKeyPairSync("rsa", {
    modulusLength: 2048,
    privateKeyEncoding: { type: "pkcs8", format: "der" },
    publicKeyEncoding: { type: "spki", format: "der" },
  });
  return {
    privateKey: new SecretBytes(pair.privateKey),
    publicKey: new SecretBytes(pair.publicKey),
  };
}

function ecPrivateKey(): SecretBytes {
  const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  return new SecretBytes(privateKey.export({ type: "pkcs8", format: "der" }));
}
