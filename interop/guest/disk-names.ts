// Runs inside the guest kernel, as root: `node disk-names.ts FOLDER`. One device of a real LVM, under all its names.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, realpathSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Caller, MemoryKeyManager } from "@chatelaine/keys";
import {
  backupVolumeHeader,
  closeVolume,
  createDisk,
  createVolume,
  deleteVolume,
  encryptVolume,
  type Ledger,
  openLedger,
  openVolume,
  reconcile,
  restoreVolumeHeader,
  type VolumeContext,
  verifyVolume,
} from "@chatelaine/volumes";

const [folder = ""] = process.argv.slice(2);
const caller: Caller = { type: "project", projectId: "a", userId: "alice" };
const keyManager = new MemoryKeyManager({ warn: () => undefined });
const ledger = openLedger({ path: join(folder, "ledger.sqlite") });
const volumes = { keyManager, caller, ledger };
const keys = async () => (await Array.fromAsync(keyManager.list(caller))).length;

run("pvcreate", "-q", "/dev/ubda");
run("vgcreate", "-q", "vg", "/dev/ubda");
run("lvcreate", "-q", "-y", "-L", "24M", "-n", "data", "vg");
await refusesASecondVolume("/dev/vg/data", namesOf("data"));
await refusesThePlainDisk();
await refusesTheFileBehindALoopDevice();
await namesDoubles();
await ledger.close();

/** /dev/vg/data, /dev/mapper/vg-data, /dev/dm-N, udev's by-id, a second node and a bind mount. */
function namesOf(name: string): readonly string[] {
  const { rdev } = statSync(`/dev/vg/${name}`);
  const [major, minor] = [Math.floor(rdev / 256), rdev % 256];
  mkdirSync("/dev/disk/by-id", { recursive: true });
  const byId = `/dev/disk/by-id/dm-name-vg-${name}`;
  symlinkSync(`/dev/mapper/vg-${name}`, byId);
  const second = `/run/${name}-node`;
  run("mknod", second, "b", String(major), String(minor));
  const bound = `/run/${name}-bound`;
  writeFileSync(bound, "");
  run("mount", "--bind", realpathSync(`/dev/mapper/vg-${name}`), bound);
  return [`/dev/mapper/vg-${name}`, `/dev/dm-${minor}`, byId, second, bound];
}

/** The issue: after its header was zeroed, another name made a second ready record for the device. */
async function refusesASecondVolume(path: string, names: readonly string[]): Promise<void> {
  const { id } = await createVolume(volumes, { path });
  const backup = join(folder, "data.header");
  await backupVolumeHeader(volumes, path, backup);
  const { device, name } = await openVolume(volumes, path);
  for (const other of names) {
    assert.equal((await verifyVolume(volumes, other)).layoutRecord, "recorded", other);
    assert.deepEqual((await openVolume(volumes, other)).device, device, other);
  }
  await closeVolume(name);
  for (const other of [path, ...names]) {
    run("dd", "if=/dev/zero", `of=${path}`, "bs=1M", "count=16", "status=none");
    await assert.rejects(createVolume(volumes, { path: other }), {
      code: "exists",
      message: new RegExp(`volume ${id} \\(ready\\) on this disk, as ${path}`),
    });
    const journal = join(folder, "journal");
    await assert.rejects(encryptVolume(volumes, other, { journal }), { code: "exists" });
    assert.deepEqual([(await ledger.volumes()).length, await keys()], [1, 1], other);
    await restoreVolumeHeader(volumes, other);
    assert.equal((await verifyVolume(volumes, path)).id, id);
  }
  const [last = ""] = names;
  assert.equal((await deleteVolume(volumes, last)).keyDeleted, true);
  assert.deepEqual(await ledger.volumes(), []);
}

/** A thin disk in plain mode that nobody has written to yet reads as zeroes, as a blank device does. */
async function refusesThePlainDisk(): Promise<void> {
  run("lvcreate", "-q", "-y", "-T", "-L", "40M", "vg/pool");
  const thin = { group: "vg", name: "thin", sizeBytes: 24 << 20, thinPool: "pool" };
  await createDisk(volumes, { ...thin, instance: "i" });
  for (const path of ["/dev/vg/thin", "/dev/mapper/vg-thin"]) {
    await assert.rejects(createVolume(volumes, { path }), { code: "exists" }, path);
  }
}

async function refusesTheFileBehindALoopDevice(): Promise<void> {
  const file = join("/root", "volume.img");
  await createVolume(volumes, { path: file, sizeBytes: 1 << 20 });
  const loop = run("losetup", "--find", "--show", file).trim();
  assert.equal((await verifyVolume(volumes, loop)).layoutRecord, "recorded");
  run("dd", "if=/dev/zero", `of=${file}`, "bs=1M", "count=16", "conv=notrunc,fsync", "status=none");
  await assert.rejects(createVolume(volumes, { path: loop }), { code: "exists" });
  run("losetup", "--detach", loop);
}

/** A ledger of a version that compared names has two volumes on one device. */
async function namesDoubles(): Promise<void> {
  run("lvcreate", "-q", "-y", "-L", "20M", "-n", "twice", "vg");
  const first = await createVolume(volumes, { path: "/dev/vg/twice" });
  run("dd", "if=/dev/zero", "of=/dev/vg/twice", "bs=1M", "count=16", "status=none");
  const blind = { ...volumes, ledger: withoutOthers(ledger) };
  const second = await createVolume(blind, { path: "/dev/mapper/vg-twice" });
  const findings = await reconcile(volumes);
  const shared = findings.filter(({ type }) => type === "shared_disk");
  assert.deepEqual(
    new Set(shared.map(({ volumeId }) => volumeId)),
    new Set([first.id, second.id]),
    JSON.stringify(findings),
  );
}

/** Does not show what is on other names, so that a second volume is made as an older version made it. */
function withoutOthers(whole: Ledger): VolumeContext["ledger"] {
  return new Proxy(whole, {
    get(target, name) {
      if (name === "volumes") return async () => [];
      const value: unknown = Reflect.get(target, name);
      return typeof value === "function" ? (value.bind(target) as unknown) : value;
    },
  });
}

function run(program: string, ...words: readonly string[]): string {
  return execFileSync(program, words, { encoding: "utf8" });
}
