// Runs inside the guest kernel, as root: `node mapped.ts all FOLDER`. What is done to the data of volumes that are
// open, on a logical volume and on a file: encrypted anew while a file system on them is written to, and cut in the
// middle. `node mapped.ts cut FOLDER PATH` is a process that dies there, with the cryptsetup that it has started, or (`cut-alone`)
// without it; with `cut-done` it dies with cryptsetup when all data has the new key, with `cut-late` when the old key is gone.
import assert from "node:assert/strict";
import { execFileSync, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type Caller, MemoryKeyManager } from "@chatelaine/keys";
import { isReencryptionDone, readLuks } from "@chatelaine/luks";
import { mappedDisk } from "../../src/host/mapping.ts";
import {
  closeVolume,
  createVolume,
  decryptVolume,
  encryptVolume,
  openLedger,
  openVolume,
  openVolumes,
  recover,
  reencryptVolume,
  resizeVolume,
  type VolumeContext,
  verifyVolume,
} from "../../src/index.ts";
import { remoteKeyManager, serveKeys } from "./remote-key-manager.ts";

const [act = "", folder = "", cutPath = ""] = process.argv.slice(2);
const caller: Caller = { type: "project", projectId: "a", userId: "alice" };
const ledger = openLedger({ path: join(folder, "ledger.sqlite") });
const keyManager = new MemoryKeyManager({ warn: () => undefined });
const volumes: VolumeContext = { keyManager, caller, ledger };
const mountPoint = "/mnt/data";

if (act !== "all") await cutInTheMiddle(cutPath);
else await all();
await ledger.close();

async function all(): Promise<void> {
  mkdirSync(mountPoint);
  run("pvcreate", "-q", "/dev/ubda");
  run("vgcreate", "-q", "vg", "/dev/ubda");
  run("lvcreate", "-q", "-y", "-L", "64M", "-n", "data", "vg");
  await createVolume(volumes, { path: "/dev/vg/data" });
  const file = join(folder, "data.img");
  await createVolume(volumes, { path: file, sizeBytes: 32 << 20 });
  for (const path of ["/dev/vg/data", file]) await encryptAnewWhileWritten(path);
  for (const staysOpen of [true, false]) await cutAndGoOn("/dev/vg/data", staysOpen);
  await cutWhileHeldUp("/dev/vg/data");
  await cutEarly("/dev/vg/data");
  for (const when of ["cut-done", "cut-late"] as const) await cutLate("/dev/vg/data", when);
  await dieAlone("/dev/vg/data");
  for (const path of ["/dev/vg/data", file]) await growWhileOpen(path);
  await encryptInPlace();
  await refuseOpenLuks1(join(folder, "old.img"));
}

async function encryptAnewWhileWritten(path: string): Promise<void> {
  // Mapped by dmsetup if it is a block device, else by cryptsetup: it goes on either way.
  const [{ opened } = { opened: undefined }] = await openVolumes(volumes, [path]);
  assert.ok(opened);
  const { name, device } = opened;
  run("mke2fs", "-q", "-t", "ext4", device);
  run("mount", device, mountPoint);
  const before = volumeKeyOf(name);
  const stop = join(mountPoint, "stop");
  const script = writeFiles(`[ -e ${stop} ]`);
  const writer = spawn("bash", ["-c", script], { stdio: ["ignore", "pipe", "inherit"] });
  let written = 0;
  writer.stdout.on("data", (text: Buffer) => {
    written = Number(text.toString().trim().split("\n").at(-1));
  });
  await once(writer.stdout, "data");
  const first = written;
  const done = await reencryptVolume(volumes, path);
  assert.equal(done.wasOpen, true);
  assert.ok(written > first, "nothing was written meanwhile");
  run("touch", stop);
  await once(writer, "exit");
  console.log(`${path}: ${written - first} files were written meanwhile`);
  assert.notEqual(volumeKeyOf(name), before);
  checkFiles();
  run("umount", mountPoint);
  await closeVolume(name);
  await openAndCheck(path);
  assert.deepEqual(await ledger.unfinished(), []);
}

/** For bash: each file has its own number for content, many times over, and is on the disk before the next begins. */
function writeFiles(until: string): string {
  const file = `${mountPoint}/$((n % 40))`;
  return `n=0; until ${until}; do yes "$n" | head -c 100000 >${file}.part && sync ${file}.part && mv ${file}.part ${file} || exit
    n=$((n + 1)); echo $n; done`;
}

/** A process and its cryptsetup die in the middle; the volume stays open, or is closed as by a reboot. */
async function cutAndGoOn(path: string, staysOpen: boolean): Promise<void> {
  const { name } = await openVolume(volumes, path, "data");
  await dieIn("cut", path);
  await assert.rejects(verifyVolume(volumes, path), { code: "in_reencryption" });
  if (!staysOpen) await closeVolume(name);
  let [recovered] = await recover(volumes);
  console.log(`cut, ${staysOpen ? "open" : "closed"}: ${recovered?.outcome}`);
  if (staysOpen && recovered?.outcome === "failed") {
    // cryptsetup's own devices, which a kill leaves behind at some instants, go with the mapping.
    assert.match(recovered.problem ?? "", /close the volume and recover again/);
    await closeVolume(name);
    [recovered] = await recover(volumes);
  }
  assert.deepEqual([recovered?.outcome, recovered?.problem], ["finished", undefined]);
  await closeVolume(name);
  await openAndCheck(path);
}

