import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { BoundedCache } from "../../src/identity/bounded-cache.ts";

function cacheOf(maxEntries: number) {
  const time = { ms: 0 };
  const cache = new BoundedCache<string>({ maxEntries, ttlMs: 1_000, nowMs: () => time.ms });
  const held = (keys: string) =>
    Array.from(keys)
      .filter((key) => cache.get(key) !== undefined)
      .join("");
  return { cache, time, held };
}

describe("a bounded cache", () => {
  it("lets go of what was not used for longest", () => {
    const { cache, held } = cacheOf(3);
    for (const key of "abc") cache.set(key, key);
    for (const key of "caab") cache.get(key);
    cache.set("d", "d");
    assert.equal(held("abcd"), "abd");
    cache.get("a");
    cache.set("e", "e");
    cache.set("f", "f");
    assert.equal(held("abdef"), "aef");
  });

  it("keeps an entry that is used again and again, however many others come", () => {
    const { cache, held } = cacheOf(2);
    cache.set("a", "a");
    for (const other of "bcdefg") {
      cache.set(other, other);
      assert.equal(cache.get("a"), "a");
      assert.equal(cache.get("a"), "a");
    }
    assert.equal(held("abcdefg"), "ag");
  });

  it("forgets after its time, also what was used last", () => {
    const { cache, time } = cacheOf(2);
    cache.set("a", "a");
    time.ms = 999;
    assert.equal(cache.get("a"), "a");
    time.ms = 1_000;
    assert.equal(cache.get("a"), undefined);
    assert.equal(cache.size, 0);
    cache.set("a", "again");
    assert.equal(cache.get("a"), "again");
  });
});
