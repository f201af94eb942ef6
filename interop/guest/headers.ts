// Runs inside the guest kernel, as root: `node headers.ts FOLDER`. Each case prints one line of JSON: what an attacker
// gained who can write the tenant's disk, and what the calls said. Disks: a victim, a tenant's, one for LVM.
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { type Caller, MemoryKeyManager, type ObjectId } from "@chatelaine/keys";
import {
  closeVolume,
  createDisk,
  createVolume,
  importVolume,
  openDisk,
  openLedger,
  openVolume,
  openVolumes,
  restoreDisks,
  type VolumeContext,
  verifyVolume,
} from "@chatelaine/volumes";
import {
  addSlotInTheClear,
  attackersKey,
  forge,
  readAt,
  withAttackersKey,
  writeAt,
} from "./forged-header.ts";
import { openHonestDisks } from "./honest-headers.ts";

const [folder = ""] = process.argv.slice(2);
const [victim, tenant] = ["/dev/ubda", "/dev/ubdb"];
const secret = "the victim's own data";
const written = Buffer.alloc(4096, "what the tenant writes ");
const dataOffset = 16 << 20;
const caller: Caller = { type: "project", projectId: "a", userId: "alice" };
const number = execFileSync("stat", ["--format=%Hr:%Lr", victim], { encoding: "utf8" }).trim();
let cases = 0;

// Makes /dev/mapper.
execFileSync("dmsetup", ["version"], { stdio: "ignore" });
writeAt(victim, 0, Buffer.alloc(4096, secret));

// A1: the cipher of the data segment.
const injection = `cipher_null-ecb - 0 ${number} 0,16384 8 crypt aes-xts-plain64`;
await attack("another disk through the cipher", ({ segments }) => {
  Object.assign(segments["0"] as object, { encryption: injection, size: String(8 << 20) });
});
const further = `cipher_null-ecb - 0 ${number} 0;evil,,,rw,0 8192 linear ${number} 0;x,,,rw,0 8 crypt aes-xts-plain64`;
await attack("a further device through the cipher", ({ segments }) => {
  Object.assign(segments["0"] as object, { encryption: further, size: String(8 << 20) });
});
// A2
await attack("plaintext on the medium through the null cipher", ({ segments }) => {
  Object.assign(segments["0"] as object, { encryption: "cipher_null-ecb" });
});
await attack("the attacker's key through a second slot and digest", undefined);
await swapLuks1();
await uuids();
await copies();
if (process.argv[3] !== "attacks") {
  console.log(JSON.stringify({ honest: await openHonestDisks(tenant, folder) }));
}

/** The ways to a disk: imported by a stranger, and in the ledger with a row from before layouts were recorded. */
async function attack(
  name: string,
  change: Parameters<typeof forge>[1] | undefined,
): Promise<void> {
  const damage = change === undefined ? addSlotInTheClear : (path: string) => forge(path, change);
  const keyManager = new MemoryKeyManager({ warn: () => undefined });
  for (const way of ["importVolume", "verifyVolume", "openVolume", "openVolumes"] as const) {
    const volumes = await honestVolume(keyManager, "luks2");
    const { keyId } = await verifyVolume(volumes, tenant);
    forgetLayouts(volumes);
    damage(tenant);
    await report(`${way}: ${name}`, async () => {
      const wayIn = way === "importVolume" ? newContext(keyManager) : volumes;
      if (way === "importVolume") await importStranger(wayIn, keyId);
      else await verifyVolume(wayIn, tenant);
      if (way === "verifyVolume") return "verified";
      if (way === "openVolume") return (await openVolume(wayIn, tenant)).device;
      const [result] = await openVolumes(wayIn, [tenant]);
      if (result?.opened === undefined) throw new Error(result?.problem);
      return result.opened.device;
    });
    await volumes.ledger.close();
  }
}

/** The key is the tenant's own, and belongs to no other volume. */
async function importStranger(volumes: VolumeContext, keyId: ObjectId): Promise<void> {
  await importVolume(volumes, tenant, keyId);
}

/** A header that is honest when it is checked, and another when cryptsetup would read it. */
async function swapLuks1(): Promise<void> {
  const keyManager = new MemoryKeyManager({ warn: () => undefined });
  const volumes = await honestVolume(keyManager, "luks2");
  addSlotInTheClear(tenant);
  const forged = join(folder, "forged");
  writeFileSync(forged, readAt(tenant, 0, dataOffset));
  await volumes.ledger.close();
  const honest = await honestVolume(keyManager, "luks1");
  const wrapper = "/usr/local/sbin/cryptsetup";
  mkdirSync("/usr/local/sbin", { recursive: true });
  const swap = `dd if=${forged} of=${tenant} bs=1M conv=notrunc,fsync status=none`;
  writeFileSync(wrapper, `#!/bin/sh\n${swap}\nexec /usr/sbin/cryptsetup "$@"\n`, { mode: 0o755 });
  await report(
    "openVolume: the attacker's key through a swap of the header after the check",
    async () => {
      return (await openVolume(honest, tenant)).device;
    },
  );
  execFileSync("rm", [wrapper]);
  await honest.ledger.close();
}

