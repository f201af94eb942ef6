import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { copyFile, mkdir, mkdtemp, open, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { MemoryKeyManager, type ProjectCaller } from "@chatelaine/keys";
import { addKeyslot, readLuks, unlock, withOpenDisk } from "@chatelaine/luks";
import {
  backupVolumeHeader,
  createVolume,
  type Ledger,
  openLedger,
  previewReencryption,
  recover,
  reencryptVolume,
  restoreVolumeHeader,
  type VolumeContext,
  type VolumeProgress,
  verifyVolume,
  withVolumeData,
} from "../src/index.ts";
import { lendPassphrase } from "../src/key/passphrase.ts";

const caller: ProjectCaller = { type: "project", projectId: "a", userId: "alice" };
const sizeBytes = 64 * 1024;
/** In memory where possible: syncs to a busy disk are slow. */
const scratch = existsSync("/dev/shm") ? "/dev/shm" : tmpdir();

describe("re-encrypting a volume", () => {
  let directory: string;
  let path: string;
  let keyManager: MemoryKeyManager;
  let ledger: Ledger;
  let volumes: VolumeContext;

  beforeEach(async () => {
    directory = await mkdtemp(join(scratch, "chatelaine-reencrypt-"));
    path = join(directory, "volume.img");
    keyManager = new MemoryKeyManager({ warn: () => {} });
    ledger = openLedger({ path: join(directory, "ledger.sqlite") });
    volumes = { keyManager, caller, ledger };
    await createVolume(volumes, { path, sizeBytes, label: "mine" });
    await withVolumeData(
      volumes,
      path,
      (disk) => disk.write(512, Buffer.from("precious")),
      "write",
    );
  });
  afterEach(async () => {
    await ledger.close();
    await rm(directory, { recursive: true });
  });

  const content = () =>
    withVolumeData(volumes, path, async (disk) => {
      const bytes = Buffer.alloc(8);
      await disk.read(512, bytes);
      return bytes.toString();
    });
  async function lend<T>(use: (passphrase: Uint8Array) => Promise<T>): Promise<T> {
    const { keyId } = await verifyVolume(volumes, path);
    return lendPassphrase(await keyManager.get(caller, keyId), use);
  }
  const keys = async () => (await Array.fromAsync(keyManager.list(caller))).map(({ id }) => id);

  it("changes the volume key: who has a copy of the old one reads nothing any more", async () => {
    const before = await verifyVolume(volumes, path);
    const { volumeKey } = await lend((passphrase) => unlock(path, passphrase));
    const after = await reencryptVolume(volumes, path);
    assert.deepEqual(after, { ...before, wasOpen: false });
    assert.equal(await content(), "precious");
    await withOpenDisk(path, volumeKey, async (disk) => {
      const bytes = Buffer.alloc(sizeBytes);
      await disk.read(0, bytes);
      assert.ok(!bytes.includes("precious"));
    }).catch((error: { code: string }) => assert.equal(error.code, "wrong_passphrase"));
    assert.deepEqual(await keys(), [before.keyId]);
    assert.deepEqual(await ledger.unfinished(), []);
  });

  it("gives the volume another key as well, if asked to", async () => {
    const before = await verifyVolume(volumes, path);
    const after = await reencryptVolume(volumes, path, { rekey: true });
    assert.notEqual(after.keyId, before.keyId);
    assert.equal(await content(), "precious");
    assert.deepEqual(await keys(), [after.keyId]);
  });

  it("tells of its progress, and is foreseen without a write", async () => {
    const untouched = await readFile(path);
    const { id, keyId } = await verifyVolume(volumes, path);
    const foreseen = { id, path, keyId, isOpen: false, otherSlots: [] };
    assert.deepEqual(await previewReencryption(volumes, path), foreseen);
    assert.ok(untouched.equals(await readFile(path)));
    const told: VolumeProgress[] = [];
    await reencryptVolume({ ...volumes, onProgress: (progress) => told.push(progress) }, path);
    const progress = { volumeId: id, operation: "reencrypt", location: path };
    assert.deepEqual(told.at(-1), { ...progress, doneBytes: sizeBytes, totalBytes: sizeBytes });
  });

  it("makes header backups useless, and sees to it that none is restored", async () => {
    const backup = join(directory, "backup.luks");
    await backupVolumeHeader(volumes, path, backup);
    await reencryptVolume(volumes, path);
    await assert.rejects(restoreVolumeHeader(volumes, path), { code: "not_found" });
    await assert.rejects(restoreVolumeHeader(volumes, path, backup), { code: "mismatch" });
    const { headerAreaBytes } = await readLuks(path);
    const disk = await open(path, "r+");
    await disk.write(Buffer.alloc(headerAreaBytes), 0, headerAreaBytes, 0);
    await disk.close();
    await assert.rejects(restoreVolumeHeader(volumes, path, backup), {
      code: "mismatch",
      message: /older than a re-encryption/,
    });
  });

  it("refuses a disk with slots of others, unless they may go", async () => {
    const other = { passphrase: Buffer.from("of somebody else"), entropyBits: 128 };
    await lend((passphrase) => addKeyslot(path, passphrase, other));
    const untouched = await readFile(path);
    await assert.rejects(reencryptVolume(volumes, path, { rekey: true }), {
      code: "invalid_argument",
      message: /slots 1 open with something else/,
    });
    assert.ok(untouched.equals(await readFile(path)));
    await reencryptVolume(volumes, path, { dropOtherSlots: true });
    assert.deepEqual(
      (await readLuks(path)).keyslots.map(({ slot }) => slot),
      [0],
    );
    assert.equal(await content(), "precious");
  });

  it("refuses a disk that somebody writes to, or has begun to change", async () => {
    const writer = spawn("sh", ["-c", 'exec 3<>"$0"; echo; read x', path], { stdio: "pipe" });
    await once(writer.stdout, "data");
    const busy = { code: "busy", message: new RegExp(`process ${writer.pid} has it open`) };
    await assert.rejects(reencryptVolume(volumes, path), busy);
    writer.stdin.end();
    await once(writer, "exit");
    await mkdir(`${path}.chatelaine`);
    await assert.rejects(reencryptVolume(volumes, path), { code: "busy" });
    await rm(`${path}.chatelaine`, { recursive: true });
    assert.equal(await content(), "precious");
    assert.deepEqual(await ledger.unfinished(), []);
  });

  it("changes nothing without its key, or in a place that is not its own", async () => {
    const copy = join(directory, "copy.img");
    await copyFile(path, copy);
    await assert.rejects(reencryptVolume(volumes, copy), { code: "mismatch" });
    const untouched = await readFile(path);
    await keyManager.delete(caller, (await verifyVolume(volumes, path)).keyId, { force: true });
    await assert.rejects(reencryptVolume(volumes, path), { code: "missing_key" });
    assert.ok(untouched.equals(await readFile(path)));
  });

  it("goes on when the key manager was away in the middle, and does not open until then", async () => {
    let isAway = false;
    const failing: VolumeContext = {
      ...volumes,
      keyManager: new Proxy(keyManager, {
        get(target, name) {
          if (isAway) throw new Error("away");
          const method = Reflect.get(target, name) as (...args: unknown[]) => unknown;
          return typeof method === "function" ? method.bind(target) : method;
        },
      }),
      onProgress: () => {
        isAway = true;
        throw new Error("cut");
      },
    };
    await assert.rejects(reencryptVolume(failing, path), { code: "unfinished" });
    await assert.rejects(verifyVolume(volumes, path), { code: "in_reencryption" });
    assert.deepEqual(
      (await recover(volumes)).map(({ operation, outcome }) => [operation, outcome]),
      [["reencrypt", "finished"]],
    );
    assert.equal(await content(), "precious");
  });
});
