import assert from "node:assert/strict";
import { scryptSync } from "node:crypto";
import { describe, it } from "node:test";
import { PasswordHasher } from "../../src/identity/builtin/password-hasher.ts";

const hasher = new PasswordHasher();

describe("the password hasher", () => {
  it("knows the password that a hash was made of, and no other", async () => {
    const hash = await hasher.hash("pässword");
    assert.match(hash, /^\$scrypt\$ln=15,r=8,p=1\$[\w-]{22}\$[\w-]{43}$/);
    assert.equal(await hasher.verify("pässword", hash), true);
    assert.equal(await hasher.verify("password", hash), false);
    assert.equal(await hasher.verify("", hash), false);
    assert.equal(await hasher.verify("pässword", undefined), false);
  });

  it("takes a letter and its composed form for the same", async () => {
    assert.equal(await hasher.verify("pa\u0308ss", await hasher.hash("p\u00e4ss")), true);
  });

  it("salts: two hashes of one password differ", async () => {
    assert.notEqual(await hasher.hash("x"), await hasher.hash("x"));
  });

  it("is scrypt as RFC 7914 has it, with the cost that it names", async () => {
    const [, , , salt, key] = (await hasher.hash("x")).split("$");
    const expected = scryptSync("x", Buffer.from(salt ?? "", "base64url"), 32, {
      N: 32_768,
      r: 8,
      p: 1,
      maxmem: 2 ** 26,
    });
    assert.equal(key, expected.toString("base64url"));
  });

  it("refuses to hash nothing, or more than 1,024 bytes, and never finds those right", async () => {
    await assert.rejects(hasher.hash(""), RangeError);
    await assert.rejects(hasher.hash("ä".repeat(513)), RangeError);
    assert.equal(await hasher.verify("ä".repeat(513), await hasher.hash("x")), false);
  });

  it("does the same work for a user who does not exist as for one who does", async () => {
    // One at a time, so that each derivation takes a turn that can be counted.
    let derivations = 0;
    class Counting extends PasswordHasher {
      override async hash(password: string): Promise<string> {
        derivations += 1;
        return await super.hash(password);
      }
    }
    const counting = new Counting({ concurrency: 1, maxWaiting: 1 });
    await counting.verify("x", undefined);
    await counting.verify("x", undefined);
    assert.equal(derivations, 1, "the decoy is made once");
    const first = counting.verify("x", undefined);
    const second = counting.verify("x", undefined);
    await assert.rejects(counting.verify("x", undefined), /too many at the same time/);
    await Promise.all([first, second]);
  });

  it("is refused with a hash of another kind", async () => {
    await assert.rejects(hasher.verify("x", "$2b$12$abc"), /not one of ours/);
  });
});
