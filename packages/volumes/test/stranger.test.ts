import assert from "node:assert/strict";
import { copyFile, mkdtemp, rm, stat, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import {
  type KeyManager,
  MemoryKeyManager,
  type ObjectId,
  type ProjectCaller,
  SecretBytes,
} from "@chatelaine/keys";
import { chatelaineToken, formatLuks2, readLuks } from "@chatelaine/luks";
import {
  adoptVolume,
  createVolume,
  decryptVolume,
  deleteVolume,
  importVolume,
  inspectVolume,
  type Ledger,
  openLedger,
  openVolume,
  openVolumes,
  qemuDisk,
  reconcile,
  recover,
  reencryptVolume,
  rekeyVolume,
  resizeVolume,
  type VolumeContext,
  verifyVolume,
  withVolumeData,
} from "../src/index.ts";
import { forge } from "./forge.ts";

const service: ProjectCaller = { type: "project", projectId: "service", userId: "cinder" };
const mallory: ProjectCaller = { type: "project", projectId: "mallory", userId: "mallory" };
const sizeBytes = 64 * 1024;
const firstWord = (path: string, volumes: VolumeContext) =>
  withVolumeData(volumes, path, async (disk) => {
    const bytes = Buffer.alloc(8);
    await disk.read(0, bytes);
    return bytes.toString();
  });

describe("a disk that the ledger does not know", () => {
  let directory: string;
  let [path, victim] = ["", ""];
  let keyManager: MemoryKeyManager;
  let ledgers: Ledger[];
  let home: VolumeContext;
  /** A second host of the same service, with a ledger of its own. */
  let elsewhere: VolumeContext;

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), "chatelaine-stranger-"));
    [path, victim] = [join(directory, "stranger.img"), join(directory, "victim.img")];
    keyManager = new MemoryKeyManager({ warn: () => {} });
    ledgers = ["home", "elsewhere"].map((name) =>
      openLedger({ path: join(directory, `${name}.sqlite`) }),
    );
    const [ledger, other] = ledgers as [Ledger, Ledger];
    home = { keyManager, caller: service, ledger };
    elsewhere = { keyManager, caller: service, ledger: other };
  });
  afterEach(async () => {
    for (const ledger of ledgers) await ledger.close();
    await rm(directory, { recursive: true });
  });

  const create = () => createVolume(home, { path: victim, sizeBytes });
  const isKept = async (keyId: ObjectId, volumeId: string) => {
    const { consumers } = await keyManager.describe(service, keyId);
    assert.ok(
      consumers.some(({ resourceId }) => resourceId === volumeId),
      "the victim does not protect its key any more",
    );
    assert.equal((await verifyVolume(home, victim)).keyId, keyId);
  };

  /** A disk that opens with an attacker's key, which the service may read. */
  async function trojan(options: { readonly name?: string; readonly uuid?: string } = {}) {
    const bytes = Buffer.alloc(32, 7);
    const { name, uuid = crypto.randomUUID() } = options;
    const spec = { type: "symmetric", algorithm: "aes", value: new SecretBytes(bytes) } as const;
    const keyId = await keyManager.store(mallory, { ...spec, ...(name !== undefined && { name }) });
    await keyManager.addConsumer(mallory, keyId, {
      service: "volume",
      resourceType: "volume",
      resourceId: uuid,
    });
    await keyManager.setReadAccess(mallory, keyId, {
      projectAccess: true,
      userIds: [service.userId],
    });
    const passphrase = Buffer.from(bytes.toString("hex"));
    await writeFile(path, "");
    await truncate(path, 16 * 1024 * 1024 + sizeBytes);
    await formatLuks2(path, {
      uuid,
      keyslots: [{ passphrase, entropyBits: 256 }],
      tokens: [chatelaineToken({ keyslots: [0], object: keyId, created: new Date() })],
    });
    return { keyId, uuid };
  }

  describe("deleted", () => {
    it("does not take another volume's key with it, by a header with the victim's two ids", async () => {
      const { id, keyId } = await create();
      await trojan();
      await forge(
        path,
        ({ tokens }) => {
          (tokens["0"] as Record<string, unknown>)["object"] = keyId;
        },
        id,
      );
      const deleted = await deleteVolume(elsewhere, path);
      assert.deepEqual([deleted.keyDeleted, deleted.otherKeyIds], [false, [keyId]]);
      assert.equal(await isThere(path), false);
      await isKept(keyId, id);
    });

    it("does not take the original's key with it when a plain copy is deleted on a second host", async () => {
      const { id, keyId } = await create();
      await copyFile(victim, path);
      assert.equal((await deleteVolume(elsewhere, path)).keyDeleted, false);
      await isKept(keyId, id);
    });

    it("does not take the original's key with it when the copy is decrypted on a second host", async () => {
      const { id, keyId } = await create();
      await copyFile(victim, path);
      assert.equal((await decryptVolume(elsewhere, path)).keyDeleted, false);
      await isKept(keyId, id);
    });

    it("does not take the original's key with it when the copy is rekeyed on a second host", async () => {
      const { id, keyId } = await create();
      await copyFile(victim, path);
      assert.equal((await rekeyVolume(elsewhere, path)).oldKeyDeleted, false);
      await isKept(keyId, id);
      assert.equal((await deleteVolume(elsewhere, path)).keyDeleted, true);
      await isKept(keyId, id);
    });

    it("does not take the original's key with it when the copy is adopted on a second host", async () => {
      const { id, keyId } = await create();
      await copyFile(victim, path);
      assert.equal((await adoptVolume(elsewhere, path, { keyId })).oldKeyDeleted, false);
      await isKept(keyId, id);
    });

    it("does not take the original's key with it when the copy is imported, then deleted or rekeyed", async () => {
      const { id, keyId } = await create();
      for (const end of [deleteVolume, rekeyVolume, decryptVolume]) {
        await copyFile(victim, path);
        await importVolume(elsewhere, path, keyId);
        await end(elsewhere, path);
        await isKept(keyId, id);
        if (await elsewhere.ledger.volumeAt(path)) await deleteVolume(elsewhere, path);
        await isKept(keyId, id);
        await rm(path, { force: true });
      }
    });

    it("does not take the original's key with it when the copy was given that key again", async () => {
      const { id, keyId } = await create();
      await copyFile(victim, path);
      await rekeyVolume(elsewhere, path);
      await assert.rejects(
        rekeyVolume(
          {
            ...elsewhere,
            onStep: ({ step, moment }) => {
              if (step === "prove the new key" && moment === "taking") throw new Error("cut");
            },
          },
          path,
          { keyId },
        ),
        /cut/,
      );
      await isKept(keyId, id);
      await rekeyVolume(elsewhere, path, { keyId });
      assert.equal((await deleteVolume(elsewhere, path)).keyDeleted, false);
      await isKept(keyId, id);
    });

    it("leaves the original's key registered when the import of its copy fails", async () => {
      const { id, keyId } = await create();
      await copyFile(victim, path);
      const failing = {
        ...elsewhere,
        onStep: ({ step, moment }: { readonly step: string; readonly moment: string }) => {
          if (step === "name the key on the disk" && moment === "taking") throw new Error("cut");
        },
      };
      await assert.rejects(importVolume(failing, path, keyId), /cut/);
      await isKept(keyId, id);
    });

    it("does not let a later version obey ids that an earlier one wrote down from a header", async () => {
      const { id, keyId } = await create();
      await copyFile(victim, path);
      const { ledger } = elsewhere;
      const lock = await ledger.lock(id);
      const now = new Date();
      await ledger.write({
        id: crypto.randomUUID(),
        kind: "delete",
        volumeId: id,
        project: "service",
        host: ledger.host,
        phase: "finishing",
        step: 0,
        input: { location: path, occupant: "file", headerAreaBytes: 4096, keyIds: [keyId] },
        facts: {},
        problem: undefined,
        created: now,
        updated: now,
      });
      await lock.release();
      assert.equal((await recover(elsewhere))[0]?.outcome, "finished");
      assert.equal(await isThere(path), false);
      await isKept(keyId, id);
    });

    it("takes the key with it that the caller names, unless the ledger has that for another volume", async () => {
      const { keyId } = await create();
      await copyFile(victim, path);
      await assert.rejects(deleteVolume(home, path, { deleteKeyId: keyId }), { code: "mismatch" });
      await forge(path, () => undefined, crypto.randomUUID());
      await assert.rejects(deleteVolume(home, path, { deleteKeyId: keyId }), { code: "mismatch" });
      assert.ok(await isThere(path));
      const lost = await keyManager.createKey(service, { algorithm: "aes", bitLength: 256 });
      assert.equal((await deleteVolume(home, path, { deleteKeyId: lost })).keyDeleted, true);
      await assert.rejects(keyManager.describe(service, lost), { code: "not_found" });
      assert.equal((await verifyVolume(home, victim)).keyId, keyId);
    });
  });

  describe("with a row in the ledger, deleted", () => {
    it("takes the ledger's key with it, and never one that only its header names", async () => {
      const { keyId } = await create();
      const other = join(directory, "other.img");
      const mine = await createVolume(home, { path: other, sizeBytes });
      await forge(other, ({ tokens }) => {
        tokens["1"] = { ...tokens["0"], object: keyId, keyslots: [] };
      });
      const findings = (await reconcile(home)).filter(({ type }) => type === "foreign_key");
      assert.deepEqual(
        findings.map(({ volumeId, keyId: named }) => [volumeId, named]),
        [[mine.id, keyId]],
      );
      const deleted = await deleteVolume(home, other);
      assert.deepEqual([deleted.keyDeleted, deleted.otherKeyIds], [true, [keyId]]);
      await assert.rejects(keyManager.describe(service, mine.keyId), { code: "not_found" });
      assert.equal((await verifyVolume(home, victim)).keyId, keyId);
    });
  });

  describe("opened", () => {
    /** Every way to a disk's plaintext or key slots. */
    const ways: Readonly<Record<string, (volumes: VolumeContext) => Promise<unknown>>> = {
      verify: (volumes) => verifyVolume(volumes, path),
      "verify without a ledger": ({ keyManager: manager, caller }) =>
        verifyVolume({ keyManager: manager, caller }, path),
      open: (volumes) => openVolume(volumes, path),
      "open many": async (volumes) => {
        const [result] = await openVolumes(volumes, [path]);
        if (result?.problem !== undefined) {
          throw Object.assign(new Error(result.problem), { code: "untrusted" });
        }
      },
      data: (volumes) => firstWord(path, volumes),
      rekey: (volumes) => rekeyVolume(volumes, path),
      reencrypt: (volumes) => reencryptVolume(volumes, path),
      decrypt: (volumes) => decryptVolume(volumes, path),
      resize: (volumes) => resizeVolume(volumes, path, { sizeBytes: 2 * sizeBytes }),
    };
    for (const [name, way] of Object.entries(ways)) {
      it(`does not encrypt with an attacker's key: ${name}`, async () => {
        const { keyId } = await trojan();
        const fetched: ObjectId[] = [];
        const volumes = { ...elsewhere, keyManager: noting(keyManager, fetched) };
        await assert.rejects(way(volumes), { code: "untrusted", message: new RegExp(keyId) });
        assert.deepEqual(fetched, []);
        assert.equal((await inspectVolume(path, elsewhere.ledger)).keyId, keyId);
      });
    }

    it("does not encrypt with an attacker's key that is called like a key of the volume", async () => {
      const uuid = crypto.randomUUID();
      await trojan({ uuid, name: `volume-${uuid}-${crypto.randomUUID()}` });
      await assert.rejects(verifyVolume(elsewhere, path), { code: "untrusted" });
    });

    it("does not open with a key of the caller's own project that is another volume's", async () => {
      const { keyId } = await create();
      await trojan();
      await forge(path, ({ tokens }) => {
        (tokens["0"] as Record<string, unknown>)["object"] = keyId;
      });
      await assert.rejects(verifyVolume(elsewhere, path), { code: "untrusted" });
    });

    it("opens with the volume's own key on a second host, by name or by consumer", async () => {
      const { id, keyId } = await create();
      await withVolumeData(home, victim, (disk) => disk.write(0, Buffer.from("precious")), "write");
      await copyFile(victim, path);
      assert.equal(await firstWord(path, elsewhere), "precious");
      const { layoutRecord } = await verifyVolume(elsewhere, path);
      assert.equal(layoutRecord, "no_row");
      const own = await keyManager.createKey(service, { algorithm: "aes", bitLength: 256 });
      const third = join(directory, "third.img");
      await createVolume(home, { path: third, sizeBytes, keyId: own });
      assert.equal((await verifyVolume(elsewhere, third)).keyId, own);
      assert.notEqual(keyId, own);
      assert.equal((await readLuks(path)).uuid, id);
    });

    it("opens with the key that the caller names, and with no other", async () => {
      const { keyId } = await trojan();
      assert.equal((await verifyVolume(elsewhere, path, { keyId })).keyId, keyId);
      const word = await withVolumeData(elsewhere, path, async () => "word", "read", { keyId });
      assert.equal(word, "word");
      const wrong = await keyManager.createKey(service, { algorithm: "aes", bitLength: 256 });
      await assert.rejects(verifyVolume(elsewhere, path, { keyId: wrong }), { code: "wrong_key" });
      await create();
      await assert.rejects(verifyVolume(home, victim, { keyId: wrong }), {
        code: "invalid_argument",
      });
    });

    it("is not shown to QEMU without a key that the caller names", async () => {
      const keyId = await keyManager.createKey(service, { algorithm: "aes", bitLength: 256 });
      await createVolume(home, { path: victim, sizeBytes, keyId, format: "luks1" });
      await copyFile(victim, path);
      // LUKS1 names no key.
      await assert.rejects(qemuDisk(elsewhere, path), { code: "not_a_volume" });
      await qemuDisk(elsewhere, path, { keyId });
    });
  });
});

function isThere(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}

/** The manager, and a list of the keys whose bytes were asked for. */
function noting(manager: MemoryKeyManager, fetched: ObjectId[]): KeyManager {
  return new Proxy(manager, {
    get(target, name) {
      const value = Reflect.get(target, name) as unknown;
      if (typeof value !== "function") return value;
      return (...args: unknown[]) => {
        if (name === "get") fetched.push(args[1] as ObjectId);
        return (value as (...all: unknown[]) => unknown).apply(target, args);
      };
    },
  });
}
