import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { link, mkdtemp, open, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { MemoryKeyManager, type ProjectCaller } from "@chatelaine/keys";
import {
  acceptVolumeHeader,
  adoptVolume,
  backupVolumeHeader,
  cloneVolume,
  createVolume,
  decryptVolume,
  deleteVolume,
  encryptVolume,
  forgetVolume,
  importLedger,
  importVolume,
  inspectVolume,
  type Ledger,
  openLedger,
  reconcile,
  reencryptVolume,
  rekeyVolume,
  resizeVolume,
  restoreVolumeHeader,
  snapshotVolume,
  type VolumeContext,
  verifyVolume,
} from "../src/index.ts";

const caller: ProjectCaller = { type: "project", projectId: "a", userId: "alice" };
const sizeBytes = 64 * 1024;

// The suite `kernel-disks` does the same with the names that LVM and the kernel give one device.
describe("one disk under two names", () => {
  let directory: string;
  let path: string;
  let hardLink: string;
  let otherLink: string;
  let keyManager: MemoryKeyManager;
  let ledger: Ledger;
  let volumes: VolumeContext;

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), "chatelaine-one-disk-"));
    path = join(directory, "volume.img");
    hardLink = join(directory, "hard.img");
    otherLink = join(directory, "other.img");
    keyManager = new MemoryKeyManager({ warn: () => {} });
    ledger = openLedger({ path: join(directory, "ledger.sqlite") });
    volumes = { keyManager, caller, ledger };
  });
  afterEach(async () => {
    await ledger.close();
    await rm(directory, { recursive: true });
  });

  async function create() {
    const volume = await createVolume(volumes, { path, sizeBytes });
    await link(path, hardLink);
    await link(path, otherLink);
    return volume;
  }

  /** As wipefs or dd do it. */
  async function loseHeader(): Promise<void> {
    const file = await open(path, "r+");
    await file.write(new Uint8Array(16 << 20), 0, 16 << 20, 0);
    await file.close();
  }

  /** What a version that compared names did: a second volume on the disk, by another name. */
  async function recordAgain(id: string, location: string) {
    const [recorded] = await ledger.volumes();
    assert.ok(recorded !== undefined);
    const lock = await ledger.lock(id);
    const now = new Date();
    const operation = {
      id: randomUUID(),
      kind: "create",
      volumeId: id,
      project: recorded.project,
      host: ledger.host,
      phase: "done",
      step: 0,
      input: {},
      facts: {},
      problem: undefined,
      created: now,
      updated: now,
    } as const;
    const keyId = await keyManager.createKey(caller, {
      algorithm: "aes",
      bitLength: 256,
      name: `volume-${id}-${randomUUID()}`,
    });
    const consumer = { service: "volume", resourceType: "volume", resourceId: id };
    await keyManager.addConsumer(caller, keyId, consumer);
    await ledger.write(operation, [{ type: "put", volume: { ...recorded, id, location, keyId } }]);
    await lock.release();
  }

  it("makes no second volume on it when its header is lost", async () => {
    const { id } = await create();
    await loseHeader();
    for (const name of [path, hardLink, otherLink]) {
      await assert.rejects(encryptVolume(volumes, name), {
        name: "VolumeError",
        code: "exists",
        message: new RegExp(`the ledger has volume ${id} \\(ready\\) on this disk, as ${path}: `),
      });
    }
    assert.equal((await ledger.volumes()).length, 1);
    assert.equal((await Array.fromAsync(keyManager.list(caller))).length, 1);
  });

  it("makes no second volume when two processes know it by two names", async () => {
    await create();
    await deleteRow();
    await loseHeader();
    // Both have found nothing in the ledger before either writes to it.
    let waiting = 0;
    const { promise: met, resolve: both } = Promise.withResolvers<void>();
    const together = new Proxy(ledger, {
      get(target, name) {
        const value: unknown = Reflect.get(target, name);
        if (typeof value !== "function") return value;
        if (name !== "lock") return value.bind(target) as unknown;
        return async (subject: string) => {
          if (++waiting >= 2) both();
          await met;
          return target.lock(subject);
        };
      },
    });
    const context = { ...volumes, ledger: together };
    const results = await Promise.allSettled([
      encryptVolume(context, path),
      encryptVolume(context, hardLink),
    ]);
    assert.ok(results.some(({ status }) => status === "rejected"));
    const rows = await ledger.volumes();
    assert.ok(rows.length < 2, JSON.stringify(rows.map(({ location }) => location)));
  });

  async function deleteRow(): Promise<void> {
    await loseHeader();
    const [recorded] = await ledger.volumes();
    await forgetVolume(volumes, recorded?.id ?? "");
  }

  it("is one volume, whichever name it is given", async () => {
    const { id, ...made } = await create();
    let { keyId } = made;
    for (const name of [hardLink, otherLink]) {
      const verified = await verifyVolume(volumes, name);
      assert.deepEqual([verified.id, verified.layoutRecord], [id, "recorded"]);
      assert.equal((await inspectVolume(name, ledger)).keyId, keyId);
      ({ keyId } = await rekeyVolume(volumes, name));
      assert.equal((await ledger.volume(id))?.keyId, keyId);
      const file = `${name}.header`;
      await backupVolumeHeader(volumes, name, file);
      await restoreVolumeHeader(volumes, name);
      assert.equal((await ledger.volume(id))?.headerBackup, file);
      await reencryptVolume(volumes, name);
      await acceptVolumeHeader(volumes, name);
      await cloneVolume(volumes, name, { path: `${name}.clone` });
      const { size } = await stat(path);
      const grown = size - (16 << 20) + 4096;
      assert.equal((await resizeVolume(volumes, name, { sizeBytes: grown })).sizeBytes, grown);
      await assert.rejects(importVolume(volumes, name, keyId), { code: "exists" });
    }
    assert.equal((await ledger.volume(id))?.location, path);
    assert.equal((await ledger.volumes()).length, 3);
  });

  it("is deleted as one, with its key", async () => {
    await create();
    assert.equal((await deleteVolume(volumes, hardLink)).keyDeleted, true);
    assert.deepEqual(await ledger.volumes(), []);
    await assert.rejects(verifyVolume(volumes, hardLink), { code: "not_luks" });
  });

  it("is decrypted as one", async () => {
    await create();
    assert.equal((await decryptVolume(volumes, otherLink)).keyDeleted, true);
    assert.deepEqual(await ledger.volumes(), []);
  });

  it("is adopted once", async () => {
    const { id, keyId } = await create();
    const { keyId: now } = await adoptVolume(volumes, hardLink, { keyId });
    assert.notEqual(now, keyId);
    const [row, ...more] = await ledger.volumes();
    assert.deepEqual([row?.id, row?.location, row?.keyId, more], [id, path, now, []]);
  });

  it("is no snapshot of itself", async () => {
    await create();
    await assert.rejects(snapshotVolume(volumes, path, hardLink), { code: "exists" });
  });

  it("is not taken over from another ledger", async () => {
    await create();
    const other = openLedger({ path: join(directory, "other.sqlite") });
    const elsewhere = { ...volumes, ledger: other };
    await loseHeader();
    await encryptVolume(elsewhere, hardLink);
    await assert.rejects(importLedger(ledger, other), { code: "exists" });
    await other.close();
  });

  it("is named by reconcile where the ledger has it twice, and then forgotten", async () => {
    const { id } = await create();
    const lost = randomUUID();
    await recordAgain(lost, hardLink);
    const shared = (await reconcile(volumes)).filter(({ type }) => type === "shared_disk");
    const named = shared.map(({ volumeId, location }) => `${volumeId} ${location}`);
    assert.deepEqual(new Set(named), new Set([`${id} ${path}`, `${lost} ${hardLink}`]));
    assert.ok(shared.every(({ detail }) => detail.includes(": forget the one whose header")));
    // By a third name, the header says which of them it is.
    assert.equal((await verifyVolume(volumes, otherLink)).id, id);
    await assert.rejects(verifyVolume(volumes, hardLink), { code: "mismatch" });
    await assert.rejects(forgetVolume(volumes, id), { code: "invalid_argument" });
    const { keyId } = await forgetVolume(volumes, lost);
    const found = await reconcile(volumes, { apply: true, quarantineMs: 0 });
    assert.deepEqual(
      found.map(({ type, action }) => `${type} ${action}`),
      ["ok none", "stale_consumer none"],
    );
    assert.equal(found[1]?.keyId, keyId);
    assert.equal((await verifyVolume(volumes, hardLink)).id, id);
  });

  it("is not chosen by chance where the ledger has it twice and its header is lost", async () => {
    await create();
    await recordAgain(randomUUID(), hardLink);
    await loseHeader();
    await assert.rejects(verifyVolume(volumes, otherLink), {
      code: "mismatch",
      message: /the ledger has several volumes on this disk/,
    });
  });

  it("is not an unknown disk by its other name", async () => {
    await create();
    const found = await reconcile(volumes, { disks: [hardLink, otherLink] });
    assert.deepEqual(
      found.map(({ type }) => type),
      ["ok"],
    );
  });

  it("stays in the ledger while it is out of sight, or its header is on it", async () => {
    const { id } = await create();
    await assert.rejects(forgetVolume(volumes, id), {
      code: "invalid_argument",
      message: /its header is on /,
    });
    await rm(path);
    await assert.rejects(forgetVolume(volumes, id), {
      code: "invalid_argument",
      message: /is missing now, and may come back/,
    });
    await assert.rejects(forgetVolume(volumes, randomUUID()), { code: "not_found" });
  });

  it("is made anew once the volume that it had is forgotten", async () => {
    const { id } = await create();
    await loseHeader();
    await forgetVolume(volumes, id);
    const made = await encryptVolume(volumes, hardLink);
    assert.equal((await verifyVolume(volumes, path)).id, made.id);
  });
});
