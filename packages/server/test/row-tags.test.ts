import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { describe, it } from "node:test";
import { RowTags } from "../src/crypto/row-tags.ts";
import type { TaggedValue } from "../src/model/tagged-value.ts";

const [key, other] = [new Uint8Array(32).fill(1), new Uint8Array(32).fill(2)];
const row: readonly TaggedValue[] = ["secrets", "id", "a name", 256, null];

describe("the tags of rows", () => {
  it("are HMAC-SHA-256 over the values as JSON, bytes as base64, parts as arrays", () => {
    const values = ["secrets", "i\n\ud800", 1, null, Uint8Array.of(1, 2), [["part", 2]]];
    const text = '["secrets","i\\n\\ud800",1,null,{"base64":"AQI="},[["part",2]]]';
    assert.deepEqual(
      new RowTags([key]).of(values),
      createHmac("sha256", key).update(text).digest(),
    );
  });

  it("do not verify for a changed row or tag, not even of one that verified before", () => {
    const tags = new RowTags([key]);
    const tag = tags.of(row);
    for (let round = 0; round < 2; round++) {
      assert.ok(tags.verifies(row, tag));
      assert.ok(tags.verifies([...row], Uint8Array.from(tag)));
      for (const [index, value] of [
        [2, "another"],
        [3, 128],
        [3, "256"],
        [4, ""],
        [4, 0],
      ] as const) {
        assert.ok(!tags.verifies(row.with(index, value), tag));
      }
      assert.ok(!tags.verifies(row.slice(0, -1), tag));
      assert.ok(!tags.verifies([...row, null], tag));
      for (const byte of [0, 31]) {
        const changed = Uint8Array.from(tag).with(byte, (tag[byte] ?? 0) ^ 1);
        assert.ok(!tags.verifies(row, changed));
      }
      assert.ok(!tags.verifies(row, tag.subarray(0, 31)));
      assert.ok(!tags.verifies(row, null));
      assert.ok(!tags.verifies(row.with(0, "orders"), tag));
    }
  });

  it("verify under an older key, and not under one that is no longer given", () => {
    const old = new RowTags([other]).of(row);
    assert.ok(new RowTags([key, other]).verifies(row, old));
    assert.ok(!new RowTags([key]).verifies(row, old));
  });

  it("are remembered of a bounded number of rows, and verify all the same", () => {
    const tags = new RowTags([key]);
    const rows = Array.from({ length: 2_500 }, (_, index) => row.with(1, `id ${index}`));
    const made = rows.map((values) => tags.of(values));
    for (let round = 0; round < 2; round++) {
      for (const [index, values] of rows.entries()) {
        assert.ok(tags.verifies(values, made[index] ?? null));
        assert.ok(!tags.verifies(values.with(2, "forged"), made[index] ?? null));
      }
    }
  });
});
