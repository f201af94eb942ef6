import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { access, mkdtemp, open, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { MemoryKeyManager } from "@chatelaine/keys";
import { recover } from "../../src/index.ts";
import { checkInvariants, fingerprint } from "./invariants.ts";
import { openLedgerIn } from "./open-ledger.ts";
import { type Child, type Death, type Life, runChild } from "./run-child.ts";
import { alice, bytesOf, callerOf, type Scenario } from "./scenarios.ts";

/** In memory where possible: SIGKILL loses no write that the kernel has, and syncs to a busy disk are slow. */
const scratch = existsSync("/dev/shm") ? "/dev/shm" : tmpdir();

export interface SurviveOptions {
  /** The disk is this block device, whatever was on it. Default: a file. */
  readonly device?: string;
  /** Called for each process that was killed. */
  readonly onKill?: () => void;
}

/** Runs a scenario in a process that dies, recovers, and checks. */
export async function survive(
  scenario: Scenario,
  death: Death,
  { device, onKill }: SurviveOptions = {},
): Promise<Life> {
  const directory = await mkdtemp(join(scratch, "chatelaine-kill-"));
  const disk = join(directory, "disk.img");
  if (device !== undefined) {
    await makeBlank(device);
    await symlink(device, disk);
  }
  const keyManager = new MemoryKeyManager({ warn: () => {} });
  const ledger = await openLedgerIn(directory);
  const context = { keyManager, caller: alice, ledger, callerOf };
  try {
    const userKeys = await scenario.prepare(context, directory);
    const existed = device === undefined ? await exists(disk) : !(await isBlank(device));
    const listedBefore = (await ledger.volumes()).length;
    const before = existed ? await fingerprint(context, disk, scenario) : undefined;

    const life = await runVictim(
      { name: scenario.name, directory, death, keys: userKeys, keyManager },
      onKill,
    );
    if (death !== 0) {
      // Recovering may be killed as well; the third part of its moments is as good as any.
      if (typeof death === "number" && death % 3 === 0) {
        await runVictim({ name: "recover", directory, death, keys: [], keyManager }, onKill, true);
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
      foreignDisks: isForeign && device === undefined ? [disk] : [],
      foreignSlots: scenario.foreignSlots ?? 0,
      mayStay: [...(scenario.mayStay ?? []), ...(device === undefined ? [] : ["disk.img"])],
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
  child: Child,
  onKill: SurviveOptions["onKill"],
  mayLive = false,
): Promise<Life> {
  const life = await runChild(child);
  if (life.signal !== "SIGKILL") assert.equal(life.status, 0);
  else onKill?.();
  const { death } = child;
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

async function makeBlank(device: string): Promise<void> {
  const file = await open(device, "r+");
  await file.writeFile(Buffer.alloc(await bytesOf(device)));
  await file.sync();
  await file.close();
}

/** By where a header would be, and where the scenarios' data is. */
async function isBlank(device: string): Promise<boolean> {
  const bytes = await bytesOf(device);
  const part = Buffer.alloc(64 * 1024);
  const file = await open(device, "r");
  try {
    for (const offset of [0, bytes - part.length]) {
      await file.read(part, 0, part.length, offset);
      if (part.some((byte) => byte !== 0)) return false;
    }
    return true;
  } finally {
    await file.close();
  }
}
