// Runs inside the guest kernel, as root: `node without-hard-links.ts FOLDER`. Volumes on a real vfat, on /dev/ubda.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { linkSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Caller, MemoryKeyManager } from "@chatelaine/keys";
import {
  backupVolumeHeader,
  cloneVolume,
  createVolume,
  deleteVolume,
  encryptVolume,
  openLedger,
  reencryptVolume,
  restoreVolumeHeader,
  verifyVolume,
} from "@chatelaine/volumes";

const [folder = ""] = process.argv.slice(2);
const caller: Caller = { type: "project", projectId: "a", userId: "alice" };
const keyManager = new MemoryKeyManager({ warn: () => undefined });
const ledger = openLedger({ path: join(folder, "ledger.sqlite") });
const volumes = { keyManager, caller, ledger };

const place = "/mnt/vfat";
mkdirSync(place);
execFileSync("mkfs.vfat", ["-F", "32", "/dev/ubda"]);
for (const name of ["vfat", "nls_cp437", "nls_ascii", "nls_iso8859-1", "nls_utf8"]) {
  execFileSync("modprobe", ["-q", name]);
}
execFileSync("mount", ["-t", "vfat", "/dev/ubda", place]);
writeFileSync(join(place, "one"), "");
assert.throws(() => linkSync(join(place, "one"), join(place, "two")), { code: "EPERM" });

const path = join(place, "volume.img");
await createVolume(volumes, { path, sizeBytes: 1 << 20 });
assert.equal((await verifyVolume(volumes, path)).openedSlot, 0);
await assert.rejects(createVolume(volumes, { path, sizeBytes: 1 << 20 }), { code: "exists" });
for (const ownVolumeKey of [true, false]) {
  const copy = join(place, "copy.img");
  await cloneVolume(volumes, path, { path: copy, ownVolumeKey });
  await verifyVolume(volumes, copy);
  await deleteVolume(volumes, copy);
}
await backupVolumeHeader(volumes, path, join(place, "header"));
await restoreVolumeHeader(volumes, path);
await reencryptVolume(volumes, path);
await deleteVolume(volumes, path);
const content = Buffer.alloc(1 << 20, "plaintext");
writeFileSync(path, content);
await encryptVolume(volumes, path);
assert.equal(statSync(path).size, content.length + (16 << 20));
assert.ok(!readFileSync(path).includes("plaintext"));
await deleteVolume(volumes, path);
assert.deepEqual(readdirSync(place).toSorted(), ["header", "one"]);
assert.equal((await Array.fromAsync(keyManager.list(caller))).length, 0);
await ledger.close();
