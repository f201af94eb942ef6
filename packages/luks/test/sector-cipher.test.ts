import assert from "node:assert/strict";
import { createCipheriv, createHash, randomBytes } from "node:crypto";
import { describe, it } from "node:test";
import fc from "fast-check";
import { holds } from "../../../scripts/random-runs.ts";
import { sectorCipher } from "../src/crypto/choose-cipher.ts";
import { aesXtsPlain64, parseCipher } from "../src/crypto/cipher-spec.ts";
import { fastXtsCipher } from "../src/crypto/fast-xts.ts";
import { referenceCipher, type SectorCipher } from "../src/crypto/sector-cipher.ts";
import { luksError } from "./scratch.ts";
import { ieee1619Vectors } from "./vectors/ieee-1619.ts";

const fast = (key: Uint8Array, sectorSize: number): SectorCipher => {
  const cipher = fastXtsCipher(aesXtsPlain64, key, sectorSize);
  assert.ok(cipher);
  return cipher;
};

describe("AES-XTS", () => {
  for (const { name, key, sector, plaintext, ciphertext } of ieee1619Vectors) {
    for (const [how, cipher] of [
      ["fast", fast(key, 512)],
      ["reference", referenceCipher(aesXtsPlain64, key, 512)],
    ] as const) {
      it(`${how}: IEEE 1619, ${name}`, () => {
        const data = Uint8Array.from(plaintext);
        cipher.encrypt(data, sector);
        assert.equal(Buffer.from(data).toString("hex"), Buffer.from(ciphertext).toString("hex"));
        cipher.decrypt(data, sector);
        assert.deepEqual(data, Uint8Array.from(plaintext));
      });
    }
  }

  it("is the same fast as by reference, whatever key, sector size, number and length", (t) => {
    holds(
      t,
      fc.property(
        fc.constantFrom(32, 64),
        fc.constantFrom(512, 1024, 2048, 4096),
        fc.integer({ min: 0, max: 2 ** 52 }),
        fc.integer({ min: 0, max: 300 }),
        (keyBytes, sectorSize, sector, sectors) => {
          const key = randomBytes(keyBytes);
          const plaintext = randomBytes(sectorSize * sectors);
          const [one, other] = [Buffer.from(plaintext), Buffer.from(plaintext)];
          fast(key, sectorSize).encrypt(one, sector);
          referenceCipher(aesXtsPlain64, key, sectorSize).encrypt(other, sector);
          assert.ok(one.equals(other));
          fast(key, sectorSize).decrypt(one, sector);
          assert.ok(one.equals(plaintext));
        },
      ),
      { numRuns: 60 },
    );
  });

  it("goes on when the key that it was made of is erased", () => {
    for (const name of ["aes-xts-plain64", "aes-xts-plain", "aes-cbc-essiv:sha256"]) {
      const key = randomBytes(32);
      const [one, other] = [Buffer.alloc(4096), Buffer.alloc(4096)];
      sectorCipher(parseCipher("test", name), key, 512).encrypt(one, 7);
      const erased = Uint8Array.from(key);
      const cipher = sectorCipher(parseCipher("test", name), erased, 512);
      erased.fill(0);
      cipher.encrypt(other, 7);
      assert.ok(one.equals(other), name);
    }
  });

  it("refuses keys of other lengths, and leaves equal halves to OpenSSL, which refuses them", () => {
    for (const length of [0, 16, 31, 48, 65]) {
      assert.throws(
        () => sectorCipher(aesXtsPlain64, randomBytes(length), 512),
        luksError("invalid_argument"),
      );
    }
    assert.equal(fastXtsCipher(aesXtsPlain64, new Uint8Array(64), 512), undefined);
  });
});

describe("other ciphers", () => {
  it("aes-cbc-essiv:sha256 encrypts the sector number with the hash of the key", () => {
    const key = randomBytes(32);
    const data = randomBytes(1024);
    const numbers = Buffer.alloc(16);
    numbers[0] = 8;
    const salt = createHash("sha256").update(key).digest();
    const iv = createCipheriv("aes-256-ecb", salt, null).update(numbers);
    const expected = createCipheriv("aes-256-cbc", key, iv)
      .setAutoPadding(false)
      .update(data.subarray(512));
    const cipher = sectorCipher(parseCipher("test", "aes-cbc-essiv:sha256"), key, 512);
    const ciphertext = Buffer.from(data);
    cipher.encrypt(ciphertext, 7);
    assert.ok(ciphertext.subarray(512).equals(expected));
    cipher.decrypt(ciphertext, 7);
    assert.ok(ciphertext.equals(data));
  });

  it("plain numbers wrap at 32 bits, plain64 numbers do not", () => {
    const key = randomBytes(32);
    const encrypted = (name: string, sector: number) => {
      const data = new Uint8Array(512);
      sectorCipher(parseCipher("test", name), key, 512).encrypt(data, sector);
      return Buffer.from(data).toString("hex");
    };
    assert.equal(encrypted("aes-cbc-plain", 2 ** 32 + 5), encrypted("aes-cbc-plain", 5));
    assert.notEqual(encrypted("aes-cbc-plain64", 2 ** 32 + 5), encrypted("aes-cbc-plain64", 5));
    assert.equal(encrypted("aes-xts-plain", 5), encrypted("aes-xts-plain64", 5));
  });

  it("are refused where we do not know them", () => {
    for (const name of ["serpent-xts-plain64", "aes-gcm-random", "", "aes-xts-plain64 ", "null"]) {
      assert.throws(() => parseCipher("test", name), luksError("unsupported"));
    }
  });
});