/** A1 by reading: the UUID of an ephemeral disk. */
async function uuids(): Promise<void> {
  const keyManager = new MemoryKeyManager({ warn: () => undefined });
  const volumes = newContext(keyManager);
  execFileSync("pvcreate", ["-q", "/dev/ubdc"]);
  execFileSync("vgcreate", ["-q", "vg", "/dev/ubdc"]);
  const place = { group: "vg", name: "disk" };
  const { device } = await createDisk(volumes, {
    ...place,
    sizeBytes: 8 << 20,
    instance: "i",
    format: "luks2",
  });
  forgetLayouts(volumes);
  forge("/dev/vg/disk", () => undefined, `x,,ro,0 8192 linear ${number} 0;a`);
  await report("disk open --read-only: another disk through the UUID", async () => {
    return (await openDisk(volumes, place, { readOnly: true })).device;
  });
  execFileSync("dmsetup", ["remove", device]);
  await report("disk restore: another disk through the UUID", async () => {
    const [disk] = await restoreDisks(volumes);
    if (disk?.problem !== undefined) throw new Error(disk.problem);
    return disk?.device ?? "";
  });
  await volumes.ledger.close();
}

/** A copy has the UUID of its original, and so the name of its mapping. */
async function copies(): Promise<void> {
  const keyManager = new MemoryKeyManager({ warn: () => undefined });
  const volumes = await honestVolume(keyManager, "luks2");
  writeAt(victim, 0, readAt(tenant, 0, dataOffset + (1 << 20)));
  const results = await openVolumes(volumes, [victim, tenant]);
  const opened = results.filter((result) => result.opened !== undefined);
  const name = "openVolumes: the data of a copy in the place of its original";
  const gained = opened.length > 1 ? ["two disks are one mapping"] : [];
  console.log(JSON.stringify({ name, gained, said: results.map(({ problem }) => problem).join() }));
  for (const { opened: one } of opened.slice(0, 1)) await closeVolume(one?.name ?? "");
  writeAt(victim, 0, Buffer.alloc(4096, secret));
  await volumes.ledger.close();
}

function newContext(keyManager: MemoryKeyManager): VolumeContext {
  const ledger = openLedger({ path: join(folder, `ledger-${cases++}.sqlite`) });
  return { keyManager, caller, ledger };
}

async function honestVolume(
  keyManager: MemoryKeyManager,
  format: "luks1" | "luks2",
): Promise<VolumeContext> {
  writeAt(tenant, 0, Buffer.alloc(dataOffset + (1 << 20)));
  const volumes = newContext(keyManager);
  await createVolume(volumes, { path: tenant, format });
  return volumes;
}

/** As in a ledger from before layouts were recorded: what the row says of the header stops nothing. */
function forgetLayouts({ ledger }: VolumeContext): void {
  const database = new DatabaseSync(join(folder, `ledger-${cases - 1}.sqlite`));
  const columns = database.prepare("PRAGMA table_info(volumes)").all();
  if (columns.some(({ name }) => name === "layout")) {
    database.exec("UPDATE volumes SET layout = NULL");
  }
  database.close();
  if (ledger.host === "") throw new Error("no host");
}

/** Tries to gain something by `open`, and looks at what came of it. */
async function report(name: string, open: () => Promise<string>): Promise<void> {
  const before = new Set(readdirSync("/dev/mapper"));
  let said: string;
  let gained: string[] = [];
  try {
    said = await open();
    if (said === "verified") gained.push("it counts as verified");
    else gained = gainedBy(said);
  } catch (error) {
    const { code = "", message } = error as { code?: string; message: string };
    said = `${code} ${message}`;
  }
  const made = readdirSync("/dev/mapper").filter((entry) => !before.has(entry));
  for (const entry of made) {
    if (shows(`/dev/mapper/${entry}`, secret)) gained.push(`/dev/mapper/${entry} shows the victim`);
  }
  console.log(JSON.stringify({ name, gained, said }));
  for (const entry of made.toReversed()) {
    execFileSync("dmsetup", ["remove", "--retry", entry]);
  }
}

/** Writes to a mapping as the tenant does, and reads the medium as the attacker does. */
function gainedBy(device: string): string[] {
  if (!existsSync(device) || shows(device, secret)) return [];
  try {
    writeAt(device, 0, written);
  } catch {
    return [];
  }
  execFileSync("sync");
  const gained: string[] = [];
  for (const offset of [dataOffset, 2 << 20, 4 << 20]) {
    const medium = readAt(tenant, offset, written.length);
    if (medium.equals(written)) gained.push("the tenant's plaintext is on the medium");
    if (medium.equals(withAttackersKey(written))) gained.push("the attacker's key encrypts");
  }
  if (attackersKey.length !== 64) throw new Error("no AES-256-XTS key");
  return gained;
}

function shows(device: string, text: string): boolean {
  try {
    return readAt(device, 0, 4096).includes(text);
  } catch {
    return false;
  }
}

await closeVolume("nothing");
