import assert from "node:assert/strict";
import { mkdtemp, open, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import {
  FixedKeyManager,
  fixedKeyId,
  KeyManagerError,
  MemoryKeyManager,
  migratingKeyManager,
  type ObjectId,
  type ProjectCaller,
  SecretBytes,
} from "@chatelaine/keys";
import { formatLuks1, formatLuks2, readLuks, testPassphrase } from "@chatelaine/luks";
import {
  adoptVolume,
  createVolume,
  deleteVolume,
  type Ledger,
  migrateOffFixedKey,
  openLedger,
  previewAdoption,
  rekeyVolume,
  transferVolume,
  type VolumeContext,
  verifyVolume,
} from "../src/index.ts";

const alice: ProjectCaller = { type: "project", projectId: "a", userId: "alice" };
const bob: ProjectCaller = { type: "project", projectId: "b", userId: "bob" };

describe("another key for a volume", () => {
  let directory: string;
  let path: string;
  let keyManager: MemoryKeyManager;
  let ledger: Ledger;
  let volumes: VolumeContext;

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), "chatelaine-rekey-"));
    path = join(directory, "volume.img");
    keyManager = new MemoryKeyManager({ warn: () => {} });
    ledger = openLedger({ path: join(directory, "ledger.sqlite") });
    volumes = { keyManager, caller: alice, ledger };
  });
  afterEach(async () => {
    await ledger.close();
    await rm(directory, { recursive: true });
  });

  const create = (at = path) => createVolume(volumes, { path: at, sizeBytes: 4096 });
  const hexOf = async (id: ObjectId, caller = alice) =>
    (await keyManager.get(caller, id)).value.use((bytes) =>
      Buffer.from(Buffer.from(bytes).toString("hex")),
    );
  const blank = async (at = path) => {
    const file = await open(at, "wx");
    await file.truncate(20 * 1024 * 1024);
    await file.close();
  };

  it("is other bytes, and the old ones open nothing and are gone", async () => {
    const { keyId } = await create();
    const old = await hexOf(keyId);
    const rekeyed = await rekeyVolume(volumes, path);
    assert.notEqual(rekeyed.keyId, keyId);
    assert.deepEqual([rekeyed.oldKeyId, rekeyed.oldKeyDeleted], [keyId, true]);
    await assert.rejects(testPassphrase(path, old), { code: "wrong_passphrase" });
    assert.deepEqual(
      (await Array.fromAsync(keyManager.list(alice))).map(({ id }) => id),
      [rekeyed.keyId],
    );
    assert.equal((await ledger.volume(rekeyed.id))?.keyId, rekeyed.keyId);
  });

  it("can be changed again and again, in one slot each time", async () => {
    await create();
    for (let round = 0; round < 3; round++) await rekeyVolume(volumes, path);
    const { keyslots, tokens } = await readLuks(path);
    assert.deepEqual([keyslots.length, tokens.length], [1, 1]);
  });

  it("leaves the old key untouched when the new one cannot be proven", async () => {
    const { keyId } = await create();
    const away = new Proxy(keyManager, {
      get(target, name) {
        const method = Reflect.get(target, name) as (...args: unknown[]) => unknown;
        if (name !== "get") return method.bind(target);
        return async (caller: ProjectCaller, id: ObjectId) => {
          if (id !== keyId) throw new KeyManagerError("unavailable", "get: away");
          return target.get(caller, id);
        };
      },
    });
    // Taking it back needs the key as well: recover does it, once the key manager answers.
    await assert.rejects(rekeyVolume({ ...volumes, keyManager: away }, path), {
      code: "unfinished",
    });
    assert.equal((await verifyVolume(volumes, path)).keyId, keyId);
    assert.notEqual((await rekeyVolume(volumes, path)).keyId, keyId);
    assert.equal((await Array.fromAsync(keyManager.list(alice))).length, 1);
  });

  it("can be the user's own (BYOK), and the next one is ours again", async () => {
    const { keyId: first } = await create();
    const own = await keyManager.createKey(alice, { algorithm: "aes", bitLength: 256 });
    assert.deepEqual((await rekeyVolume(volumes, path, { keyId: own })).keyId, own);
    await assert.rejects(rekeyVolume(volumes, path, { keyId: own }), { code: "invalid_argument" });
    await assert.rejects(keyManager.delete(alice, own), { code: "in_use" });
    const { oldKeyDeleted } = await rekeyVolume(volumes, path);
    assert.equal(oldKeyDeleted, false);
    assert.deepEqual((await keyManager.describe(alice, own)).consumers, []);
    await assert.rejects(keyManager.describe(alice, first), { code: "not_found" });
  });

  it("is not deleted while another volume needs it as well", async () => {
    const { keyId } = await create();
    await keyManager.addConsumer(alice, keyId, {
      service: "image",
      resourceType: "image",
      resourceId: "i",
    });
    assert.equal((await rekeyVolume(volumes, path)).oldKeyDeleted, false);
    await keyManager.describe(alice, keyId);
  });

  it("belongs to the project that the volume goes to, and the donor's opens nothing", async () => {
    const { keyId } = await create();
    const old = await hexOf(keyId);
    const both = { ...volumes, callerOf: (project: string) => (project === "b" ? bob : undefined) };
    const { keyId: handed, id } = await transferVolume(both, path, "b");
    await assert.rejects(keyManager.get(alice, handed), { code: "forbidden" });
    assert.equal((await verifyVolume({ keyManager, caller: bob, ledger }, path)).keyId, handed);
    await assert.rejects(testPassphrase(path, old), { code: "wrong_passphrase" });
    assert.deepEqual(await Array.fromAsync(keyManager.list(alice)), []);
    assert.equal((await ledger.volume(id))?.project, "b");
  });

  it("may be read by the services that were named, whatever key the volume has by now", async () => {
    const nova: ProjectCaller = { type: "project", projectId: "service", userId: "nova" };
    const granted = { ...volumes, readers: ["nova"] };
    const made = await createVolume(granted, { path, sizeBytes: 4096 });
    const asNova = { keyManager, caller: nova, ledger };
    assert.equal((await verifyVolume(asNova, path)).keyId, made.keyId);
    const { keyId } = await rekeyVolume(granted, path);
    assert.equal((await verifyVolume(asNova, path)).keyId, keyId);
    assert.deepEqual(await keyManager.readAccess(alice, keyId), {
      projectAccess: true,
      userIds: ["nova"],
    });
    await assert.rejects(
      verifyVolume({ keyManager, caller: { ...nova, userId: "cinder" }, ledger }, path),
      { code: "forbidden" },
    );
    // Who may only read the key does not get as far as the disk.
    await assert.rejects(() => deleteVolume(asNova, path), { code: "forbidden" });
    assert.equal((await verifyVolume(granted, path)).keyId, keyId);
    await deleteVolume(granted, path);
  });

  it("may be a service's: its credentials make the key, the ledger has the tenant's label", async () => {
    const cinder: ProjectCaller = { type: "project", projectId: "service", userId: "cinder" };
    const service = { keyManager, caller: cinder, ledger, project: "tenant" };
    const { id, keyId } = await createVolume(service, { path, sizeBytes: 4096 });
    assert.equal((await ledger.volume(id))?.project, "tenant");
    await assert.rejects(keyManager.get(alice, keyId), { code: "forbidden" });
    await rekeyVolume(service, path);
    await deleteVolume(service, path);
    assert.deepEqual(await Array.fromAsync(keyManager.list(cinder)), []);
  });

  it("is not made for a project that there are no credentials for", async () => {
    const { keyId } = await create();
    await assert.rejects(transferVolume(volumes, path, "b"), { code: "forbidden" });
    assert.equal((await verifyVolume(volumes, path)).keyId, keyId);
    assert.deepEqual(await ledger.unfinished(), []);
  });

  for (const [name, format] of [
    ["LUKS1", formatLuks1],
    ["LUKS2", formatLuks2],
  ] as const) {
    it(`adopts a ${name} disk as OpenStack makes it, and leaves OpenStack's key to it`, async () => {
      const foreign = await keyManager.createKey(alice, { algorithm: "aes", bitLength: 256 });
      await blank();
      await format(path, { keyslots: [{ passphrase: await hexOf(foreign), entropyBits: 256 }] });
      const adopted = await adoptVolume(volumes, path, { keyId: foreign });
      assert.equal((await verifyVolume(volumes, path)).keyId, adopted.keyId);
      await assert.rejects(testPassphrase(path, await hexOf(foreign)), {
        code: "wrong_passphrase",
      });
      assert.equal((await ledger.volume(adopted.id))?.format, name.toLowerCase());
      assert.equal((await deleteVolume(volumes, path)).keyDeleted, true);
      assert.deepEqual(
        (await Array.fromAsync(keyManager.list(alice))).map(({ id }) => id),
        [foreign],
      );
    });
  }

  for (const [format, make] of [
    ["LUKS1", formatLuks1],
    ["LUKS2", formatLuks2],
  ] as const) {
    it(`adopts a ${format} disk under a passphrase as OpenStack mangled it until 2016`, async () => {
      // 0x00 became "0", 0x0a "a": what should have 64 digits has fewer.
      const bytes = Uint8Array.from({ length: 32 }, (_, index) => index * 7);
      const value = new SecretBytes(bytes);
      const keyId = await keyManager.store(alice, { type: "symmetric", algorithm: "aes", value });
      const mangled = Array.from(bytes, (byte) => byte.toString(16)).join("");
      assert.equal(mangled.length, 61);
      await blank();
      await make(path, { keyslots: [{ passphrase: Buffer.from(mangled), entropyBits: 256 }] });
      const { openedSlots } = await previewAdoption(volumes, path, { keyId });
      assert.deepEqual(openedSlots, [0]);
      const adopted = await adoptVolume(volumes, path, { keyId });
      assert.equal((await verifyVolume(volumes, path)).keyId, adopted.keyId);
      await assert.rejects(testPassphrase(path, Buffer.from(mangled)), {
        code: "wrong_passphrase",
      });
    });
  }

  it("adopts a disk with a typed passphrase, which goes on working unless it is to be retired", async () => {
    const typed = Buffer.from("correct horse");
    const kdf = { type: "pbkdf2", hash: "sha256", iterations: 1000 } as const;
    for (const retire of [false, true]) {
      const at = join(directory, `${retire}.img`);
      await blank(at);
      await formatLuks2(at, { keyslots: [{ passphrase: typed, entropyBits: 0, kdf }] });
      await adoptVolume(volumes, at, { passphrase: typed }, { retire });
      await verifyVolume(volumes, at);
      const stillOpens = await testPassphrase(at, typed).then(
        () => true,
        () => false,
      );
      assert.equal(stillOpens, !retire);
    }
    await assert.rejects(adoptVolume(volumes, path, { passphrase: typed }), {
      code: "invalid_argument",
    });
  });

  it("moves volumes off the fixed key to bytes of their own, distinct from each other", async () => {
    const fixedHex = "ab".repeat(32);
    const fixed = new FixedKeyManager({ key: fixedHex, warn: () => {} });
    const moving = { ...volumes, keyManager: migratingKeyManager(fixed, keyManager) };
    const values: SecretBytes[] = [];
    for (const name of ["one", "two"]) {
      const at = join(directory, name);
      await blank(at);
      const keyslots = [{ passphrase: Buffer.from(fixedHex), entropyBits: 256 }];
      await formatLuks2(at, { keyslots });
      const { keyId, oldKeyId } = await migrateOffFixedKey(moving, at);
      assert.equal(oldKeyId, fixedKeyId);
      values.push((await keyManager.get(alice, keyId)).value);
      await assert.rejects(testPassphrase(at, Buffer.from(fixedHex)), {
        code: "wrong_passphrase",
      });
    }
    const [one, two] = values as [SecretBytes, SecretBytes];
    assert.ok(!one.equals(two));
    assert.ok(!one.equals(new SecretBytes(Buffer.from(fixedHex, "hex"))));
  });

  it("takes no key for the volume's that another process has replaced meanwhile", async () => {
    await create();
    // Between the look at the disk and the lock: the other process is quicker.
    const overtaken = (): VolumeContext => ({
      ...volumes,
      ledger: new Proxy(ledger, {
        get(target, name) {
          const method = Reflect.get(target, name) as (...args: unknown[]) => unknown;
          if (typeof method !== "function") return method;
          if (name !== "lock") return method.bind(target);
          return async (...args: unknown[]) => {
            await rekeyVolume(volumes, path);
            return method.apply(target, args);
          };
        },
      }),
    });
    for (const act of [deleteVolume, rekeyVolume]) {
      await assert.rejects(() => act(overtaken(), path), { code: "busy" });
    }
    const { keyId } = await verifyVolume(volumes, path);
    const keys = await Array.fromAsync(keyManager.list(alice));
    assert.deepEqual(
      keys.map(({ id }) => id),
      [keyId],
    );
  });

  it("waits for nobody: a volume that is being worked on is busy", async () => {
    const { id, keyId } = await create();
    const lock = await ledger.lock(id);
    await assert.rejects(rekeyVolume(volumes, path), { code: "busy" });
    await lock.release();
    assert.notEqual((await rekeyVolume(volumes, path)).keyId, keyId);
  });
});
