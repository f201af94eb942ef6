// Runs inside the guest kernel, as root: `node disks.ts kill FOLDER`. Processes that make, grow, copy and destroy
// ephemeral disks on LVM are killed before and after steps and calls to the key manager; then `recover`, and mappings,
// logical volumes, keys, ledger and data must agree. `node disks.ts SCENARIO FOLDER MOMENT` is such a process.
import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, fsyncSync, openSync, readdirSync, readSync, writeSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type Caller, MemoryKeyManager } from "@chatelaine/keys";
import {
  createDisk,
  destroyDisk,
  openDisk,
  openLedger,
  recover,
  resizeDisk,
  snapshotDisk,
  type VolumeContext,
} from "../../src/index.ts";
import { remoteKeyManager, serveKeys } from "./remote-key-manager.ts";

const [act = "", folder = "", dieAt = "0"] = process.argv.slice(2);
const caller: Caller = { type: "project", projectId: "a", userId: "alice" };
const ledger = openLedger({ path: join(folder, "kills.sqlite") });
/** A guest is slow: every fourth moment, unless all are asked for. */
const stride = process.env["CHATELAINE_KILLS"] === "all" ? 1 : 4;
const mebibyte = 1 << 20;
const plain = { group: "vg", name: "one" };
const luks = { group: "vg", name: "thin" };
const copy = { group: "vg", name: "copy" };
const sizeBytes = 8 * mebibyte;
const precious = "precious";

/** What can be killed, and which disks there must be, and must not be, before. */
interface Scenario {
  readonly name: string;
  readonly needs: readonly (typeof plain)[];
  readonly makes?: typeof plain;
  act(volumes: VolumeContext): Promise<unknown>;
}

const scenarios: readonly Scenario[] = [
  { name: "create", needs: [], makes: plain, act: (volumes) => make(volumes, plain) },
  {
    name: "create in LUKS2, thin",
    needs: [],
    makes: luks,
    act: (volumes) => make(volumes, luks),
  },
  {
    name: "resize",
    needs: [plain],
    act: (volumes) => resizeDisk(volumes, plain, sizeBytes + 4 * mebibyte),
  },
  {
    name: "snapshot",
    needs: [plain],
    makes: copy,
    act: (volumes) => snapshotDisk(volumes, plain, { name: copy.name, format: "luks2" }),
  },
  { name: "destroy", needs: [plain], act: (volumes) => destroyDisk(volumes, plain) },
];

if (act === "kill") await killAll();
else await perform();
await ledger.close();

async function killAll(): Promise<void> {
  execFileSync("pvcreate", ["-q", "/dev/ubda"]);
  execFileSync("vgcreate", ["-q", "vg", "/dev/ubda"]);
  execFileSync("lvcreate", ["-q", "-y", "-T", "-L", "32M", "vg/pool"]);
  const keyManager = new MemoryKeyManager({ warn: () => undefined });
  const volumes = { keyManager, caller, ledger };
  let kills = 0;
  for (const scenario of scenarios) {
    // The first moments differ least.
    let moment = Math.ceil(stride / 2);
    for (let wasKilled = true; wasKilled; moment += stride) {
      await prepare(volumes, scenario);
      wasKilled = await killAt(scenario.name, moment, keyManager);
      if (wasKilled) kills++;
      for (const { outcome, problem } of await recover(volumes)) {
        assert.ok(outcome === "finished" || outcome === "undone", `${outcome}: ${problem}`);
      }
      await check(volumes, `${scenario.name} at moment ${moment}`);
    }
  }
  console.log(`kills: ${kills}`);
}

async function prepare(volumes: VolumeContext, { needs, makes, name }: Scenario): Promise<void> {
  for (const disk of [makes, name === "resize" ? plain : undefined]) {
    if (disk !== undefined && (await isThere(disk))) await destroyDisk(volumes, disk);
  }
  for (const disk of needs) if (!(await isThere(disk))) await make(volumes, disk);
}

async function make(volumes: VolumeContext, disk: typeof plain): Promise<void> {
  const form = disk === luks ? ({ format: "luks2", thinPool: "pool" } as const) : {};
  const { device } = await createDisk(volumes, { ...disk, ...form, sizeBytes, instance: "i" });
  const file = openSync(device, "r+");
  writeSync(file, precious);
  fsyncSync(file);
  closeSync(file);
}

async function isThere({ group, name }: typeof plain): Promise<boolean> {
  return (await ledger.volumeAt(`/dev/${group}/${name}`)) !== undefined;
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
  const volumes = {
    keyManager: remoteKeyManager(moment),
    caller,
    ledger,
    onStep: moment,
    onProgress: moment,
  };
  await scenarios.find(({ name }) => name === act)?.act(volumes);
  process.disconnect?.();
}

/**
 * As many keys and logical volumes as disks, and no mapping of anything else. A disk
 * may be unmapped, which restoring mends; then it shows its data in its whole size.
 */
async function check(volumes: VolumeContext, when: string): Promise<void> {
  const disks = await ledger.volumes();
  const keys = await Array.fromAsync(volumes.keyManager.list(caller));
  assert.deepEqual(
    new Map(keys.map(({ id, consumers }) => [id, consumers.map(({ resourceId }) => resourceId)])),
    new Map(disks.map(({ id, keyId }) => [keyId, [id]])),
    when,
  );
  const columns = ["--noheadings", "--options", "lv_name,lv_size", "--units", "b", "--nosuffix"];
  const sizes = new Map(
    execFileSync("lvs", [...columns, "vg"], { encoding: "utf8" })
      .trim()
      .split("\n")
      .map((line) => line.trim().split(/\s+/) as [string, string]),
  );
  const names = disks.map(({ attributes }) => attributes["name"] ?? "");
  assert.deepEqual(new Set(sizes.keys()), new Set([...names, "pool"]), when);
  const mapped = readdirSync("/dev/mapper").filter((name) => name.includes("-crypt"));
  for (const mapping of mapped) assert.ok(names.includes(mapping.replace("-crypt", "")), when);
  for (const name of names) {
    const { device } = await openDisk(volumes, { group: "vg", name });
    const file = openSync(device, "r");
    const bytes = Buffer.alloc(precious.length);
    readSync(file, bytes, 0, bytes.length, 0);
    closeSync(file);
    assert.equal(bytes.toString(), precious, when);
    const shown = execFileSync("blockdev", ["--getsize64", device], { encoding: "utf8" });
    const header = disks.find(({ attributes }) => attributes["name"] === name)?.format === "luks2";
    assert.equal(Number(shown), Number(sizes.get(name)) - (header ? 16 * mebibyte : 0), when);
  }
}
