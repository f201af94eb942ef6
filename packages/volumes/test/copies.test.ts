import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { copyFile, mkdtemp, open, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { MemoryKeyManager, type ObjectId, type ProjectCaller } from "@chatelaine/keys";
import { addKeyslot, readLuks, testPassphrase, withOpenDisk } from "@chatelaine/luks";
import {
  backupVolumeHeader,
  cloneVolume,
  createVolume,
  deleteVolume,
  forgetSnapshot,
  type Ledger,
  openLedger,
  rekeyVolume,
  restoreVolumeHeader,
  snapshotVolume,
  type VolumeContext,
  verifyVolume,
} from "../src/index.ts";

const caller: ProjectCaller = { type: "project", projectId: "a", userId: "alice" };
const sizeBytes = 64 * 1024;

describe("copies of a volume", () => {
  let directory: string;
  let [path, other] = ["", ""];
  let keyManager: MemoryKeyManager;
  let ledger: Ledger;
  let volumes: VolumeContext;

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), "chatelaine-copies-"));
    [path, other] = [join(directory, "volume.img"), join(directory, "other.img")];
    keyManager = new MemoryKeyManager({ warn: () => {} });
    ledger = openLedger({ path: join(directory, "ledger.sqlite") });
    volumes = { keyManager, caller, ledger };
    await createVolume(volumes, { path, sizeBytes, label: "first" });
    await using(path, "write", (disk) => disk.write(512, Buffer.from("precious")));
  });
  afterEach(async () => {
    await ledger.close();
    await rm(directory, { recursive: true });
  });

  const hexOf = async (id: ObjectId) =>
    (await keyManager.get(caller, id)).value.use((bytes) =>
      Buffer.from(Buffer.from(bytes).toString("hex")),
    );
  const keys = () => Array.fromAsync(keyManager.list(caller));
  async function using<T>(
    at: string,
    access: "read" | "write",
    work: Parameters<typeof withOpenDisk<T>>[2],
  ): Promise<T> {
    const { keyId } = await verifyVolume(volumes, at);
    return withOpenDisk(at, await hexOf(keyId), work, { access });
  }
  const contentOf = (at: string) =>
    using(at, "read", async (disk) => {
      const bytes = Buffer.alloc(8);
      await disk.read(512, bytes);
      return bytes.toString();
    });

  it("a clone has the data, but key, volume key and UUID of its own", async () => {
    const source = await verifyVolume(volumes, path);
    const clone = await cloneVolume(volumes, path, { path: other });
    assert.equal(await contentOf(other), "precious");
    assert.deepEqual([clone.label, (await stat(other)).size], ["first", (await stat(path)).size]);
    assert.notEqual(clone.id, source.id);
    assert.equal((await ledger.volume(clone.id))?.parentId, source.id);
    await assert.rejects(testPassphrase(other, await hexOf(source.keyId)), {
      code: "wrong_passphrase",
    });
    const ciphertext = async (at: string) => {
      const file = await open(at, "r");
      const bytes = Buffer.alloc(512);
      await file.read(bytes, 0, 512, source.dataOffset + 512);
      await file.close();
      return bytes.toString("hex");
    };
    assert.notEqual(await ciphertext(path), await ciphertext(other));
    await deleteVolume(volumes, path);
    assert.equal(await contentOf(other), "precious");
  });

  it("a clone shares the volume key if told so, but neither key nor slots nor UUID", async () => {
    const backup = { passphrase: Buffer.from("a slot of somebody's"), entropyBits: 128 };
    const source = await verifyVolume(volumes, path);
    await addKeyslot(path, await hexOf(source.keyId), backup);
    const options = { path: other, ownVolumeKey: false };
    const clone = await cloneVolume(volumes, path, options);
    assert.equal(await contentOf(other), "precious");
    assert.deepEqual([clone.id === source.id, clone.keyId === source.keyId], [false, false]);
    const [before, after] = [await readLuks(path), await readLuks(other)];
    assert.equal(after.digests[0]?.fingerprint, before.digests[0]?.fingerprint);
    assert.deepEqual([before.keyslots.length, after.keyslots.length], [2, 1]);
    assert.equal((await stat(other)).mode & 0o777, 0o600);
    for (const passphrase of [await hexOf(source.keyId), backup.passphrase]) {
      await assert.rejects(testPassphrase(other, passphrase), { code: "wrong_passphrase" });
    }
    assert.equal((await ledger.volume(clone.id))?.parentId, source.id);
    const old = join(directory, "old.img");
    await createVolume(volumes, { path: old, sizeBytes, format: "luks1" });
    await rm(other);
    await assert.rejects(cloneVolume(volumes, old, options), { code: "unsupported" });
  });

  it("keeps the holes of a clone that shares the volume key", async () => {
    await cloneVolume(volumes, path, { path: other, ownVolumeKey: false });
    assert.ok((await stat(other)).blocks * 512 < 4 * 1024 * 1024);
  });

  it("is not cloned while somebody writes to it", async () => {
    const writer = spawn("sh", ["-c", 'exec 3<>"$0"; echo; read x', path], { stdio: "pipe" });
    await once(writer.stdout, "data");
    await assert.rejects(cloneVolume(volumes, path, { path: other }), { code: "busy" });
    writer.stdin.end();
    await once(writer, "exit");
  });

  it("a clone whose source's key is gone is refused, and leaves nothing", async () => {
    const { keyId } = await verifyVolume(volumes, path);
    await keyManager.delete(caller, keyId, { force: true });
    await assert.rejects(cloneVolume(volumes, path, { path: other }), { code: "missing_key" });
    await assert.rejects(stat(other), { code: "ENOENT" });
    assert.deepEqual(await keys(), []);
  });

  it("a snapshot has a key object of its own: the volume can be rekeyed and deleted", async () => {
    await copyFile(path, other);
    const snapshot = await snapshotVolume(volumes, path, other);
    await rekeyVolume(volumes, path);
    await deleteVolume(volumes, path);
    assert.equal((await verifyVolume(volumes, other)).keyId, snapshot.keyId);
    assert.equal(await contentOf(other), "precious");
    await assert.rejects(keyManager.delete(caller, snapshot.keyId as ObjectId), {
      code: "in_use",
    });
    await forgetSnapshot(volumes, snapshot.id);
    assert.deepEqual([await keys(), await ledger.volumes()], [[], []]);
  });

  it("is not taken for a snapshot of a volume that it is none of", async () => {
    await createVolume(volumes, { path: other, sizeBytes });
    await assert.rejects(snapshotVolume(volumes, path, other), { code: "mismatch" });
  });

  it("a destroyed header comes back from its backup", async () => {
    const backup = join(directory, "header.luks");
    await backupVolumeHeader(volumes, path, backup);
    const { headerAreaBytes } = await readLuks(path);
    const disk = await open(path, "r+");
    await disk.write(Buffer.alloc(headerAreaBytes), 0, headerAreaBytes, 0);
    await disk.close();
    await assert.rejects(verifyVolume(volumes, path), { code: "not_luks" });
    await restoreVolumeHeader(volumes, path);
    assert.equal(await contentOf(path), "precious");
  });

  it("is not restored from another volume's header, nor from one that its key does not open", async () => {
    const backup = join(directory, "header.luks");
    await backupVolumeHeader(volumes, path, backup);
    await assert.rejects(backupVolumeHeader(volumes, path, backup), { code: "exists" });
    await createVolume(volumes, { path: other, sizeBytes });
    await assert.rejects(restoreVolumeHeader(volumes, other, backup), { code: "mismatch" });
    await assert.rejects(restoreVolumeHeader(volumes, other), { code: "not_found" });
    await rekeyVolume(volumes, path);
    await assert.rejects(restoreVolumeHeader(volumes, path, backup), { code: "wrong_passphrase" });
    assert.equal(await contentOf(path), "precious");
  });
});
