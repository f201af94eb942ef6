import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { access, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { type Caller, MemoryKeyManager, type ObjectId } from "@chatelaine/keys";
import { openLedger, recover } from "../src/index.ts";
import { checkInvariants, fingerprint } from "./kill/invariants.ts";
import { serveKeys } from "./kill/remote-key-manager.ts";
import { alice, bob, type Scenario, scenarios } from "./kill/scenarios.ts";

/** At how many moments of each scenario to kill, evenly taken; `all` of them, or a few by default. */
const asked = process.env["CHATELAINE_KILLS"] ?? "3";
const sample = asked === "all" ? Number.POSITIVE_INFINITY : Number(asked);
const victim = fileURLToPath(new URL("kill/victim.ts", import.meta.url));
/** In memory where possible: SIGKILL loses no write that the kernel has, and syncs to a busy disk are slow. */
const scratch = existsSync("/dev/shm") ? "/dev/shm" : tmpdir();
let kills = 0;
after(() => console.log(`kills: ${kills}`));

describe("killed at any moment and recovered", { concurrency: 2 }, () => {
  for (const scenario of scenarios) {
    it(`${scenario.name} leaves no key without volume and no volume without key`, async () => {
      const whole = await run(scenario, 0);
      assert.ok(whole > 10, `only ${whole} moments`);
      const stride = Math.max(1, Math.floor(whole / sample));
      // The first moments differ least; start in the middle of the first stride.
      for (let at = Math.ceil(stride / 2); at <= whole; at += stride) await run(scenario, at);
    });
  }
});

/**
 * Runs a scenario in a process that dies at a moment, recovers, and checks.
 *
 * @returns how many moments there were
 */
async function run(scenario: Scenario, dieAt: number): Promise<number> {
  const directory = await mkdtemp(join(scratch, "chatelaine-kill-"));
  const disk = join(directory, "disk.img");
  const keyManager = new MemoryKeyManager({ warn: () => {} });
  const ledger = openLedger({ path: join(directory, "state", "ledger.sqlite") });
  const context = { keyManager, caller: alice, ledger, callerOf };
  try {
    const userKeys = await scenario.prepare(context, directory);
    const existed = await exists(disk);
    const listedBefore = (await ledger.volumes()).length;
    const before = existed ? await fingerprint(disk) : undefined;

    const moments = await runVictim(scenario.name, directory, dieAt, userKeys, keyManager);
    if (dieAt > 0) {
      // Recovering may be killed as well; the third part of its moments is as good as any.
      if (dieAt % 3 === 0) await runVictim("recover", directory, dieAt, [], keyManager, true);
      for (const { outcome, problem } of await recover(context)) {
        assert.ok(outcome === "finished" || outcome === "undone", `${outcome}: ${problem}`);
      }
    }

    const volumes = await ledger.volumes();
    const isForeign = existed && listedBefore === 0 && volumes.length === 0;
    if (!scenario.mayBeAbsent) assert.ok(volumes.length > 0, "the volume is gone");
    if (before !== undefined && (isForeign || volumes.length > 0)) {
      assert.equal(await fingerprint(disk), before, "the data has changed");
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
    return moments;
  } catch (cause) {
    throw new Error(`${scenario.name}, killed at moment ${dieAt}: ${(cause as Error).message}`, {
      cause,
    });
  } finally {
    await ledger.close();
    await rm(directory, { recursive: true });
  }
}

async function runVictim(
  name: string,
  directory: string,
  dieAt: number,
  keys: readonly ObjectId[],
  keyManager: MemoryKeyManager,
  mayLive = false,
): Promise<number> {
  const child = spawn(process.execPath, [victim, name, directory, String(dieAt), ...keys], {
    stdio: ["ignore", "inherit", "inherit", "ipc"],
    serialization: "advanced",
  });
  let moments = 0;
  child.on("message", (message) => {
    if (typeof message === "object" && "moments" in message) moments = Number(message.moments);
  });
  serveKeys(child, keyManager);
  const [status, signal] = (await once(child, "exit")) as [number | null, string | null];
  if (signal === "SIGKILL") kills++;
  else assert.equal(status, 0);
  if (dieAt > 0 && !mayLive) assert.equal(signal, "SIGKILL", "it was to be killed and lived");
  return moments;
}

function callerOf(project: string): Caller | undefined {
  return project === "b" ? bob : undefined;
}

function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
