// Runs inside the guest kernel, as root: `node open-in-guest.ts SHARE COUNT PEERDISK PEERCOUNT`. Makes volumes with keys
// of a key server in the guest, on logical volumes of /dev/ubda, opens them all, and says what that took; then one by
// one, with cryptsetup alone, and what cryptsetup formatted.
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { BarbicanKeyManager } from "@chatelaine/keys";
import {
  closeVolume,
  createVolume,
  openLedger,
  openVolume,
  openVolumes,
} from "@chatelaine/volumes";
import { KeyServerProcess, ServerFolder } from "../../interop/server/key-server.ts";
import { makeTenants } from "../../interop/server/tenants.ts";

export interface Opened {
  readonly count: number;
  readonly ms: number;
  /** By which the memory of all processes grew, at the most. */
  readonly processesMiB: number;
  /** By which the memory that is free in the guest sank, at the most: what the kernel's mappings take is in it. */
  readonly allMiB: number;
}

export interface GuestReport {
  readonly ours: Opened;
  /** One after the other. */
  readonly oneByOne: Opened;
  /** cryptsetup on the volumes that we made. */
  readonly bare: Opened;
  /** cryptsetup on what it formatted with its default KDF. */
  readonly peer: Opened;
}

const [share = "", count, peerDisk = "", peerCount] = process.argv.slice(2);
const folder = new ServerFolder();
const server = await KeyServerProcess.start(folder);
const { bench } = await makeTenants(server.url, folder.adminPassword(), ["bench"]);
const keyManager = new BarbicanKeyManager({ endpoint: server.url });
const ledger = openLedger({ path: join(share, "ledger.sqlite") });
const context = { keyManager, caller: bench.caller, ledger };
const disks = makeLogicalVolumes(Number(count));
for (const path of disks) await createVolume(context, { path });

const names: string[] = [];
const ours = await watch(disks.length, async () => {
  for (const { path, opened, problem } of await openVolumes(context, disks)) {
    if (opened === undefined) throw new Error(`${path}: ${problem}`);
    names.push(opened.name);
  }
});
for (const name of names) await closeVolume(name);

const some = disks.slice(0, 20);
names.length = 0;
const oneByOne = await watch(some.length, async () => {
  for (const path of some) names.push((await openVolume(context, path)).name);
});
for (const name of names) await closeVolume(name);
const passphrases: string[] = [];
for (const path of some) {
  const record = await ledger.volumeAt(path);
  if (record?.keyId === undefined) throw new Error(`${path}: not in the ledger`);
  const key = await keyManager.get(bench.caller, record.keyId);
  passphrases.push(key.value.use((bytes) => Buffer.from(bytes).toString("hex")));
}
const bare = await watch(some.length, async () => {
  for (const [index, path] of some.entries()) {
    await cryptsetup(passphrases[index] ?? "", "open", "--key-file=-", path, `bare${index}`);
  }
});
const peer = await watch(Number(peerCount), async () => {
  for (let index = 0; index < Number(peerCount); index++) {
    const name = `peer${index}`;
    await cryptsetup("00".repeat(32), "open", "--key-file=-", peerDisk, name);
    await cryptsetup("", "close", name);
  }
});

const report: GuestReport = { ours, oneByOne, bare, peer };
console.log(`report: ${JSON.stringify(report)}`);
await ledger.close();
await server.stop();
folder.remove();

/** With LVM's own shell, as starting lvcreate for each would take most of the time. */
function makeLogicalVolumes(number: number): readonly string[] {
  execFileSync("pvcreate", ["-q", "/dev/ubda"]);
  execFileSync("vgcreate", ["-q", "vg", "/dev/ubda"]);
  const labels = Array.from({ length: number }, (_, index) => `disk${index}`);
  const input = labels.map((label) => `lvcreate -q -y -L 20M -n ${label} vg\n`).join("");
  execFileSync("lvm", { input, stdio: ["pipe", "ignore", "inherit"] });
  return labels.map((label) => `/dev/vg/${label}`);
}

async function watch(times: number, work: () => Promise<void>): Promise<Opened> {
  const before = memory();
  let [most, least] = [before.anonymousMiB, before.availableMiB];
  const look = () => {
    const { anonymousMiB, availableMiB } = memory();
    most = Math.max(most, anonymousMiB);
    least = Math.min(least, availableMiB);
  };
  const timer = setInterval(look, 10);
  const began = performance.now();
  await work();
  const ms = performance.now() - began;
  clearInterval(timer);
  look();
  return {
    count: times,
    ms,
    processesMiB: most - before.anonymousMiB,
    allMiB: before.availableMiB - least,
  };
}

function memory() {
  const text = readFileSync("/proc/meminfo", "latin1");
  const mebibytes = (name: string) =>
    Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, "m").exec(text)?.[1]) / 1024;
  return { anonymousMiB: mebibytes("AnonPages"), availableMiB: mebibytes("MemAvailable") };
}

async function cryptsetup(input: string, ...words: readonly string[]): Promise<void> {
  const child = spawn("cryptsetup", words, { stdio: ["pipe", "inherit", "inherit"] });
  child.stdin.end(input);
  const [status] = (await once(child, "exit")) as [number | null];
  if (status !== 0) throw new Error(`cryptsetup ${words.join(" ")}: status ${status}`);
}
