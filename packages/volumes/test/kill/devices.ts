// Runs inside the guest kernel, as root: `node devices.ts FOLDER`. Processes that work on logical volumes are killed at
// moments taken evenly: before and after steps, calls to the key manager, writes and syncs, and entries of the ledger. Then
// `recover`, and disks, keys and ledger must agree, and the data be there.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { closeSync, openSync, readdirSync, readSync, writeSync } from "node:fs";
import { join } from "node:path";
import { MemoryKeyManager } from "@chatelaine/keys";
import {
  createVolume,
  decryptVolume,
  deleteVolume,
  encryptVolume,
  openLedger,
  recover,
  verifyVolume,
  withVolumeData,
} from "../../src/index.ts";
import {
  blankDevice,
  type DeviceScenario,
  dataDevice,
  deviceScenarios,
} from "./device-scenarios.ts";
import { runChild } from "./run-child.ts";
import { alice } from "./scenarios.ts";

const [folder = ""] = process.argv.slice(2);
/** Of each scenario. A guest is slow. */
const sample = process.env["CHATELAINE_KILLS"] === "all" ? Number.POSITIVE_INFINITY : 3;
const keyManager = new MemoryKeyManager({ warn: () => undefined });
const ledger = openLedger({ path: join(folder, "state", "ledger.sqlite") });
const volumes = { keyManager, caller: alice, ledger };
const journal = join(folder, "journal");
const content = Buffer.alloc(1 << 20, "precious");
let kills = 0;

execFileSync("pvcreate", ["-q", "/dev/ubda"]);
execFileSync("vgcreate", ["-q", "vg", "/dev/ubda"]);
execFileSync("lvcreate", ["-q", "-y", "-L", "20M", "-n", "blank", "vg"]);
execFileSync("lvcreate", ["-q", "-y", "-L", "20M", "-n", "data", "vg"]);
const plain = openSync(dataDevice, "r+");
writeSync(plain, content, 0, content.length, 0);
closeSync(plain);

for (const scenario of deviceScenarios) {
  const { moments: whole } = await run(scenario, 0);
  const stride = Math.max(1, Math.floor(whole / sample));
  for (let at = Math.ceil(stride / 2); at <= whole; at += stride) await run(scenario, at);
}
await ledger.close();
console.log(`kills: ${kills}`);

async function run(scenario: DeviceScenario, death: number) {
  await makeSo(scenario);
  const child = { directory: folder, keys: [], keyManager };
  const life = await runChild({ ...child, name: scenario.name, death });
  if (life.signal === "SIGKILL") kills++;
  else assert.deepEqual([life.status, death], [0, 0], scenario.name);
  if (death % 3 === 1 && death > 0) {
    const again = await runChild({ ...child, name: "recover", death });
    if (again.signal === "SIGKILL") kills++;
  }
  for (const { outcome, problem } of await recover(volumes)) {
    assert.ok(outcome === "finished" || outcome === "undone", `${outcome}: ${problem}`);
  }
  await check(scenario, `${scenario.name} at moment ${death}`);
  return life;
}

/** Whatever the scenario before has left. */
async function makeSo({ name, before }: DeviceScenario): Promise<void> {
  const device = deviceOf(name);
  const isThere = (await ledger.volumeAt(device)) !== undefined;
  if (before === "volume" && !isThere) {
    if (device === blankDevice) await createVolume(volumes, { path: device });
    else await encryptVolume(volumes, device, { journal });
  }
  if (before === "plain" && isThere) await decryptVolume(volumes, device, { journal });
  if (before === "zeroes" && isThere) await deleteVolume(volumes, device);
}

function deviceOf(name: string): string {
  return name.endsWith("on a device") ? blankDevice : dataDevice;
}

async function check(scenario: DeviceScenario, when: string): Promise<void> {
  const records = await ledger.volumes();
  const keys = await Array.fromAsync(keyManager.list(alice));
  assert.deepEqual(
    owners(keys.map(({ id, consumers }) => [id, consumers.map(({ resourceId }) => resourceId)])),
    owners(records.map(({ id, keyId }) => [keyId, [id]])),
    when,
  );
  for (const { location, state } of records) {
    assert.equal(state, "ready", when);
    await verifyVolume(volumes, location);
  }
  assert.deepEqual(readdirSync(folder), ["state"], when);
  const device = deviceOf(scenario.name);
  const isVolume = records.some(({ location }) => location === device);
  const states = [scenario.before, scenario.after];
  const mayBe = isVolume ? ["volume"] : ["plain", "zeroes"];
  assert.ok(
    states.some((state) => mayBe.includes(state)),
    when,
  );
  if (device === blankDevice && !isVolume) assert.ok(read(20 << 20, device).every((b) => b === 0));
  if (device === dataDevice) {
    const found = isVolume
      ? await withVolumeData(volumes, device, async (disk) => {
          const bytes = Buffer.alloc(content.length);
          await disk.read(0, bytes);
          return bytes;
        })
      : read(content.length, device);
    assert.ok(content.equals(found), `${when}: the data have changed`);
  }
}

function read(length: number, device: string): Buffer {
  const file = openSync(device, "r");
  const bytes = Buffer.alloc(length);
  readSync(file, bytes, 0, length, 0);
  closeSync(file);
  return bytes;
}

/** Keys, each with who needs it, in an order of their own. */
function owners(pairs: readonly (readonly [string | undefined, readonly string[]])[]): string[] {
  return pairs.map((pair) => JSON.stringify(pair)).toSorted();
}
