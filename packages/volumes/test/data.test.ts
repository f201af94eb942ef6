import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { link, mkdtemp, readFile, rm, stat, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { MemoryKeyManager, type ObjectId, type ProjectCaller } from "@chatelaine/keys";
import { withOpenDisk } from "@chatelaine/luks";
import {
  createVolume,
  decryptVolume,
  encryptVolume,
  type Ledger,
  openLedger,
  reconcile,
  recover,
  resizeVolume,
  type VolumeContext,
  VolumeError,
  verifyVolume,
  withVolumeData,
} from "../src/index.ts";

const caller: ProjectCaller = { type: "project", projectId: "a", userId: "alice" };
const sizeBytes = 64 * 1024;
const userKey = { algorithm: "aes", bitLength: 256, name: "the user's" };
/** In memory where possible: syncs to a busy disk are slow. */
const scratch = existsSync("/dev/shm") ? "/dev/shm" : tmpdir();

let directory: string;
let path: string;
let keyManager: MemoryKeyManager;
let ledger: Ledger;
let volumes: VolumeContext;

beforeEach(async () => {
  directory = await mkdtemp(join(scratch, "chatelaine-data-"));
  path = join(directory, "volume.img");
  keyManager = new MemoryKeyManager({ warn: () => {} });
  ledger = openLedger({ path: join(directory, "ledger.sqlite") });
  volumes = { keyManager, caller, ledger };
});
afterEach(async () => {
  await ledger.close();
  await rm(directory, { recursive: true });
});

const keys = async () => (await Array.fromAsync(keyManager.list(caller))).map(({ id }) => id);
const data = () =>
  withVolumeData(volumes, path, async (disk) => {
    const bytes = Buffer.alloc(disk.size);
    await disk.read(0, bytes);
    return bytes;
  });
/** Nothing of it is in the ledger, and no key is left. */
async function assertUntouched(before: Buffer): Promise<void> {
  assert.ok(before.equals(await readFile(path)), "the disk has changed");
  assert.deepEqual([await keys(), await ledger.volumes(), await ledger.unfinished()], [[], [], []]);
  assert.ok(!existsSync(`${path}.chatelaine`));
}

describe("encrypting a plain disk in place", () => {
  const plain = Buffer.alloc(sizeBytes, "precious");
  beforeEach(() => writeFile(path, plain));

  it("keeps its data, under a key of its own, and is in order afterwards", async () => {
    const volume = await encryptVolume(volumes, path, { label: "mine", sectorSize: 4096 });
    assert.deepEqual([volume.label, volume.sectorSize], ["mine", 4096]);
    assert.ok(plain.equals(await data()));
    assert.ok(!(await readFile(path)).includes("precious"));
    assert.deepEqual(await keys(), [volume.keyId]);
    assert.deepEqual(
      (await reconcile(volumes)).map(({ type }) => type),
      ["ok"],
    );
  });

  it("takes the user's own key, which outlives the volume (BYOK), and LUKS1", async () => {
    const keyId = await keyManager.createKey(caller, userKey);
    const volume = await encryptVolume(volumes, path, { keyId, format: "luks1" });
    assert.deepEqual([volume.keyId, (await ledger.volume(volume.id))?.format], [keyId, "luks1"]);
    assert.ok(plain.equals(await data()));
    const { keyDeleted } = await decryptVolume(volumes, path);
    assert.equal(keyDeleted, false);
    assert.deepEqual([await keys(), plain.equals(await readFile(path))], [[keyId], true]);
  });

  it("refuses what is no disk, LUKS already, of an odd size, or in use", async () => {
    const refused = (code: string, options = {}) =>
      assert.rejects(encryptVolume(volumes, path, options), { code });
    await refused("invalid_argument", { format: "luks1", label: "x" });
    await refused("invalid_argument", { sektorSize: 512 });
    await refused("missing_key", { keyId: "5f1cd0b0-3f4b-4b7e-8d3c-111111111111" as ObjectId });
    const writer = spawn("sh", ["-c", 'exec 3<>"$0"; echo; read x', path], { stdio: "pipe" });
    await once(writer.stdout, "data");
    await refused("busy");
    writer.stdin.end();
    await once(writer, "exit");
    await assertUntouched(plain);
    await truncate(path, 1000);
    await refused("invalid_argument");
    await rm(path);
    await refused("not_found");
    await createVolume(volumes, { path, sizeBytes });
    await refused("exists");
  });

  it("refuses a disk that another process writes to by another name, and says which", async () => {
    const name = join(directory, "link.img");
    await link(path, name);
    const writer = spawn("sh", ["-c", 'exec 3<>"$0"; echo; read x', name], { stdio: "pipe" });
    await once(writer.stdout, "data");
    try {
      await assert.rejects(encryptVolume(volumes, path), {
        code: "busy",
        message: new RegExp(`process ${writer.pid} has it open for writing \\(sh\\); first stop`),
      });
    } finally {
      writer.stdin.end();
      await once(writer, "exit");
    }
    await assertUntouched(plain);
    await encryptVolume(volumes, path);
  });

  it("changes nothing if the key manager is away, and finishes if it goes away once the key was fetched", async () => {
    const failing = (when: string): VolumeContext => {
      let isAway = false;
      return {
        ...volumes,
        onStep: ({ step, moment }) => {
          if (step === when && moment === "taking") isAway = true;
        },
        keyManager: new Proxy(keyManager, {
          get(target, name) {
            const method = Reflect.get(target, name) as (...args: unknown[]) => unknown;
            if (typeof method !== "function") return method;
            return (...args: unknown[]) => {
              if (isAway) throw new VolumeError("io", "away");
              return method.apply(target, args);
            };
          },
        }),
      };
    };
    await assert.rejects(encryptVolume(failing("write the journal"), path), { code: "unfinished" });
    assert.equal((await recover(volumes))[0]?.outcome, "undone");
    await assertUntouched(plain);
    // The key is there already: the data is encrypted, and only the proof at the end fails.
    await assert.rejects(encryptVolume(failing("encrypt the data"), path), { message: "away" });
    assert.deepEqual(await recover(volumes), []);
    assert.ok(plain.equals(await data()));
  });
});

describe("decrypting a volume in place", () => {
  it("leaves a plain disk with the same data, and neither key nor record", async () => {
    await createVolume(volumes, { path, sizeBytes });
    await withVolumeData(
      volumes,
      path,
      (disk) => disk.write(512, Buffer.from("precious")),
      "write",
    );
    const before = await data();
    const { keyDeleted } = await decryptVolume(volumes, path);
    assert.equal(keyDeleted, true);
    await assertUntouched(before);
  });

  it("changes nothing without its key", async () => {
    const { keyId } = await createVolume(volumes, { path, sizeBytes });
    const before = await readFile(path);
    await keyManager.delete(caller, keyId, { force: true });
    await assert.rejects(decryptVolume(volumes, path), { code: "missing_key" });
    assert.ok(before.equals(await readFile(path)));
    assert.equal((await ledger.volumes()).length, 1);
  });
});

describe("resizing a volume", () => {
  it("has more room, and the same data before it", async () => {
    const { id, keyId } = await createVolume(volumes, { path, sizeBytes });
    await withVolumeData(
      volumes,
      path,
      (disk) => disk.write(512, Buffer.from("precious")),
      "write",
    );
    const before = await data();
    const grown = await resizeVolume(volumes, path, { sizeBytes: 2 * sizeBytes });
    const expected = { id, keyId, sizeBytes: 2 * sizeBytes, isOpen: false };
    assert.deepEqual(
      { id: grown.id, keyId: grown.keyId, sizeBytes: grown.sizeBytes, isOpen: grown.isOpen },
      expected,
    );
    assert.ok(before.equals((await data()).subarray(0, sizeBytes)));
    assert.equal((await resizeVolume(volumes, path, { sizeBytes: 2 * sizeBytes })).id, id);
  });

  it("is never made smaller, nor of an odd size or none", async () => {
    await createVolume(volumes, { path, sizeBytes });
    const { size } = await stat(path);
    for (const wrong of [sizeBytes - 512, sizeBytes + 1, -1, undefined]) {
      await assert.rejects(resizeVolume(volumes, path, { sizeBytes: wrong }), {
        code: "invalid_argument",
      });
    }
    assert.equal((await stat(path)).size, size);
    const { keyId } = await verifyVolume(volumes, path);
    const key = await keyManager.get(caller, keyId);
    const passphrase = key.value.use((bytes) => Buffer.from(Buffer.from(bytes).toString("hex")));
    assert.equal(await withOpenDisk(path, passphrase, async (disk) => disk.size), sizeBytes);
  });

  it("shrinks again if it cannot be finished before anything was noted", async () => {
    await createVolume(volumes, { path, sizeBytes });
    const { size } = await stat(path);
    const failing: VolumeContext = {
      ...volumes,
      onStep: ({ step, moment }) => {
        if (step === "grow the file" && moment === "taken") throw new VolumeError("io", "cut");
      },
    };
    await assert.rejects(resizeVolume(failing, path, { sizeBytes: 2 * sizeBytes }), { code: "io" });
    assert.deepEqual([(await stat(path)).size, await ledger.unfinished()], [size, []]);
  });
});
