import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";
import { describe, it } from "node:test";
import fc from "fast-check";
import { holds } from "../../../scripts/random-runs.ts";
import { certificateDer } from "../src/conformance/certificate.ts";
import { KeyManagerError, type ManagedObject, objectTypes, SecretBytes } from "../src/index.ts";
import { checkedBitLength } from "../src/model/key-material.ts";
import { refuses } from "./refuses.ts";

function privateDer(key: {
  export(options: { type: "pkcs8"; format: "der" }): Buffer;
}): SecretBytes {
  return new SecretBytes(key.export({ type: "pkcs8", format: "der" }));
}

describe("key material", () => {
  for (const [label, pair, bits] of [
    ["RSA 2048", () => generateKeyPairSync("rsa", { modulusLength: 2048 }), 2048],
    ["P-256", () => generateKeyPairSync("ec", { namedCurve: "P-256" }), 256],
    ["P-384", () => generateKeyPairSync("ec", { namedCurve: "P-384" }), 384],
    ["P-521", () => generateKeyPairSync("ec", { namedCurve: "P-521" }), 521],
    ["secp256k1", () => generateKeyPairSync("ec", { namedCurve: "secp256k1" }), 256],
    ["Ed25519", () => generateKeyPairSync("ed25519"), 256],
    ["X448", () => generateKeyPairSync("x448"), 448],
  ] as const) {
    it(`derives ${bits} bits of a ${label} key pair`, () => {
      const { privateKey, publicKey } = pair();
      assert.equal(checkedBitLength("x", { type: "private", value: privateDer(privateKey) }), bits);
      const spki = new SecretBytes(publicKey.export({ type: "spki", format: "der" }));
      assert.equal(checkedBitLength("x", { type: "public", value: spki }), bits);
    });
  }

  it("counts the bits of a symmetric key, and refuses another length", async () => {
    const key = { type: "symmetric", value: SecretBytes.random(32) } as const;
    assert.equal(checkedBitLength("x", key), 256);
    assert.equal(checkedBitLength("x", { ...key, bitLength: 256 }), 256);
    await refuses(
      () => checkedBitLength("store", { ...key, bitLength: 512 }),
      "invalid_argument",
      /store: bitLength says 512, but the bytes are a key of 256 bits/,
    );
  });

  it("cannot see the length of an encrypted private key, so takes what is said", () => {
    const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
    const value = new SecretBytes(
      privateKey.export({ type: "pkcs8", format: "der", cipher: "aes-256-cbc", passphrase: "x" }),
    );
    assert.equal(checkedBitLength("x", { type: "private", value }), undefined);
    assert.equal(checkedBitLength("x", { type: "private", value, bitLength: 256 }), 256);
  });

  it("refuses one kind of DER for another", async () => {
    const { privateKey, publicKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
    const der = {
      private: privateKey.export({ type: "pkcs8", format: "der" }),
      public: publicKey.export({ type: "spki", format: "der" }),
      certificate: certificateDer(),
      pem: Buffer.from(privateKey.export({ type: "pkcs8", format: "pem" })),
    };
    for (const type of ["private", "public", "certificate"] as const) {
      for (const [kind, bytes] of Object.entries(der)) {
        if (kind === type) continue;
        const object: ManagedObject = { type, value: new SecretBytes(bytes) };
        const error = await refuses(
          () => checkedBitLength("store", object),
          "invalid_argument",
          /the bytes are not DER/,
          [bytes.subarray(40, 80)],
        );
        assert.equal(error.cause, undefined, "OpenSSL's error may quote");
      }
    }
  });

  it("refuses a passphrase that is no text, and text that is none", async () => {
    const value = new SecretBytes(Uint8Array.of(0xc3, 0x28));
    await refuses(
      () => checkedBitLength("x", { type: "passphrase", value }),
      "invalid_argument",
      /UTF-8/,
    );
    const text = { type: "opaque", contentType: "text/plain", value } as const;
    await refuses(() => checkedBitLength("x", text), "invalid_argument", /UTF-8/);
    assert.equal(checkedBitLength("x", { type: "opaque", value }), undefined);
  });

  it("refuses an object without bytes", async () => {
    for (const type of objectTypes) {
      const value = new SecretBytes(new Uint8Array());
      await refuses(
        () => checkedBitLength("x", { type, value }),
        "invalid_argument",
        /has no bytes/,
      );
    }
  });

  it("rejects hostile bytes with a KeyManagerError, if at all", (t) => {
    holds(
      t,
      fc.property(
        fc.constantFrom(...objectTypes),
        fc.uint8Array({ minLength: 1 }),
        (type, bytes) => {
          try {
            checkedBitLength("x", { type, value: new SecretBytes(bytes) });
          } catch (error) {
            assert.ok(error instanceof KeyManagerError && error.code === "invalid_argument");
          }
        },
      ),
    );
  });
});
