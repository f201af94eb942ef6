import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import {
  copyFile,
  mkdtemp,
  readdir,
  readFile,
  rm,
  stat,
  truncate,
  writeFile,
} from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import {
  type Caller,
  type KeyManager,
  KeyManagerError,
  MemoryKeyManager,
  SecretBytes,
} from "@chatelaine/keys";
import { formatLuks2, LuksError, readLuks, testPassphrase } from "@chatelaine/luks";
import {
  createVolume,
  deleteVolume,
  inspectVolume,
  type Ledger,
  openLedger,
  recover,
  type VolumeContext,
  VolumeError,
  verifyVolume,
} from "../src/index.ts";

const caller: Caller = { type: "project", projectId: "a", userId: "alice" };
const sizeBytes = 1024 * 1024;

describe("a volume", () => {
  let directory: string;
  let path: string;
  let keyManager: MemoryKeyManager;
  let ledger: Ledger;
  let source: VolumeContext;

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), "chatelaine-volumes-"));
    path = join(directory, "volume.img");
    keyManager = new MemoryKeyManager({ warn: () => {} });
    ledger = openLedger({ path: join(directory, "state", "ledger.sqlite") });
    source = { keyManager, caller, ledger };
  });
  afterEach(async () => {
    await ledger.close();
    await rm(directory, { recursive: true });
  });

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
    const { openedSlot, layoutRecord, ...shown } = volume;
    assert.deepEqual([openedSlot, layoutRecord], [0, "recorded"]);
    assert.deepEqual(await inspectVolume(path), shown);
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

  it("is not deleted while another process writes to it", async () => {
    const { keyId } = await createVolume(source, { path, sizeBytes });
    const writer = spawn("sh", ["-c", 'exec 3<>"$0"; echo; read x', path], { stdio: "pipe" });
    await once(writer.stdout, "data");
    try {
      await assert.rejects(deleteVolume(source, path), {
        code: "busy",
        message: new RegExp(`process ${writer.pid} has it open for writing`),
      });
    } finally {
      writer.stdin.end();
      await once(writer, "exit");
    }
    assert.deepEqual([await exists(), (await keys()).map(({ id }) => id)], [true, [keyId]]);
    assert.equal((await deleteVolume(source, path)).keyDeleted, true);
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
    await assert.rejects(deleteVolume({ ...source, keyManager: away }, path), {
      code: "unavailable",
    });
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
      const away = { ...source, keyManager: failing(keyManager, step) };
      await assert.rejects(createVolume(away, { path, sizeBytes }), { code: "unavailable" });
      assert.equal(await exists(), false);
      assert.deepEqual([await keys(), await ledger.volumes()], [[], []]);
    });
  }

  it("is taken back by recover when even taking it back failed", async () => {
    const away = { ...source, keyManager: failing(keyManager, "get", "delete") };
    await assert.rejects(createVolume(away, { path, sizeBytes }), {
      name: "VolumeError",
      code: "unfinished",
      message: /get: away; undoing it failed: delete: away/,
    });
    assert.equal((await keys()).length, 1);
    const [recovered] = await recover(source);
    assert.deepEqual([recovered?.operation, recovered?.outcome], ["create", "undone"]);
    assert.deepEqual([await keys(), await exists()], [[], false]);
    assert.deepEqual(await readdir(directory), ["state"]);
    assert.deepEqual(await recover(source), []);
  });

  it("loses its key at the next recover, when the key manager went away after its disk was deleted", async () => {
    const { keyId } = await createVolume(source, { path, sizeBytes });
    const away = { ...source, keyManager: failing(keyManager, "delete") };
    await assert.rejects(deleteVolume(away, path), { code: "unfinished" });
    assert.deepEqual([await exists(), (await keys())[0]?.id], [false, keyId]);
    assert.equal((await recover(source))[0]?.outcome, "finished");
    assert.deepEqual([await keys(), await ledger.volumes()], [[], []]);
  });

  it("opens with the key that the user brought, and leaves it to him when it is deleted", async () => {
    const own = await keyManager.createKey(caller, { algorithm: "aes", bitLength: 256 });
    const { keyId } = await createVolume(source, { path, sizeBytes, keyId: own });
    assert.equal(keyId, own);
    assert.equal((await verifyVolume(source, path)).openedSlot, 0);
    await assert.rejects(keyManager.delete(caller, own), { code: "in_use" });
    assert.equal((await deleteVolume(source, path)).keyDeleted, false);
    assert.deepEqual((await keyManager.describe(caller, own)).consumers, []);
  });

  it("opens with a key of 4,096 bits that the user brought, whose text has 1,024 digits", async () => {
    const value = new SecretBytes(randomBytes(512));
    const object = { type: "symmetric", algorithm: "hmacsha512", value } as const;
    const keyId = await keyManager.store(caller, object);
    for (const format of ["luks1", "luks2"] as const) {
      const at = `${path}.${format}`;
      await createVolume(source, { path: at, sizeBytes, keyId, format });
      assert.equal((await verifyVolume(source, at)).openedSlot, 0);
      const hex = value.use((bytes) => Buffer.from(bytes).toString("hex"));
      assert.equal(await testPassphrase(at, Buffer.from(hex)), 0);
    }
  });

  it("is not deleted in the place of its copy", async () => {
    await createVolume(source, { path, sizeBytes });
    const copy = join(directory, "copy.img");
    await copyFile(path, copy);
    await assert.rejects(deleteVolume(source, copy), { code: "mismatch" });
    assert.equal((await verifyVolume(source, path)).openedSlot, 0);
  });

  it("is in the ledger while it exists", async () => {
    const { id, keyId } = await createVolume(source, { path, sizeBytes });
    const volume = await ledger.volume(id);
    assert.deepEqual(
      [volume?.location, volume?.state, volume?.keyId, volume?.project],
      [path, "ready", keyId, "a"],
    );
    await deleteVolume(source, path);
    assert.deepEqual(await ledger.volumes(), []);
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
    const other = { keyManager: wrong, caller, ledger };
    await assert.rejects(verifyVolume(other, path), { code: "wrong_key" });
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
