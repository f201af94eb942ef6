import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { describe, it } from "node:test";
import fc from "fast-check";
import { holds } from "../../../scripts/random-runs.ts";
import { fastDiffuser, mergeKey, opensslDiffuser, splitKey } from "../src/crypto/af-splitter.ts";
import { loadSha256Block } from "../src/wasm/sha256.ts";

describe("the anti-forensic splitter", () => {
  it("gives back what it split, for every hash and length", (t) => {
    holds(
      t,
      fc.property(
        fc.uint8Array({ minLength: 1, maxLength: 80 }),
        fc.integer({ min: 1, max: 40 }),
        fc.constantFrom("sha1", "sha256", "sha512"),
        (key, stripes, hash) => {
          const material = splitKey(key, stripes, hash);
          assert.equal(material.length, key.length * stripes);
          assert.deepEqual(mergeKey(material, key.length, hash), key);
        },
      ),
    );
  });

  it("loses the key with any bit of the material", () => {
    const key = randomBytes(64);
    const material = splitKey(key, 50, "sha256");
    for (let i = 0; i < material.length; i += 37) {
      const damaged = Uint8Array.from(material);
      damaged[i] = (damaged[i] ?? 0) ^ 4;
      assert.notDeepEqual(Buffer.from(mergeKey(damaged, 64, "sha256")), key);
    }
  });

  it("diffuses alike in WebAssembly and OpenSSL", () => {
    const fast = fastDiffuser(64);
    const slow = opensslDiffuser(64, "sha256");
    assert.ok(fast);
    for (const diffuser of [fast, slow]) {
      for (const part of diffuser.parts) part.fill(0x5a);
      for (let i = 0; i < 100; i++) diffuser.diffuse();
    }
    assert.deepEqual(fast.result(), slow.result());
    assert.ok(fast.parts.every((part) => part.every((byte) => byte === 0)));
  });
});

describe("SHA-256 in WebAssembly", () => {
  it("agrees with OpenSSL on messages of one block", (t) => {
    const wasm = loadSha256Block();
    assert.ok(wasm);
    const block = Buffer.from(wasm.memory, 0, 64);
    holds(
      t,
      fc.property(fc.uint8Array({ maxLength: 55 }), (message) => {
        block.fill(0).set(message);
        block[message.length] = 0x80;
        block.writeUInt32BE(message.length * 8, 60);
        wasm.functions["compress"]?.(0, 64);
        const digest = Buffer.from(wasm.memory, 64, 32);
        assert.equal(digest.toString("hex"), createHash("sha256").update(message).digest("hex"));
      }),
    );
  });
});
