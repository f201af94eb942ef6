import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { describe, it } from "node:test";
import fc from "fast-check";
import { holds } from "../../../scripts/random-runs.ts";
import { Mac } from "../src/crypto/mac.ts";

/** RFC 4231, the cases whose keys are no longer than a block and whose MAC is not cut off. */
const published = [
  {
    key: Buffer.alloc(20, 0x0b),
    text: "Hi There",
    mac: "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7",
  },
  {
    key: Buffer.from("Jefe"),
    text: "what do ya want for nothing?",
    mac: "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
  },
];

describe("a MAC", () => {
  for (const { key, text, mac } of published)
    it(`is RFC 4231's of "${text}"`, () => {
      assert.equal(new Mac(key).of(text).toString("hex"), mac);
    });

  it("is createHmac's, whatever the key, the text and what comes before it", (t) => {
    const long = fc.string({ unit: "binary", maxLength: 5_000 });
    holds(
      t,
      fc.property(
        fc.uint8Array({ maxLength: 64 }),
        fc.oneof(fc.string({ unit: "binary" }), long),
        fc.uint8Array({ maxLength: 64 }),
        (key, text, prefix) => {
          const mac = new Mac(key);
          const expected = createHmac("sha256", key).update(prefix).update(text).digest();
          assert.deepEqual(mac.of(text, prefix), expected);
          const alone = createHmac("sha256", key).update(text).digest();
          assert.ok(mac.verifies(text, alone));
        },
      ),
    );
  });

  it("verifies nothing that differs by a bit, or is shorter, or longer", () => {
    const mac = new Mac(Buffer.alloc(32, 1));
    const right = mac.of("text");
    for (let bit = 0; bit < right.length * 8; bit++) {
      const wrong = Buffer.from(right);
      wrong[bit >> 3] = (wrong[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      assert.equal(mac.verifies("text", wrong), false);
    }
    assert.equal(mac.verifies("text", right.subarray(1)), false);
    assert.equal(mac.verifies("text", Buffer.concat([right, Buffer.alloc(1)])), false);
    assert.equal(mac.verifies("Text", right), false);
  });

  it("does not change when the next is made", () => {
    const mac = new Mac(Buffer.alloc(32, 1));
    const first = mac.of("one");
    const before = first.toString("hex");
    mac.of("two");
    assert.equal(first.toString("hex"), before);
  });

  it("refuses a key that is longer than a block", () => {
    assert.throws(() => new Mac(Buffer.alloc(65)), RangeError);
  });
});
