import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { mkdtemp, readFile, rm, stat, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { type Caller, type KeyManager, KeyManagerError, MemoryKeyManager } from "@chatelaine/keys";
import { formatLuks2, LuksError, readLuks, testPassphrase } from "@chatelaine/luks";
import {
  createVolume,
  deleteVolume,
  inspectVolume,
  type KeySource,
  VolumeError,
  verifyVolume,
} from "../src/index.ts";

const caller: Caller = { type: "project", projectId: "a", userId: "alice" };
const sizeBytes = 1024 * 1024;

describe("a volume", () => {
  let directory: string;
  let path: string;
  let keyManager: MemoryKeyManager;
  let source: KeySource;

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), "chatelaine-volumes-"));
    path = join(directory, "volume.img");
    keyManager = new MemoryKeyManager({ warn: () => {} });
    source = { keyManager, caller };
  });
  afterEach(() => rm(directory, { recursive: true }));

  const keys = () => Array.fromAsync(keyManager.list(caller));
  const exists = () =>
    stat(path).then(
      () => true,
      () => false,
    );

  it("gets a key of its own, which the disk names and which opens it", async () => {
    const volume = await createVolume(source, { path, sizeBytes, label: "first" });
    const key = await keyManager.get(caller, volume.keyId);
    assert.equal(key.bitLength, 256);
    const { openedSlot, ...shown } = volume;
    assert.deepEqual([openedSlot, await inspectVolume(path)], [0, shown]);
    const hex = key.value.use((bytes) => Buffer.from(bytes).toString("hex"));
    assert.equal(await testPassphrase(path, Buffer.from(hex)), 0);
    assert.equal((await verifyVolume(source, path)).openedSlot, 0);
  });

  it("holds as many bytes of data as were asked for, and only its owner may read the file", async () => {
    const volume = await createVolume(source, { path, sizeBytes });
    const file = await stat(path);
    assert.equal(file.size - volume.dataOffset, sizeBytes);
    assert.equal(file.mode & 0o777, 0o600);
  });

  it("shares its key with no other volume", async () => {
    const other = join(directory, "other.img");
    const [a, b] = [
      await createVolume(source, { path, sizeBytes }),
      await createVolume(source, { path: other, sizeBytes }),
    ];
    assert.notEqual(a.keyId, b.keyId);
    const [one, two] = [
      await keyManager.get(caller, a.keyId),
      await keyManager.get(caller, b.keyId),
    ];
    assert.ok(!one.value.equals(two.value));
  });

  it("keeps its key from being deleted under it", async () => {
    const { keyId } = await createVolume(source, { path, sizeBytes });
    await assert.rejects(keyManager.delete(caller, keyId), { code: "in_use" });
  });

  it("is deleted with its key", async () => {
    await createVolume(source, { path, sizeBytes });
    assert.equal((await deleteVolume(source, path)).keyDeleted, true);
    assert.equal(await exists(), false);
    assert.deepEqual(await keys(), []);
  });

  it("is deleted without its key when another consumer needs that", async () => {
    const { keyId } = await createVolume(source, { path, sizeBytes });
    await keyManager.addConsumer(caller, keyId, {
      service: "backup",
      resourceType: "backup",
      resourceId: "b",
    });
    assert.equal((await deleteVolume(source, path)).keyDeleted, false);
    assert.equal((await keys()).length, 1);
  });

  it("is not deleted while the key manager does not answer", async () => {
    await createVolume(source, { path, sizeBytes });
    const away = failing(keyManager, "describe");
    await assert.rejects(deleteVolume({ keyManager: away, caller }, path), { code: "unavailable" });
    assert.equal((await verifyVolume(source, path)).openedSlot, 0);
  });

  it("is never made over a file", async () => {
    const before = randomBytes(4096);
    await writeFile(path, before);
    await assert.rejects(createVolume(source, { path, sizeBytes }), {
      name: "VolumeError",
      code: "exists",
    });
    assert.deepEqual(await readFile(path), before);
    assert.deepEqual(await keys(), []);
  });

  it("refuses a size that no disk has, an unknown option and a missing folder, and makes nothing", async () => {
    const folder = join(directory, "missing", "volume.img");
    const bad = [
      { path },
      { path, sizeBytes: 0 },
      { path, sizeBytes: 1000 },
      { path, sizeBytes: -512 },
      { path, sizeBytes: Number.NaN },
      { path: folder, sizeBytes },
    ];
    for (const options of bad) await assert.rejects(createVolume(source, options), VolumeError);
    const misspelled = { path, sizeByte: 512 } as unknown as Parameters<typeof createVolume>[1];
    await assert.rejects(createVolume(source, misspelled), /did you mean "sizeBytes"/);
    assert.equal(await exists(), false);
    assert.deepEqual(await keys(), []);
  });

  for (const step of ["createKey", "addConsumer", "get"] as const) {
    it(`leaves neither file nor key when ${step} fails`, async () => {
      const away = { keyManager: failing(keyManager, step), caller };
      await assert.rejects(createVolume(away, { path, sizeBytes }), { code: "unavailable" });
      assert.equal(await exists(), false);
      assert.deepEqual(await keys(), []);
    });
  }

  it("says which key is left when even its deletion fails", async () => {
    const away = { keyManager: failing(keyManager, "get", "delete"), caller };
    const made = await createVolume(away, { path, sizeBytes }).catch((error: unknown) => error);
    assert.ok(made instanceof VolumeError && made.code === "left_behind");
    assert.match(made.message, new RegExp((await keys())[0]?.id ?? "no key"));
  });

  it("leaves no key when the disk cannot be formatted", async () => {
    const label = "a label of more than forty-seven bytes, which LUKS2 has no room for";
    await assert.rejects(createVolume(source, { path, sizeBytes, label }), LuksError);
    assert.equal(await exists(), false);
    assert.deepEqual(await keys(), []);
  });

  it("is told from a disk that names no key, and from no disk at all", async () => {
    await writeFile(path, "");
    await truncate(path, 32 * 1024 * 1024);
    await assert.rejects(verifyVolume(source, path), { name: "LuksError", code: "not_luks" });
    await formatLuks2(path, {
      keyslots: [
        {
          passphrase: Buffer.from("typed"),
          entropyBits: 0,
          kdf: { type: "pbkdf2", hash: "sha256", iterations: 1000 },
        },
      ],
    });
    for (const operation of [verifyVolume, deleteVolume]) {
      await assert.rejects(operation(source, path), { name: "VolumeError", code: "not_a_volume" });
    }
    assert.equal((await readLuks(path)).version, 2);
  });

  it("does not verify when its key is gone, and says which one it was", async () => {
    const { keyId } = await createVolume(source, { path, sizeBytes });
    await keyManager.delete(caller, keyId, { force: true });
    await assert.rejects(verifyVolume(source, path), {
      code: "missing_key",
      message: new RegExp(keyId),
    });
    assert.equal((await deleteVolume(source, path)).keyDeleted, true);
  });

  it("does not verify with another key", async () => {
    await createVolume(source, { path, sizeBytes });
    const another = await keyManager.createKey(caller, { algorithm: "aes", bitLength: 256 });
    const wrong = new Proxy(keyManager, {
      get: (target, name) =>
        name === "get" ? () => target.get(caller, another) : (Reflect.get(target, name) as unknown),
    });
    await assert.rejects(verifyVolume({ keyManager: wrong, caller }, path), { code: "wrong_key" });
  });
});

/** The manager, but for the methods named, which answer as a key manager does that is away. */
function failing(
  manager: MemoryKeyManager,
  ...methods: readonly (keyof MemoryKeyManager)[]
): KeyManager {
  return new Proxy(manager, {
    get(target, name) {
      if (methods.includes(name as keyof MemoryKeyManager)) {
        return async () => {
          throw new KeyManagerError("unavailable", `${String(name)}: away`);
        };
      }
      const value = Reflect.get(target, name) as unknown;
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}
