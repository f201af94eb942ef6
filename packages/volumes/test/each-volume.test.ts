import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { copyFile, mkdtemp, readdir, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import {
  FixedKeyManager,
  fixedKeyId,
  MemoryKeyManager,
  migratingKeyManager,
  type ProjectCaller,
} from "@chatelaine/keys";
import { formatLuks2, readLuks } from "@chatelaine/luks";
import {
  backupVolumeHeaders,
  createVolume,
  type Ledger,
  migrateDisksOffFixedKey,
  openLedger,
  reencryptVolumes,
  restoreVolumeHeader,
  snapshotVolume,
  type VolumeContext,
  verifyVolume,
  verifyVolumes,
} from "../src/index.ts";

const caller: ProjectCaller = { type: "project", projectId: "a", userId: "alice" };
/** In memory where possible: syncs to a busy disk are slow. */
const scratch = existsSync("/dev/shm") ? "/dev/shm" : tmpdir();

describe("the same for many volumes", () => {
  let directory: string;
  let ledger: Ledger;
  let keyManager: MemoryKeyManager;
  let volumes: VolumeContext;

  beforeEach(async () => {
    directory = await mkdtemp(join(scratch, "chatelaine-each-"));
    ledger = openLedger({ path: join(directory, "ledger.sqlite") });
    keyManager = new MemoryKeyManager({ warn: () => {} });
    volumes = { keyManager, caller, ledger };
    for (const name of ["1", "2", "3"]) {
      await createVolume(volumes, { path: pathOf(name), sizeBytes: 4096 });
    }
  });
  afterEach(async () => {
    await ledger.close();
    await rm(directory, { recursive: true });
  });

  const pathOf = (name: string) => join(directory, `${name}.img`);
  const fingerprintsOf = async (names: readonly string[]) =>
    Promise.all(
      names.map(async (name) => (await readLuks(pathOf(name))).digests[0]?.fingerprint ?? ""),
    );

  it("encrypts all of them anew, with their journals in one folder, and names what failed", async () => {
    const before = await fingerprintsOf(["1", "3"]);
    await truncate(pathOf("2"), 0);
    const journals = join(directory, "state", "journals");
    const results = await reencryptVolumes(volumes, { journals, maxErrors: 1, rekey: true });
    assert.deepEqual(
      results.map(({ outcome, wasOpen }) => [outcome, wasOpen]),
      [
        ["done", false],
        ["failed", undefined],
        ["done", false],
      ],
    );
    assert.match(results[1]?.problem ?? "", /2\.img/);
    const after = await fingerprintsOf(["1", "3"]);
    assert.ok(after.every((one) => !before.includes(one)));
    assert.deepEqual(await readdir(journals), []);
    for (const { location, keyId } of [results[0], results[2]].filter((one) => one !== undefined)) {
      assert.equal((await verifyVolume(volumes, location)).keyId, keyId);
    }
  });

  it("verifies all of them, snapshots too, and finds every failure at once", async () => {
    await copyFile(pathOf("1"), pathOf("snapshot"));
    await snapshotVolume(volumes, pathOf("1"), pathOf("snapshot"));
    await writeFile(pathOf("2"), "no volume any more");
    const { keyId } = await verifyVolume(volumes, pathOf("3"));
    await keyManager.delete(caller, keyId, { force: true });
    const results = await verifyVolumes(volumes);
    assert.deepEqual(
      results.map(({ location, outcome, openedSlot }) => [location, outcome, openedSlot]),
      [
        [pathOf("1"), "done", 0],
        [pathOf("2"), "failed", undefined],
        [pathOf("3"), "failed", undefined],
        [pathOf("snapshot"), "done", 0],
      ],
    );
    assert.match(results[2]?.problem ?? "", new RegExp(`no key ${keyId}`));
  });

  it("backs up the headers of all of them, again and again, and one is put back", async () => {
    const folder = join(directory, "headers");
    const days = ["2026-11-28T01:00:00.123Z", "2026-11-29T01:00:00Z"];
    for (const day of days) {
      const results = await backupVolumeHeaders({ ...volumes, now: () => new Date(day) }, folder);
      assert.ok(results.every(({ outcome, file }) => outcome === "done" && existsSync(file ?? "")));
    }
    const { id } = await verifyVolume(volumes, pathOf("1"));
    const names = await readdir(folder);
    assert.equal(names.length, 6);
    assert.ok(names.includes(`${id}-20261128T010000Z.luks`), names.join(", "));
    await writeFile(pathOf("1"), Buffer.alloc(65536), { flag: "r+" });
    assert.equal((await restoreVolumeHeader(volumes, pathOf("1"))).id, id);
  });

  it("moves many disks off the fixed key, which the ledger does not have yet", async () => {
    const fixedHex = "ab".repeat(32);
    const fixed = new FixedKeyManager({ key: fixedHex, warn: () => {} });
    const moving = { ...volumes, keyManager: migratingKeyManager(fixed, keyManager) };
    const paths = ["old-1", "old-2"].map(pathOf);
    for (const path of paths) {
      await writeFile(path, "");
      await truncate(path, 20 * 1024 * 1024);
      const keyslots = [{ passphrase: Buffer.from(fixedHex), entropyBits: 256 }];
      await formatLuks2(path, { keyslots });
    }
    const all = [...paths, pathOf("none")];
    assert.deepEqual(
      (await migrateDisksOffFixedKey(moving, all, { dryRun: true })).map(({ outcome }) => outcome),
      ["selected", "selected", "selected"],
    );
    const results = await migrateDisksOffFixedKey(moving, all, { concurrency: 2 });
    assert.deepEqual(
      results.map(({ outcome, oldKeyId }) => [outcome, oldKeyId]),
      [
        ["done", fixedKeyId],
        ["done", fixedKeyId],
        ["failed", undefined],
      ],
    );
    assert.notEqual(results[0]?.keyId, results[1]?.keyId);
  });
});
