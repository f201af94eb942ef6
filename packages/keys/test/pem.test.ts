import assert from "node:assert/strict";
import { createPrivateKey, generateKeyPairSync } from "node:crypto";
import { describe, it } from "node:test";
import fc from "fast-check";
import { holds } from "../../../scripts/random-runs.ts";
import { certificateDer } from "../src/conformance/certificate.ts";
import { derOf, isEncryptedPrivateKey, pemOf } from "../src/model/pem.ts";

const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
const pkcs8 = privateKey.export({ type: "pkcs8", format: "der" });
const spki = publicKey.export({ type: "spki", format: "der" });
const encrypted = privateKey.export({
  type: "pkcs8",
  format: "der",
  cipher: "aes-256-cbc",
  passphrase: "x",
});

describe("PEM and DER", () => {
  it("gives back the same DER, whatever its bytes", (t) => {
    holds(
      t,
      fc.property(
        fc.constantFrom("private", "public", "certificate"),
        fc.uint8Array(),
        (type, der) => {
          assert.deepEqual(Buffer.from(derOf(type, pemOf(type, der))), Buffer.from(der));
        },
      ),
    );
  });

  it("writes the PEM that OpenSSL writes", () => {
    const pem = Buffer.from(pemOf("private", pkcs8)).toString();
    assert.equal(pem, privateKey.export({ type: "pkcs8", format: "pem" }));
    assert.equal(
      Buffer.from(pemOf("public", spki)).toString(),
      publicKey.export({ type: "spki", format: "pem" }),
    );
    assert.match(
      Buffer.from(pemOf("certificate", certificateDer())).toString(),
      /^-----BEGIN CERT/,
    );
    const wrapped = Buffer.from(pemOf("private", encrypted)).toString();
    assert.match(wrapped, /^-----BEGIN ENCRYPTED PRIVATE KEY-----/);
    assert.ok(createPrivateKey({ key: wrapped, passphrase: "x" }).equals(privateKey));
  });

  it("reads PEM without its last line end, with CRLF, and with text around it", () => {
    const pem = Buffer.from(pemOf("public", spki)).toString();
    for (const variant of [pem.trimEnd(), pem.replaceAll("\n", "\r\n"), `Bag\n${pem}\nend`]) {
      assert.deepEqual(derOf("public", Buffer.from(variant)), spki);
    }
  });

  it("takes older forms of keys for what they hold", () => {
    const rsa = generateKeyPairSync("rsa", { modulusLength: 2048 });
    const pkcs1 = rsa.privateKey.export({ type: "pkcs1", format: "pem" });
    const sec1 = privateKey.export({ type: "sec1", format: "pem" });
    assert.deepEqual(
      derOf("private", Buffer.from(pkcs1)),
      rsa.privateKey.export({ type: "pkcs8", format: "der" }),
    );
    assert.deepEqual(derOf("private", Buffer.from(sec1)), pkcs8);
    const publicPkcs1 = rsa.publicKey.export({ type: "pkcs1", format: "pem" });
    assert.deepEqual(
      derOf("public", Buffer.from(publicPkcs1)),
      rsa.publicKey.export({ type: "spki", format: "der" }),
    );
  });

  it("leaves bytes that are no PEM as they are", () => {
    for (const bytes of [pkcs8, Buffer.alloc(0), Buffer.from("-----BEGIN X-----\nAAAA")]) {
      assert.deepEqual(derOf("private", bytes), bytes);
    }
  });

  it("tells an encrypted private key from everything else", (t) => {
    assert.equal(isEncryptedPrivateKey(encrypted), true);
    for (const der of [
      pkcs8,
      spki,
      certificateDer(),
      Buffer.alloc(0),
      Buffer.of(0x30),
      Buffer.of(0x30, 0x84),
    ]) {
      assert.equal(isEncryptedPrivateKey(der), false);
    }
    for (let length = 0; length < encrypted.length; length += 1) {
      assert.equal(isEncryptedPrivateKey(encrypted.subarray(0, length)), false);
    }
    holds(
      t,
      fc.property(fc.uint8Array(), (bytes) => typeof isEncryptedPrivateKey(bytes) === "boolean"),
    );
  });
});
