// Runs inside the guest kernel, as root: `node volumes-in-use.ts FOLDER`. Volumes on disks that others use, and on devices
// whose size is no multiple of the encryption's sectors.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { linkSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Caller, MemoryKeyManager } from "@chatelaine/keys";
import {
  closeVolume,
  createVolume,
  deleteVolume,
  encryptVolume,
  openLedger,
  openVolume,
  openVolumes,
  resizeVolume,
  type VolumeContext,
} from "@chatelaine/volumes";

const [folder = ""] = process.argv.slice(2);
const caller: Caller = { type: "project", projectId: "a", userId: "alice" };
const keyManager = new MemoryKeyManager({ warn: () => undefined });
const ledger = openLedger({ path: join(folder, "ledger.sqlite") });
const volumes: VolumeContext = { keyManager, caller, ledger };

if (process.env["CHATELAINE_GUEST"] !== "1") throw new Error("runs in the guest only");
await imageUnderAnotherName();
await openFile();
await oddDevice();
await ledger.close();
console.log("done");

async function imageUnderAnotherName(): Promise<void> {
  const [path, link] = [join(folder, "plain.img"), join(folder, "link.img")];
  writeFileSync(path, Buffer.alloc(1 << 20, "precious"));
  const before = readFileSync(path);
  linkSync(path, link);
  const loop = run("losetup", "--find", "--show", link).trim();
  await assert.rejects(encryptVolume(volumes, path), {
    code: "busy",
    message: `encrypt ${path}: it is in use: ${loop} shows it; first losetup --detach ${loop}`,
  });
  await assertNothingMade();
  assert.ok(before.equals(readFileSync(path)));
  run("losetup", "--detach", loop);
}

/** Each opening makes a loop device of its own: two of them are a lost file system. */
async function openFile(): Promise<void> {
  const path = join(folder, "volume.img");
  await createVolume(volumes, { path, sizeBytes: 1 << 20 });
  const { name, device } = await openVolume(volumes, path);
  assert.equal((await openVolume(volumes, path)).name, name);
  await assert.rejects(openVolume(volumes, path, "second"), {
    code: "busy",
    message: new RegExp(`/dev/mapper/${name} uses it`),
  });
  await assert.rejects(deleteVolume(volumes, path), { code: "busy" });
  run("dd", "if=/dev/zero", `of=${device}`, "bs=1M", "count=1", "status=none");
  await closeVolume(name);
  await deleteVolume(volumes, path);
  await assertNothingMade();
}

/** The kernel maps whole sectors only. */
async function oddDevice(): Promise<void> {
  const [device, sectorSize] = ["/dev/mapper/odd", 4096] as const;
  const whole = (40 << 20) / 512;
  run("dmsetup", "create", "odd", "--table", tableOf(whole + 1));
  const odd = {
    code: "invalid_argument",
    message: new RegExp(`${whole * 512 + 512} bytes.* multiple of.* 4096`),
  };
  const journal = join(folder, "journal");
  await assert.rejects(createVolume(volumes, { path: device, sectorSize }), odd);
  await assert.rejects(encryptVolume(volumes, device, { sectorSize, journal }), odd);
  await assertNothingMade();
  resizeDevice(whole);
  await createVolume(volumes, { path: device, sectorSize });
  const { name } = await openVolume(volumes, device);
  await closeVolume(name);
  for (const sectors of [whole + 1, whole + 7]) {
    resizeDevice(sectors);
    await assert.rejects(resizeVolume(volumes, device), {
      code: "invalid_argument",
      message: /not a multiple of the sector size, 4096, .* bytes larger or \d+ smaller/,
    });
  }
  resizeDevice(whole + 8);
  await resizeVolume(volumes, device);
  const [opened] = await openVolumes(volumes, [device]);
  assert.equal(opened?.problem, undefined);
  await closeVolume(opened?.opened?.name ?? "");
  await openVolume(volumes, device);
  await closeVolume(name);
  await deleteVolume(volumes, device);
  // Smaller sectors fit.
  resizeDevice(whole + 1);
  await createVolume(volumes, { path: device });
  await openVolume(volumes, device, "small");
  await closeVolume("small");
}

function tableOf(sectors: number): string {
  return `0 ${sectors} linear /dev/ubda 0`;
}

function resizeDevice(sectors: number): void {
  run("dmsetup", "suspend", "odd");
  run("dmsetup", "reload", "odd", "--table", tableOf(sectors));
  run("dmsetup", "resume", "odd");
}

async function assertNothingMade(): Promise<void> {
  const keys = await Array.fromAsync(keyManager.list(caller));
  assert.deepEqual([keys, await ledger.volumes(), await ledger.unfinished()], [[], [], []]);
}

function run(program: string, ...words: readonly string[]): string {
  return execFileSync(program, words, { encoding: "utf8" });
}
