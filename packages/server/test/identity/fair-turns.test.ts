import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { FairTurns } from "../../src/identity/builtin/fair-turns.ts";

/** Asks for turns in this order of lanes; `log` names those who got one, with `!` those who were turned away. */
function ask(
  turns: FairTurns,
  lanes: string,
): { readonly log: string[]; settled: () => Promise<void> } {
  const log: string[] = [];
  for (const lane of lanes)
    void Promise.resolve(turns.take(lane)).then((got) => log.push(got ? lane : `${lane}!`));
  return { log, settled: () => new Promise((resolve) => setImmediate(resolve)) };
}

describe("turns", () => {
  it("go to one lane after another, however many wait in one", async () => {
    const turns = new FairTurns({ concurrency: 1, maxWaiting: 100 });
    const { log, settled } = ask(turns, "aaaaaabc");
    for (let i = 0; i < 8; i++) {
      await settled();
      assert.equal(log.length, i + 1, "one at a time");
      turns.done();
    }
    assert.equal(log.join(""), "aabcaaaa");
    assert.equal(turns.waiting, 0);
    assert.equal(turns.take("d"), true, "the last one gave its turn back");
  });

  it("are never more than so many, nor do more wait than so many", async () => {
    const turns = new FairTurns({ concurrency: 2, maxWaiting: 3 });
    const { log, settled } = ask(turns, "a".repeat(50));
    await settled();
    assert.equal(log.filter((one) => one === "a").length, 2);
    assert.equal(log.filter((one) => one === "a!").length, 45);
    assert.equal(turns.waiting, 3);
  });

  it("are taken from the fullest lane for one that has fewer, and from no other", async () => {
    const turns = new FairTurns({ concurrency: 1, maxWaiting: 4 });
    const { log, settled } = ask(turns, "aaabbb");
    await settled();
    assert.deepEqual(log, ["a", "b!"], "equal lanes take nothing from each other");
    const late = ask(turns, "cdef");
    await late.settled();
    assert.deepEqual([...log, ...late.log].toSorted(), ["a", "a!", "b!", "b!", "e!", "f!"]);
    assert.equal(turns.waiting, 4);
    for (let i = 0; i < 5; i++) turns.done();
    await settled();
    assert.deepEqual(
      late.log.filter((one) => one.length === 1),
      ["c", "d"],
    );
  });
});
