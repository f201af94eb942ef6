import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";
import { describe, it } from "node:test";
import { objectBytes, objectInfo, wireObject } from "../../src/barbican/translation.ts";
import { SecretBytes } from "../../src/index.ts";

const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });

describe("translation", () => {
  it("has private and public keys as PEM on the wire and as DER inside", () => {
    for (const [type, der, pem] of [
      [
        "private",
        privateKey.export({ type: "pkcs8", format: "der" }),
        privateKey.export({ type: "pkcs8", format: "pem" }),
      ],
      [
        "public",
        publicKey.export({ type: "spki", format: "der" }),
        publicKey.export({ type: "spki", format: "pem" }),
      ],
    ] as const) {
      const { secret, payload } = wireObject(
        "store",
        { type, algorithm: "ec", value: new SecretBytes(der) },
        "n",
      );
      assert.equal(
        payload.bytes.useText((text) => text),
        pem,
      );
      assert.deepEqual([secret.type, secret.name, secret.bitLength], [type, "n", 256]);
      assert.ok(objectBytes(type, payload.bytes).equals(new SecretBytes(der)));
    }
  });

  it("has all other bytes as they are", () => {
    const value = SecretBytes.fromText(
      "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
    );
    for (const type of ["symmetric", "passphrase", "opaque"] as const) {
      assert.equal(wireObject("store", { type, value }, "n").payload.bytes, value);
      assert.equal(objectBytes(type, value), value);
    }
  });

  it("writes algorithm and mode small, and times as dates", () => {
    const info = objectInfo("x", {
      id: "5ce7ab30-5c1f-4a3b-9d56-0a1b2c3d4e5f" as never,
      type: "symmetric",
      status: "ACTIVE",
      name: undefined,
      algorithm: "AES",
      bitLength: 256,
      mode: "XTS",
      expiration: "2126-01-01T00:00:00",
      created: "2026-01-01T00:00:00.5",
      updated: "2026-01-01T00:00:01",
      creatorId: undefined,
      contentType: undefined,
      consumers: undefined,
    });
    assert.deepEqual([info.algorithm, info.mode], ["aes", "xts"]);
    assert.deepEqual(info.expiration, new Date("2126-01-01T00:00:00Z"));
    assert.deepEqual(info.created, new Date("2026-01-01T00:00:00.500Z"));
    assert.deepEqual(info.consumers, []);
  });
});
