import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { MemoryKeyManager, type ObjectId, type ProjectCaller } from "@chatelaine/keys";
import { addToken, chatelaineToken, formatLuks2, readLuks, testPassphrase } from "@chatelaine/luks";
import {
  adoptVolume,
  cloneVolume,
  createVolume,
  decryptVolume,
  importVolume,
  type Ledger,
  openLedger,
  reencryptVolume,
  rekeyVolume,
  type VolumeContext,
  verifyVolume,
  withVolumeData,
} from "../src/index.ts";
import { addUnboundSlot } from "./unbound-slot.ts";

const caller: ProjectCaller = { type: "project", projectId: "a", userId: "alice" };
const sizeBytes = 64 * 1024;

const slots = async (disk: string) =>
  (await readLuks(disk)).keyslots.map(({ slot, isBound }) => [slot, isBound]);

describe("a key whose slot is not bound to the volume's data", () => {
  let directory: string;
  let path: string;
  let keyManager: MemoryKeyManager;
  let ledger: Ledger;
  let volumes: VolumeContext;
  let keyId: ObjectId;
  let passphrase: Uint8Array;

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), "chatelaine-unbound-"));
    path = join(directory, "disk.img");
    keyManager = new MemoryKeyManager({ warn: () => {} });
    ledger = openLedger({ path: join(directory, "ledger.sqlite") });
    volumes = { keyManager, caller, ledger };
    keyId = await keyManager.createKey(caller, { algorithm: "aes", bitLength: 256 });
    const { value } = await keyManager.get(caller, keyId);
    passphrase = value.use((bytes) => Buffer.from(Buffer.from(bytes).toString("hex")));
  });
  afterEach(async () => {
    await ledger.close();
    await rm(directory, { recursive: true });
  });

  const content = async (volume: string) =>
    withVolumeData(volumes, volume, async (disk) => {
      const bytes = Buffer.alloc(4);
      await disk.read(0, bytes);
      return bytes.toString();
    });

  describe("on a disk that others made", () => {
    let before: Buffer;
    beforeEach(async () => {
      await writeFile(path, Buffer.alloc(17 * 1024 * 1024));
      const owner = { passphrase: Buffer.from("the owner's own key"), entropyBits: 128 };
      await formatLuks2(path, { keyslots: [owner] });
      await addUnboundSlot(path, passphrase);
      const created = new Date();
      await addToken(path, chatelaineToken({ keyslots: [1], object: keyId, created }));
      before = await readFile(path);
    });
    const isUntouched = async () => assert.ok(before.equals(await readFile(path)));

    it("does not import the disk", async () => {
      await assert.rejects(importVolume(volumes, path, keyId), { code: "wrong_key" });
      assert.deepEqual(await ledger.volumes(), []);
      await isUntouched();
    });

    it("does not verify the disk", async () => {
      await assert.rejects(verifyVolume(volumes, path, { keyId }), { code: "wrong_key" });
      await isUntouched();
    });

    it("shows no data", async () => {
      const read = withVolumeData(volumes, path, async () => undefined, "read", { keyId });
      await assert.rejects(read, { code: "wrong_key" });
      await isUntouched();
    });

    it("does not adopt the disk", async () => {
      await assert.rejects(adoptVolume(volumes, path, { keyId }));
      await assert.rejects(adoptVolume(volumes, path, { passphrase }));
      assert.equal(await testPassphrase(path, Buffer.from("the owner's own key")), 0);
    });
  });

  describe("on a volume of ours", () => {
    beforeEach(async () => {
      await createVolume(volumes, { path, sizeBytes });
      await withVolumeData(volumes, path, (disk) => disk.write(0, Buffer.from("mine")), "write");
      await addUnboundSlot(path, passphrase);
    });
    it("does not become the volume's key", async () => {
      // It opens nothing yet, so that the volume gets a slot for it, and keeps the other.
      const { keyId: now } = await rekeyVolume(volumes, path, { keyId });
      assert.equal(now, keyId);
      assert.deepEqual(await slots(path), [
        [1, false],
        [2, true],
      ]);
      assert.equal((await verifyVolume(volumes, path)).openedSlot, 2);
      assert.equal(await content(path), "mine");
    });

    it("is not in the way of a re-encryption, and stays", async () => {
      await reencryptVolume(volumes, path);
      assert.deepEqual(await slots(path), [
        [0, true],
        [1, false],
      ]);
      assert.equal(await content(path), "mine");
    });

    it("stays in a clone, which opens with its own key only", async () => {
      const clone = join(directory, "clone.img");
      await cloneVolume(volumes, path, { path: clone });
      assert.ok((await slots(clone)).every(([slot, bound]) => bound === (slot !== 1)));
      assert.equal(await content(clone), "mine");
    });

    it("does not keep the volume from being decrypted with its own key", async () => {
      await decryptVolume(volumes, path);
      assert.equal((await readFile(path)).toString("latin1", 0, 4), "mine");
    });
  });
});