/** A cryptsetup that dies while it holds up a file system costs what waits for the disk, and nothing else. */
async function cutWhileHeldUp(path: string): Promise<void> {
  const { name, device } = await openVolume(volumes, path, "data");
  run("mount", device, mountPoint);
  const writer = spawn("bash", ["-c", writeFiles("false")], {
    stdio: ["ignore", "ignore", "inherit"],
  });
  const writerEnds = once(writer, "exit");
  await dieIn("cut", path);
  // Where it dies in most of the time that it takes.
  for (const left of leftDevices()) if (left.includes("-hotzone-")) run("dmsetup", "suspend", left);
  assert.equal(await mappedDisk(name), "/dev/mapper/vg-data");
  const working = spawn("flock", ["--no-fork", await lockOf(path), "sleep", "infinity"]);
  const workingEnds = once(working, "exit");
  await untilHolds(async () => isLocked(await lockOf(path)));
  await assert.rejects(closeVolume(name), { code: "busy", message: /wait until it ends/ });
  working.kill();
  await workingEnds;
  await assert.rejects(closeVolume(name), { code: "busy", message: /it is in use/ });
  writer.kill("SIGKILL");
  await writerEnds;
  run("umount", mountPoint);
  await closeVolume(name);
  assert.deepEqual(leftDevices(), []);
  await finish("held up");
  await openAndCheck(path);
}

/** A cryptsetup that dies early leaves devices on which nothing lies yet. */
async function cutEarly(path: string): Promise<void> {
  const { name } = await openVolume(volumes, path, "data");
  await dieIn("cut", path);
  await closeVolume(name);
  const { uuid } = await readLuks(path);
  for (const left of ["overlay", "hotzone-forward"]) {
    const dmUuid = `CRYPT-SUBDEV-${uuid.replaceAll("-", "")}-data-${left}`;
    run(
      "dmsetup",
      "create",
      `data-${left}`,
      "--uuid",
      dmUuid,
      "--table",
      `0 2048 linear ${path} 0`,
    );
  }
  await finish("early");
  assert.deepEqual(leftDevices(), []);
  await openAndCheck(path);
}

/** What cryptsetup cannot finish: it removes the old key's slots, or has removed them, and asks for the old key. */
async function cutLate(path: string, when: "cut-done" | "cut-late"): Promise<void> {
  const { name } = await openVolume(volumes, path, "data");
  await dieIn(when, path);
  assert.equal(await isReencryptionDone(path), true, "it was killed too late");
  const [recovered] = await recover(volumes);
  assert.equal(recovered?.outcome, "failed");
  assert.match(recovered.problem ?? "", /close the volume and recover again/);
  await closeVolume(name);
  await finish(when);
  await openAndCheck(path);
}

async function finish(when: string): Promise<void> {
  const [recovered] = await recover(volumes);
  console.log(`cut, ${when}: ${recovered?.outcome}`);
  assert.deepEqual([recovered?.outcome, recovered?.problem], ["finished", undefined]);
}

/** Of cryptsetup, under a mapping that is encrypted anew. */
function leftDevices(): readonly string[] {
  const devices = run(
    "dmsetup",
    "info",
    "-c",
    "--noheadings",
    "--separator",
    " ",
    "-o",
    "name,uuid",
  );
  return devices.split("\n").flatMap((line) => /^(\S+) CRYPT-SUBDEV-/.exec(line)?.[1] ?? []);
}

async function lockOf(path: string): Promise<string> {
  return `/run/cryptsetup/LN_LUKS2-reencryption-${(await readLuks(path)).uuid}`;
}

function isLocked(path: string): boolean {
  return spawnSync("flock", ["--nonblock", path, "true"]).status !== 0;
}

/** What it has started goes on, and whoever recovers meanwhile leaves it alone. */
async function dieAlone(path: string): Promise<void> {
  const { name } = await openVolume(volumes, path, "data");
  await dieIn("cut-alone", path);
  let tries = 1;
  while ((await recover(volumes)).some(({ outcome }) => outcome === "failed")) {
    assert.ok(++tries < 1000);
  }
  console.log(`died alone: finished at try ${tries}`);
  await closeVolume(name);
  await openAndCheck(path);
}

async function dieIn(
  how: "cut" | "cut-alone" | "cut-done" | "cut-late",
  path: string,
): Promise<void> {
  const child = spawn(process.execPath, [fileURLToPath(import.meta.url), how, folder, path], {
    stdio: ["ignore", "inherit", "inherit", "ipc"],
    serialization: "advanced",
    detached: true,
  });
  serveKeys(child, keyManager);
  const [status, signal] = (await once(child, "exit")) as [number | null, string | null];
  assert.equal(signal, "SIGKILL", `it ended with status ${status}`);
}

