import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { access, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { MemoryKeyManager, type ObjectId } from "@chatelaine/keys";
import { recover } from "../src/index.ts";
import { checkInvariants, fingerprint } from "./kill/invariants.ts";
import { openLedgerIn } from "./kill/open-ledger.ts";
import { type Death, type Life, runChild } from "./kill/run-child.ts";
import { alice, callerOf, type Scenario, scenarios } from "./kill/scenarios.ts";

/** At how many moments of each scenario to kill, evenly taken; `all` of them, or a few by default. */
const asked = process.env["CHATELAINE_KILLS"] ?? "3";
const sample = asked === "all" ? Number.POSITIVE_INFINITY : Number(asked);
/** In memory where possible: SIGKILL loses no write that the kernel has, and syncs to a busy disk are slow. */
const scratch = existsSync("/dev/shm") ? "/dev/shm" : tmpdir();
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

/** Runs a scenario in a process that dies, recovers, and checks. */
async function run(scenario: Scenario, death: Death): Promise<Life> {
  const directory = await mkdtemp(join(scratch, "chatelaine-kill-"));
  const disk = join(directory, "disk.img");
  const keyManager = new MemoryKeyManager({ warn: () => {} });
  const ledger = await openLedgerIn(directory);
  const context = { keyManager, caller: alice, ledger, callerOf };
  try {
    const userKeys = await scenario.prepare(context, directory);
    const existed = await exists(disk);
    const listedBefore = (await ledger.volumes()).length;
    const before = existed ? await fingerprint(context, disk, scenario) : undefined;

    const life = await runVictim(scenario.name, directory, death, userKeys, keyManager);
    if (death !== 0) {
      // Recovering may be killed as well; the third part of its moments is as good as any.
      if (typeof death === "number" && death % 3 === 0) {
        await runVictim("recover", directory, death, [], keyManager, true);
      }
      for (const { outcome, problem } of await recover(context)) {
        assert.ok(outcome === "finished" || outcome === "undone", `${outcome}: ${problem}`);
      }
    }

    const volumes = await ledger.volumes();
    const isForeign = existed && listedBefore === 0 && volumes.length === 0;
    if (!scenario.mayBeAbsent) assert.ok(volumes.length > 0, "the volume is gone");
    if (before !== undefined && (scenario.changesCiphertext || isForeign || volumes.length > 0)) {
      assert.equal(await fingerprint(context, disk, scenario), before, "the data has changed");
    }
    await checkInvariants({
      keyManager,
      ledger,
      directory,
      userKeys,
      foreignDisks: isForeign ? [disk] : [],
      foreignSlots: scenario.foreignSlots ?? 0,
      mayStay: scenario.mayStay ?? [],
    });
    return life;
  } catch (cause) {
    const when = typeof death === "number" ? `at moment ${death}` : `after ${death.afterMs} ms`;
    throw new Error(`${scenario.name}, killed ${when}: ${(cause as Error).message}`, { cause });
  } finally {
    await ledger.close();
    await rm(directory, { recursive: true });
  }
}

async function runVictim(
  name: string,
  directory: string,
  death: Death,
  keys: readonly ObjectId[],
  keyManager: MemoryKeyManager,
  mayLive = false,
): Promise<Life> {
  const life = await runChild({ name, directory, death, keys, keyManager });
  if (life.signal !== "SIGKILL") assert.equal(life.status, 0);
  else if (++kills % announceEvery === 0) console.log(`so far: ${kills} kills`);
  if (typeof death === "number" && death > 0 && !mayLive) {
    assert.equal(life.signal, "SIGKILL", "it was to be killed and lived");
  }
  return life;
}

function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
