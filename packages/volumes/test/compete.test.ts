import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import { MemoryKeyManager } from "@chatelaine/keys";
import { recover } from "../src/index.ts";
import { checkInvariants, fingerprint } from "./kill/invariants.ts";
import { openLedgerIn } from "./kill/open-ledger.ts";
import { runChild } from "./kill/run-child.ts";
import { alice, callerOf, scenarios } from "./kill/scenarios.ts";

const rounds = (process.env["CHATELAINE_KILLS"] ?? "3") === "3" ? 1 : 4;
const scratch = existsSync("/dev/shm") ? "/dev/shm" : tmpdir();

describe("processes that work on one volume at the same time", () => {
  for (const name of ["rekey", "delete", "snapshot", "header backup and restore", "re-encrypt"]) {
    it(`${name}: exclude each other, and one that dies is taken over`, async () => {
      for (let round = 0; round < rounds; round++) await compete(name);
    });
  }
});

/** Two that rekey against one that does something else; one of the three is killed, wherever it is. */
async function compete(name: string): Promise<void> {
  const scenario = scenarios.find((candidate) => candidate.name === name);
  assert.ok(scenario);
  const directory = await mkdtemp(join(scratch, "chatelaine-compete-"));
  const disk = join(directory, "disk.img");
  const keyManager = new MemoryKeyManager({ warn: () => {} });
  const ledger = await openLedgerIn(directory);
  try {
    const context = { keyManager, caller: alice, ledger, callerOf };
    const keys = await scenario.prepare(context, directory);
    const before = await fingerprint(context, disk, scenario);
    const lives = await Promise.all(
      ["rekey", "rekey", name].map((act, index) =>
        runChild({
          name: act,
          directory,
          death: index === 0 ? { afterMs: Math.random() * 100 } : 0,
          keys,
          keyManager,
        }),
      ),
    );
    for (const { status, signal } of lives) {
      // One that is deleted meanwhile is not found; a copy from before a rekey does not open with the new key.
      const answers = ["delete", "snapshot"].includes(name) ? [0, 1, 3] : [0, 3];
      assert.ok(signal === "SIGKILL" || answers.includes(status ?? 255), `status ${status}`);
    }
    for (const { outcome, problem } of await recover(context)) {
      assert.ok(outcome === "finished" || outcome === "undone", `${outcome}: ${problem}`);
    }
    if ((await ledger.volumes()).length > 0)
      assert.equal(await fingerprint(context, disk, scenario), before);
    await checkInvariants({
      keyManager,
      ledger,
      directory,
      userKeys: keys,
      foreignDisks: [],
      foreignSlots: 0,
      mayStay: scenario.mayStay ?? [],
    });
  } finally {
    await ledger.close();
    await rm(directory, { recursive: true });
  }
}
