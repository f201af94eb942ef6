// Runs inside the guest kernel, as root: `node disks.ts kill FOLDER`. Processes that make and destroy ephemeral disks on
// LVM are killed before and after every step and every call to the key manager; then `recover`, and mappings, logical
// volumes, keys and ledger must agree. `node disks.ts create|destroy FOLDER MOMENT` is such a process.
import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type Caller, MemoryKeyManager } from "@chatelaine/keys";
import { createDisk, destroyDisk, openLedger, recover } from "../../src/index.ts";
import { remoteKeyManager, serveKeys } from "./remote-key-manager.ts";

const [act = "", folder = "", dieAt = "0"] = process.argv.slice(2);
const caller: Caller = { type: "project", projectId: "a", userId: "alice" };
const ledger = openLedger({ path: join(folder, "kills.sqlite") });
/** A guest is slow: every second moment, unless all are asked for. */
const stride = process.env["CHATELAINE_KILLS"] === "all" ? 1 : 2;
const disk = { group: "vg", name: "one" };

if (act === "kill") await killAll();
else await perform();
await ledger.close();

async function killAll(): Promise<void> {
  execFileSync("pvcreate", ["-q", "/dev/ubda"]);
  execFileSync("vgcreate", ["-q", "vg", "/dev/ubda"]);
  const keyManager = new MemoryKeyManager({ warn: () => undefined });
  const volumes = { keyManager, caller, ledger };
  let kills = 0;
  for (const name of ["create", "destroy"]) {
    for (let moment = 1, wasKilled = true; wasKilled; moment += stride) {
      const isThere = (await ledger.volumes()).length > 0;
      if (name === "create" && isThere) await destroyDisk(volumes, disk);
      if (name === "destroy" && !isThere) {
        await createDisk(volumes, { ...disk, sizeBytes: 8 << 20, instance: "i" });
      }
      wasKilled = await killAt(name, moment, keyManager);
      if (wasKilled) kills++;
      for (const { outcome, problem } of await recover(volumes)) {
        assert.ok(outcome === "finished" || outcome === "undone", `${outcome}: ${problem}`);
      }
      await check(keyManager, `${name} at moment ${moment}`);
    }
  }
  console.log(`kills: ${kills}`);
}

/** @returns whether it was killed; else it came to its end */
async function killAt(
  name: string,
  moment: number,
  keyManager: MemoryKeyManager,
): Promise<boolean> {
  const program = fileURLToPath(import.meta.url);
  const child = spawn(process.execPath, [program, name, folder, String(moment)], {
    stdio: ["ignore", "inherit", "inherit", "ipc"],
    serialization: "advanced",
  });
  serveKeys(child, keyManager);
  const [status, signal] = (await once(child, "exit")) as [number | null, string | null];
  assert.ok(signal === "SIGKILL" || status === 0, `status ${status}`);
  return signal === "SIGKILL";
}

async function perform(): Promise<void> {
  let moments = 0;
  const moment = () => {
    moments++;
    if (moments === Number(dieAt)) process.kill(process.pid, "SIGKILL");
  };
  const volumes = { keyManager: remoteKeyManager(moment), caller, ledger, onStep: moment };
  if (act === "create") {
    await createDisk(volumes, { ...disk, sizeBytes: 8 << 20, instance: "i" });
  } else await destroyDisk(volumes, disk);
  process.disconnect?.();
}

/** As many keys and logical volumes as disks; a disk may be unmapped, which restoring mends, but nothing else is mapped. */
async function check(keyManager: MemoryKeyManager, when: string): Promise<void> {
  const disks = await ledger.volumes();
  const keys = await Array.fromAsync(keyManager.list(caller));
  assert.deepEqual(
    keys.map(({ id, consumers }) => [id, consumers.map(({ resourceId }) => resourceId)]),
    disks.map(({ id, keyId }) => [keyId, [id]]),
    when,
  );
  const names = execFileSync("lvs", ["--noheadings", "--options", "lv_name", "vg"], {
    encoding: "utf8",
  });
  assert.equal(names.trim(), disks.length === 0 ? "" : "one", when);
  const mapped = readdirSync("/dev/mapper").filter((name) => name.endsWith("-crypt"));
  assert.ok(mapped.length <= disks.length, `${when}: ${mapped.join(", ")}`);
}
