import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import {
  MemoryKeyManager,
  type ObjectId,
  type ProjectCaller,
  tracksConsumers,
} from "@chatelaine/keys";
import { addKeyslot, addToken, formatLuks1, formatLuks2, readLuks } from "@chatelaine/luks";
import {
  adoptVolume,
  createVolume,
  deleteVolume,
  importVolume,
  type Ledger,
  openLedger,
  rekeyVolume,
  type VolumeContext,
  verifyVolume,
} from "../src/index.ts";

const caller: ProjectCaller = { type: "project", projectId: "a", userId: "alice" };

describe("a disk that its owner brings with its key (BYOK)", () => {
  let directory: string;
  let path: string;
  let keyManager: MemoryKeyManager;
  let ledger: Ledger;
  let volumes: VolumeContext;
  let keyId: ObjectId;

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), "chatelaine-import-"));
    path = join(directory, "disk.img");
    keyManager = new MemoryKeyManager({ warn: () => {} });
    ledger = openLedger({ path: join(directory, "ledger.sqlite") });
    volumes = { keyManager, caller, ledger };
    keyId = await keyManager.createKey(caller, { algorithm: "aes", bitLength: 256 });
  });
  afterEach(async () => {
    await ledger.close();
    await rm(directory, { recursive: true });
  });

  async function make(format: "luks1" | "luks2", key = keyId): Promise<void> {
    await writeFile(path, Buffer.alloc(17 * 1024 * 1024));
    const { value } = await keyManager.get(caller, key);
    const passphrase = value.use((bytes) => Buffer.from(Buffer.from(bytes).toString("hex")));
    const keyslots = [{ passphrase, entropyBits: 256 }];
    await (format === "luks1" ? formatLuks1(path, { keyslots }) : formatLuks2(path, { keyslots }));
  }
  const consumers = async () =>
    (await keyManager.describe(caller, keyId)).consumers.map(({ resourceId }) => resourceId);

  for (const format of ["luks1", "luks2"] as const) {
    it(`keeps its key and its slots in ${format}; the key cannot be deleted under it, and outlives it`, async () => {
      await make(format);
      const { keyslots } = await readLuks(path);
      const volume = await importVolume(volumes, path, keyId);
      assert.equal(volume.keyId, keyId);
      assert.deepEqual((await readLuks(path)).keyslots, keyslots);
      assert.deepEqual(await consumers(), [volume.id]);
      assert.ok(tracksConsumers(keyManager));
      await assert.rejects(keyManager.delete(caller, keyId), { code: "in_use" });
      assert.equal((await deleteVolume(volumes, path)).keyDeleted, false);
      assert.deepEqual(await consumers(), []);
    });
  }

  it("leaves no row that never opens, if the disk's token names the key for other slots", async () => {
    await make("luks2");
    const created = new Date().toISOString();
    await addToken(path, { type: "chatelaine", keyslots: [], object: keyId, created });
    const before = await readFile(path);
    await assert.rejects(importVolume(volumes, path, keyId), { code: "mismatch" });
    assert.deepEqual(await ledger.volumes(), []);
    assert.deepEqual(await consumers(), []);
    assert.ok(before.equals(await readFile(path)));
  });

  it("can be given another key later, which leaves the user's alone", async () => {
    await make("luks2");
    await importVolume(volumes, path, keyId);
    const rekeyed = await rekeyVolume(volumes, path);
    assert.deepEqual([rekeyed.oldKeyId, rekeyed.oldKeyDeleted], [keyId, false]);
    assert.deepEqual(await consumers(), []);
    assert.equal((await verifyVolume(volumes, path)).keyId, rekeyed.keyId);
  });

  /** Lets `first` finish after the operation of `volumes` has looked into the ledger, and before it has the lock. */
  function overtakenBy(first: () => Promise<unknown>): VolumeContext {
    const overtaken = new Proxy(ledger, {
      get(target, name) {
        const value: unknown = Reflect.get(target, name);
        if (typeof value !== "function") return value;
        if (name !== "lock") return value.bind(target) as unknown;
        return async (subject: string) => {
          await first();
          return target.lock(subject);
        };
      },
    });
    return { ...volumes, ledger: overtaken };
  }

  const hexadecimal = async (id: ObjectId) =>
    (await keyManager.get(caller, id)).value.use((bytes) =>
      Buffer.from(Buffer.from(bytes).toString("hex")),
    );

  async function addSlotFor(otherKeyId: ObjectId): Promise<void> {
    const keyslot = { passphrase: await hexadecimal(otherKeyId), entropyBits: 256 };
    await addKeyslot(path, await hexadecimal(keyId), keyslot);
  }

  it("keeps the key of the process that took it first, when two take it at once", async () => {
    await make("luks2");
    const other = await keyManager.createKey(caller, { algorithm: "aes", bitLength: 256 });
    await addSlotFor(other);
    const late = overtakenBy(() => importVolume(volumes, path, other));
    await assert.rejects(importVolume(late, path, keyId), { code: "busy" });
    assert.equal((await verifyVolume(volumes, path)).keyId, other);
    assert.deepEqual(await consumers(), []);
  });

  it("keeps the key that it was given by an adoption meanwhile", async () => {
    await make("luks2");
    const other = await keyManager.createKey(caller, { algorithm: "aes", bitLength: 256 });
    await addSlotFor(other);
    const late = overtakenBy(() => adoptVolume(volumes, path, { keyId: other }));
    await assert.rejects(importVolume(late, path, keyId), { code: "busy" });
    const { keyId: own } = await verifyVolume(volumes, path);
    assert.ok(own !== keyId && own !== other);
    assert.equal((await deleteVolume(volumes, path)).keyDeleted, true);
  });

  it("is not deleted as a stranger's disk, once the ledger has it", async () => {
    await make("luks2");
    const created = new Date().toISOString();
    await addToken(path, { type: "chatelaine", keyslots: ["0"], object: keyId, created });
    const late = overtakenBy(() => importVolume(volumes, path, keyId));
    await assert.rejects(deleteVolume(late, path), { code: "busy" });
    assert.equal((await verifyVolume(volumes, path)).keyId, keyId);
    assert.equal((await consumers()).length, 1);
  });

  it("is refused with a key that does not open it, that is not there, or that another volume has", async () => {
    await make("luks2");
    const before = await readFile(path);
    const other = await keyManager.createKey(caller, { algorithm: "aes", bitLength: 256 });
    await assert.rejects(importVolume(volumes, path, other), { code: "wrong_key" });
    const none = "5f1cd0b0-3f4b-4b7e-8d3c-111111111111" as ObjectId;
    await assert.rejects(importVolume(volumes, path, none), { code: "missing_key" });
    const taken = join(directory, "taken.img");
    await createVolume(volumes, { path: taken, sizeBytes: 4096, keyId });
    await assert.rejects(importVolume(volumes, path, keyId), { code: "exists" });
    assert.ok(before.equals(await readFile(path)));
    assert.equal((await ledger.volumes()).length, 1);
  });
});
