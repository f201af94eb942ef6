import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { inspect } from "node:util";
import fc from "fast-check";
import { holds } from "../../../scripts/random-runs.ts";
import { SecretBytes } from "../src/index.ts";

const text = "never-to-be-seen";

describe("SecretBytes", () => {
  it("prints its length only, however it is printed", () => {
    const secret = SecretBytes.fromText(text);
    for (const shown of [
      String(secret),
      secret.toString(),
      JSON.stringify({ secret }),
      inspect({ secret }, { depth: 9, showHidden: true, getters: true }),
      inspect(secret, { customInspect: false, showHidden: true }),
      JSON.stringify(Object.getOwnPropertyDescriptors(secret)),
      inspect(structuredClone(Object.assign({}, secret))),
    ]) {
      for (const form of [
        text,
        Buffer.from(text).toString("base64"),
        Buffer.from(text).toString("hex"),
      ])
        assert.ok(!shown.includes(form), shown);
    }
    assert.equal(String(secret), "[secret: 16 bytes]");
    assert.equal(JSON.stringify([secret]), '["[secret: 16 bytes]"]');
  });

  it("keeps a copy, so that its maker may overwrite the bytes", () => {
    const bytes = Uint8Array.of(1, 2, 3);
    const secret = new SecretBytes(bytes);
    bytes.fill(0);
    assert.deepEqual(
      secret.use((lent) => [...lent]),
      [1, 2, 3],
    );
  });

  it("lends a copy, which a reader cannot change the secret through", () => {
    const secret = new SecretBytes(Uint8Array.of(1, 2, 3));
    secret.use((lent) => lent.fill(9));
    assert.deepEqual(
      secret.use((lent) => [...lent]),
      [1, 2, 3],
    );
  });

  it("zeroes the lent copy when the reader is done", () => {
    const kept = new SecretBytes(Uint8Array.of(7)).use((lent) => lent);
    assert.deepEqual([...kept], [0]);
  });

  it("zeroes the lent copy when the reader throws", () => {
    let kept: Uint8Array | undefined;
    assert.throws(() =>
      new SecretBytes(Uint8Array.of(7)).use((lent) => {
        kept = lent;
        throw new Error("x");
      }),
    );
    assert.deepEqual(kept, Uint8Array.of(0));
  });

  it("zeroes the lent copy only when the reader's promise has settled", async () => {
    for (const fails of [false, true]) {
      let kept: Uint8Array | undefined;
      const { promise, resolve, reject } = Promise.withResolvers<string>();
      const result = new SecretBytes(Uint8Array.of(7)).use((lent) => {
        kept = lent;
        return promise;
      });
      assert.deepEqual(kept, Uint8Array.of(7));
      if (fails) reject(new Error("x"));
      else resolve("done");
      if (fails) await assert.rejects(result, /x/);
      else assert.equal(await result, "done");
      assert.deepEqual(kept, Uint8Array.of(0));
    }
  });

  it("lends text, and refuses bytes that are none rather than replace them", () => {
    assert.equal(
      SecretBytes.fromText("pässwörd").useText((lent) => lent),
      "pässwörd",
    );
    assert.throws(() => new SecretBytes(Uint8Array.of(0xff)).useText((lent) => lent), TypeError);
  });

  it("is equal to what has the same bytes, and to nothing else", (t) => {
    holds(
      t,
      fc.property(fc.uint8Array(), fc.uint8Array(), (a, b) => {
        const same = Buffer.compare(a, b) === 0;
        assert.equal(new SecretBytes(a).equals(new SecretBytes(b)), same);
        assert.ok(new SecretBytes(a).equals(new SecretBytes(a)));
      }),
    );
  });

  it("makes random bytes that differ", () => {
    const [a, b] = [SecretBytes.random(32), SecretBytes.random(32)];
    assert.equal(a.length, 32);
    assert.ok(!a.equals(b));
    assert.ok(a.use((bytes) => bytes.some((byte) => byte !== 0)));
  });
});
