import assert from "node:assert/strict";
import { after, describe, it } from "node:test";
import type { Death, Life } from "./kill/run-child.ts";
import { type Scenario, scenarios } from "./kill/scenarios.ts";
import { survive } from "./kill/survive.ts";

/** At how many moments of each scenario to kill, evenly taken; `all` of them, or a few by default. */
const asked = process.env["CHATELAINE_KILLS"] ?? "3";
const sample = asked === "all" ? Number.POSITIVE_INFINITY : Number(asked);
let kills = 0;
after(() => console.log(`kills: ${kills}`));
/** For those who wait for `npm run prove`. */
const announceEvery = 500;

describe("killed at any moment and recovered", { concurrency: 2 }, () => {
  for (const scenario of scenarios) {
    const numbers = scenario.failures === undefined ? "" : ` (${scenario.failures})`;
    it(`${scenario.name}${numbers} leaves no key without volume and no volume without key`, async () => {
      const { moments: whole } = await runWhole(scenario);
      assert.ok(whole > 10, `only ${whole} moments`);
      const stride = Math.max(1, Math.floor(whole / sample));
      // The first moments differ least; start in the middle of the first stride.
      for (let at = Math.ceil(stride / 2); at <= whole; at += stride) await run(scenario, at);
    });

    it(`${scenario.name}, killed at random instants, leaves neither`, async () => {
      const { milliseconds } = await runWhole(scenario);
      const rounds = Math.ceil(Math.min(sample, 300) / 3);
      for (let round = 0; round < rounds; round++) {
        await run(scenario, { afterMs: Math.random() * milliseconds });
      }
    });
  }
});

function runWhole(scenario: Scenario): Promise<Life> {
  return run(scenario, 0);
}

function run(scenario: Scenario, death: Death): Promise<Life> {
  return survive(scenario, death, {
    onKill: () => {
      if (++kills % announceEvery === 0) console.log(`so far: ${kills} kills`);
    },
  });
}
