import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { closeSync, mkdirSync, openSync, readFileSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import {
  closeDisk,
  createDisk,
  destroyDisk,
  openDisk,
  rekeyVolume,
  resizeDisk,
  snapshotDisk,
  type VolumeContext,
} from "@chatelaine/volumes";
import { read } from "./device-text.ts";

const mountPoint = "/mnt/disk";
const mebibyte = 1 << 20;

/** What is on the ext4 of the disks that `makeForms` leaves behind, by logical volume. */
const kept = ["ext", "copy", "plain-copy"] as const;

/** Plain and LUKS2, thick and thin, with ext4: grown while mounted, copied while mounted, looked into, rekeyed. */
export async function makeForms(volumes: VolumeContext): Promise<void> {
  mkdirSync(mountPoint, { recursive: true });
  run("lvcreate", "-q", "-y", "-T", "-L", "96M", "vg/pool");
  const ext = { group: "vg", name: "ext" };
  const disk = await createDisk(volumes, { ...ext, sizeBytes: 16 * mebibyte, instance: "e" });
  run("mke2fs", "-q", "-t", "ext4", disk.device);
  run("mount", disk.device, mountPoint);
  writeFileSync(join(mountPoint, "file"), "before it grew");

  // D7
  await assert.rejects(resizeDisk(volumes, ext, 8 * mebibyte), { code: "invalid_argument" });
  await assert.rejects(resizeDisk(volumes, ext, 2 ** 40), { code: "tool_failed" });
  assert.equal((await resizeDisk(volumes, ext, 24 * mebibyte)).sizeBytes, 24 * mebibyte);
  run("resize2fs", disk.device);
  writeFileSync(join(mountPoint, "large"), Buffer.alloc(14 * mebibyte, "large"));
  run("sync");

  // D9, of a disk in use; from plain to LUKS2, and from thick to thin.
  const made = await snapshotDisk(volumes, ext, {
    name: "copy",
    format: "luks2",
    thinPool: "pool",
  });
  assert.notEqual(made.keyId, disk.keyId);
  await assert.rejects(snapshotDisk(volumes, ext, { name: "copy" }), { code: "exists" });
  writeFileSync(join(mountPoint, "file"), "changed since");
  run("umount", mountPoint);
  await check(made.device, "before it grew");
  await check(disk.device, "changed since");
  assert.doesNotMatch(run("lvs", "--noheadings", "-o", "lv_name", "vg"), /-source/);

  // D8
  const view = await openDisk(volumes, ext, { readOnly: true });
  assert.equal(view.device, "/dev/mapper/ext-crypt-ro");
  await check(view.device, "changed since");
  const shown = openSync(view.device, "r+");
  assert.throws(() => writeSync(shown, "x"), { code: "EPERM" });
  closeSync(shown);
  await closeDisk(volumes, ext, { readOnly: true });

  // D11, and a snapshot of a thin LUKS2 disk under its new key.
  const rekeyed = await rekeyVolume(volumes, "/dev/vg/copy");
  assert.ok(rekeyed.oldKeyId === made.keyId && rekeyed.oldKeyDeleted);
  const copy = { group: "vg", name: "copy" };
  const grown = await resizeDisk(volumes, copy, 28 * mebibyte);
  assert.equal(Number(run("blockdev", "--getsize64", made.device)), grown.sizeBytes);
  await snapshotDisk(volumes, copy, { name: "plain-copy", format: "plain" });
  await closeDisk(volumes, copy);
  assert.equal((await openDisk(volumes, copy)).device, made.device);
  await check(made.device, "before it grew");

  // The one does not need the other.
  const doomed = { group: "vg", name: "doomed-copy" };
  await snapshotDisk(volumes, ext, { name: doomed.name });
  await destroyDisk(volumes, doomed);
  await check(disk.device, "changed since");
}

/** After a reboot and `restoreDisks`. */
export async function checkForms(): Promise<void> {
  mkdirSync(mountPoint, { recursive: true });
  for (const name of kept) {
    await check(`/dev/mapper/${name}-crypt`, name === "ext" ? "changed since" : "before it grew");
  }
}

export const keptLocations: readonly string[] = kept.map((name) => `/dev/vg/${name}`);

async function check(device: string, text: string): Promise<void> {
  assert.ok(read(device, 2048).length > 0);
  // What was mounted when it was copied has a journal to be played first, which a read-only device cannot.
  const options = device.endsWith("-ro") ? "ro,noload" : "ro";
  run("mount", "-o", options, device, mountPoint);
  try {
    assert.equal(readFileSync(join(mountPoint, "file"), "utf8"), text);
    const large = readFileSync(join(mountPoint, "large"));
    assert.ok(large.equals(Buffer.alloc(14 * mebibyte, "large")));
  } finally {
    run("umount", mountPoint);
  }
}

function run(program: string, ...words: readonly string[]): string {
  return execFileSync(program, words, { encoding: "utf8" });
}