/** As soon as the disk says that it is of two volume keys, or how far it has come. */
async function cutInTheMiddle(path: string): Promise<void> {
  const isThere =
    { "cut-done": isReencryptionDone, "cut-late": isOldSlotGone }[act] ?? isReencrypting;
  const cut = async () => {
    await untilHolds(() => isThere(path));
    process.kill(act === "cut-alone" ? process.pid : -process.pid, "SIGKILL");
  };
  await reencryptVolume(
    {
      ...volumes,
      keyManager: remoteKeyManager(() => undefined),
      onStep: ({ step, moment }) => {
        if (step === "encrypt the data anew" && moment === "taking") void cut();
      },
    },
    path,
  );
}

async function isOldSlotGone(path: string): Promise<boolean> {
  return (await isReencryptionDone(path)) && (await readLuks(path)).keyslots.length === 2;
}

async function isReencrypting(path: string): Promise<boolean> {
  return (await readLuks(path)).requirements.includes("online-reencrypt-v2");
}

async function growWhileOpen(path: string): Promise<void> {
  const { name, device } = await openVolume(volumes, path, "data");
  run("mount", device, mountPoint);
  const before = Number(run("blockdev", "--getsize64", device));
  const sizeBytes = before + (8 << 20);
  if (path.startsWith("/dev/")) run("lvextend", "-q", "-L", "+8M", path);
  const grown = await resizeVolume(volumes, path, path.startsWith("/dev/") ? {} : { sizeBytes });
  assert.deepEqual([grown.sizeBytes, grown.isOpen], [sizeBytes, true]);
  assert.equal(Number(run("blockdev", "--getsize64", device)), sizeBytes);
  run("resize2fs", device);
  checkFiles();
  run("umount", mountPoint);
  await closeVolume(name);
  await openAndCheck(path);
}

/** A logical volume with a file system that leaves room for the header, there and back. */
async function encryptInPlace(): Promise<void> {
  const path = "/dev/vg/plain";
  run("lvcreate", "-q", "-y", "-L", "32M", "-n", "plain", "vg");
  const journal = join(folder, "plain.journal");
  run("mke2fs", "-q", "-t", "ext4", path, "15M");
  run("mount", path, mountPoint);
  writeFileSync(join(mountPoint, "1"), "1\n".repeat(50_000));
  await assert.rejects(encryptVolume(volumes, path, { journal }), { code: "busy" });
  run("umount", mountPoint);
  await assert.rejects(encryptVolume(volumes, path), { code: "invalid_argument" });
  assert.deepEqual((await ledger.volumeAt(path)) ?? "none", "none");
  await encryptVolume(volumes, path, { journal });
  await openAndCheck(path);
  await reencryptVolume(volumes, path, { journal });
  await openAndCheck(path);
  const { name } = await openVolume(volumes, path, "data");
  await assert.rejects(decryptVolume(volumes, path, { journal }), { code: "busy" });
  await closeVolume(name);
  await decryptVolume(volumes, path, { journal });
  run("mount", "-o", "ro", path, mountPoint);
  checkFiles();
  run("umount", mountPoint);
}

async function refuseOpenLuks1(path: string): Promise<void> {
  await createVolume(volumes, { path, sizeBytes: 1 << 20, format: "luks1" });
  const { name } = await openVolume(volumes, path);
  await assert.rejects(reencryptVolume(volumes, path), { code: "unsupported" });
  await closeVolume(name);
  assert.equal((await reencryptVolume(volumes, path)).wasOpen, false);
}

async function openAndCheck(path: string): Promise<void> {
  await verifyVolume(volumes, path);
  const { name, device } = await openVolume(volumes, path, "data");
  checkFileSystem(device);
  run("mount", "-o", "ro", device, mountPoint);
  checkFiles();
  run("umount", mountPoint);
  await closeVolume(name);
}

/** As a boot does: what a power cut leaves is repaired. */
function checkFileSystem(device: string): void {
  const { status, stdout, stderr } = spawnSync("e2fsck", ["-fp", device], { encoding: "utf8" });
  assert.ok(status === 0 || status === 1, stdout + stderr);
}

/** Whatever was written whole is whole. */
function checkFiles(): void {
  for (let number = 0; number < 40; number++) {
    let text: string;
    try {
      text = readFileSync(join(mountPoint, String(number)), "utf8");
    } catch {
      continue;
    }
    const [first = ""] = text.split("\n", 1);
    assert.equal(text, `${first}\n`.repeat(100_000).slice(0, 100_000), `file ${number}`);
  }
}

function volumeKeyOf(name: string): string {
  return run("dmsetup", "table", "--showkeys", name);
}

function run(program: string, ...words: readonly string[]): string {
  return execFileSync(program, words, { encoding: "utf8" });
}

/** @throws after a minute: the program ends instead of hanging in its guest */
async function untilHolds(condition: () => Promise<boolean>): Promise<void> {
  const end = performance.now() + 60_000;
  while (!(await condition()))
    if (performance.now() > end)
      throw new Error(`after a minute it does not hold: ${condition.toString()}`);
}
