import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { KeyManagerError, type KeyManagerErrorCode, MemoryKeyManager } from "@chatelaine/keys";
import { openLedger, recover } from "../src/index.ts";
import { checkInvariants, fingerprint } from "./kill/invariants.ts";
import { alice, callerOf, type Scenario, scenarios } from "./kill/scenarios.ts";

/** What goes wrong at one call to the key manager, and at how many after it. */
interface Fault {
  readonly name: string;
  readonly code: KeyManagerErrorCode;
  /** The key manager has done what it was asked: only its answer is lost. */
  readonly took: boolean;
  /** Nor does any later call get through, until the operation has given up. */
  readonly stays: boolean;
}

const faults: readonly Fault[] = [
  { name: "a time-out after it took effect", code: "unavailable", took: true, stays: false },
  { name: "a time-out, and then no answer any more", code: "unavailable", took: true, stays: true },
  { name: "a 5xx", code: "unavailable", took: false, stays: false },
  { name: "a 401, and then for good", code: "unauthenticated", took: false, stays: true },
];

/** `CHATELAINE_KILLS`, as for kill.test.ts: by default each call meets one fault in turn, else every one of them. */
const isThorough = (process.env["CHATELAINE_KILLS"] ?? "3") !== "3";
const scratch = existsSync("/dev/shm") ? "/dev/shm" : tmpdir();
let met = 0;
after(() => console.log(`faults: ${met}`));

describe("with a key manager that fails in the middle, and recovered", () => {
  for (const scenario of scenarios) {
    it(`${scenario.name} leaves no key without volume and no volume without key`, async () => {
      const calls = await run(scenario, 0, undefined);
      assert.ok(calls >= 2, `only ${calls} calls`);
      for (let at = 1; at <= calls; at++) {
        const due = faults.filter((_, index) => isThorough || index === at % faults.length);
        for (const fault of due) await run(scenario, at, fault);
      }
    });
  }
});

/** @returns how many calls there were */
async function run(scenario: Scenario, at: number, fault: Fault | undefined): Promise<number> {
  const directory = await mkdtemp(join(scratch, "chatelaine-fault-"));
  const disk = join(directory, "disk.img");
  const keyManager = new MemoryKeyManager({ warn: () => {} });
  const ledger = openLedger({ path: join(directory, "state", "ledger.sqlite") });
  const context = { keyManager, caller: alice, ledger, callerOf };
  try {
    const userKeys = await scenario.prepare(context, directory);
    const wasListed = (await ledger.volumes()).length > 0;
    const before = existsSync(disk) ? await fingerprint(context, disk, scenario) : undefined;

    const counted = failing(keyManager, at, fault);
    const failed = await scenario
      .act({ ...context, keyManager: counted.manager }, directory, userKeys)
      .then(
        () => undefined,
        (error: unknown) => error,
      );
    if (fault === undefined) assert.equal(failed, undefined);
    for (const { outcome, problem } of await recover(context)) {
      assert.ok(outcome === "finished" || outcome === "undone", `${outcome}: ${problem}`);
    }

    const volumes = await ledger.volumes();
    const isForeign = before !== undefined && !wasListed && volumes.length === 0;
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
    return counted.calls();
  } catch (cause) {
    const what = fault === undefined ? "no fault" : `${fault.name} at call ${at}`;
    throw new Error(`${scenario.name}, ${what}: ${(cause as Error).message}`, { cause });
  } finally {
    await ledger.close();
    await rm(directory, { recursive: true });
  }
}

/** The key manager behind a line that fails at one call. */
function failing(inner: MemoryKeyManager, at: number, fault: Fault | undefined) {
  let calls = 0;
  const fails = () => {
    calls++;
    const now = fault !== undefined && (fault.stays ? calls >= at : calls === at);
    if (now) met++;
    return now ? fault : undefined;
  };
  const manager = new Proxy(inner, {
    get(target, name) {
      const method = Reflect.get(target, name) as (...args: unknown[]) => unknown;
      if (typeof method !== "function") return method;
      if (name === "list") {
        return async function* (...args: unknown[]) {
          const hit = fails();
          if (hit !== undefined) throw new KeyManagerError(hit.code, `list: ${hit.name}`);
          yield* method.apply(target, args) as AsyncIterable<unknown>;
        };
      }
      return async (...args: unknown[]) => {
        const hit = fails();
        if (hit === undefined) return method.apply(target, args);
        if (hit.took) await method.apply(target, args);
        throw new KeyManagerError(hit.code, `${String(name)}: ${hit.name}`);
      };
    },
  });
  return { manager, calls: () => calls };
}
