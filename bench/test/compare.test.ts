import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { judge } from "../compare/compare.ts";
import { turnOf } from "../compare/sides.ts";
import { pairedRatio } from "../statistics.ts";

describe("a comparison of two commits", () => {
  const before = [100, 101, 99, 100, 102, 98];

  it("says that a rate which fell by a tenth costs more", () => {
    const now = before.map((rate, index) => rate * (0.9 + index / 1000));
    assert.equal(judge("reads", { unit: "/s", before, now }).verdict, "costs more");
  });

  it("says that a time which grew by a tenth costs more", () => {
    const now = before.map((ms, index) => ms * (1.1 + index / 1000));
    const row = judge("create", { unit: "ms", before, now });
    assert.equal(row.verdict, "costs more");
    assert.ok(Math.abs(row.cost.ratio - 1.1025) < 0.001);
  });

  it("says that what stayed the same is within 5 %", () => {
    const now = before.map((ms, index) => ms * (index % 2 === 0 ? 1.01 : 0.99));
    assert.equal(judge("create", { unit: "ms", before, now }).verdict, "within 5 %");
  });

  it("leaves open what noise hides", () => {
    const now = before.map((ms, index) => ms * (index % 2 === 0 ? 1.3 : 0.8));
    assert.equal(judge("create", { unit: "ms", before, now }).verdict, "open");
  });

  it("gives the interval of Student's distribution", () => {
    // Logarithms 0.1, 0.2, 0.3: mean 0.2, standard error 0.1 / sqrt(3), quantile 4.303.
    const { ratio, low, high } = pairedRatio([1, 1, 1], [0.1, 0.2, 0.3].map(Math.exp));
    assert.ok(Math.abs(ratio - Math.exp(0.2)) < 1e-12);
    assert.ok(Math.abs(Math.log(high) - 0.2 - (4.303 * 0.1) / Math.sqrt(3)) < 1e-12);
    assert.ok(Math.abs(Math.log(low) - 0.2 + (4.303 * 0.1) / Math.sqrt(3)) < 1e-12);
  });

  it("refuses samples that are no pairs", () => {
    assert.throws(() => pairedRatio([1, 2], [1]), /no pairs/);
    assert.throws(() => pairedRatio([1], [1]), /no pairs/);
  });

  it("lets each side begin as often as the other", () => {
    assert.deepEqual([turnOf(0)[0], turnOf(1)[0]], ["before", "now"]);
  });
});
