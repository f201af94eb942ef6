import assert from "node:assert/strict";
import { copyFile, mkdtemp, open, rm, truncate } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterEach, beforeEach, describe, it } from "node:test";
import { MemoryKeyManager, type ObjectId, type ProjectCaller } from "@chatelaine/keys";
import { addKeyslot, readLuks } from "@chatelaine/luks";
import {
  acceptVolumeHeader,
  backupVolumeHeader,
  cloneVolume,
  createVolume,
  decryptVolume,
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
  restoreVolumeHeader,
  snapshotVolume,
  type VolumeContext,
  verifyVolume,
  verifyVolumes,
  withVolumeData,
} from "../src/index.ts";
import { lendPassphrase } from "../src/key/passphrase.ts";
import { forge, type Metadata } from "./forge.ts";

const caller: ProjectCaller = { type: "project", projectId: "a", userId: "alice" };
const sizeBytes = 64 * 1024;
const mebibyte = 1024 * 1024;

const segment = (change: Record<string, unknown>) => (metadata: Metadata) => {
  Object.assign(metadata.segments["0"] ?? {}, change);
};
const serpent = segment({ encryption: "serpent-xts-plain64" });

describe("a volume's header that somebody changed on the medium", () => {
  let directory: string;
  let [path, other] = ["", ""];
  let keyManager: MemoryKeyManager;
  let ledger: Ledger;
  let volumes: VolumeContext;

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), "chatelaine-integrity-"));
    [path, other] = [join(directory, "volume.img"), join(directory, "other.img")];
    keyManager = new MemoryKeyManager({ warn: () => {} });
    ledger = openLedger({ path: join(directory, "ledger.sqlite") });
    volumes = { keyManager, caller, ledger };
  });
  afterEach(async () => {
    await ledger.close();
    await rm(directory, { recursive: true });
  });

  const create = () => createVolume(volumes, { path, sizeBytes: 4 * mebibyte });
  const recorded = async () => (await ledger.volumeAt(path))?.layout;
  /** As a ledger from before layouts has it. */
  const forgetLayouts = () => {
    const database = new DatabaseSync(join(directory, "ledger.sqlite"));
    database.exec("UPDATE volumes SET layout = NULL");
    database.close();
  };

  async function isRefused(change: (metadata: Metadata) => void, message: RegExp): Promise<void> {
    await create();
    await forge(path, change);
    await assert.rejects(verifyVolume(volumes, path), { code: "integrity", message });
    const found = (await reconcile(volumes)).find(({ type }) => type === "changed_header");
    assert.match(found?.detail ?? "", message);
  }

  it("does not write what the tenant writes with a cipher of the attacker's choice", () =>
    isRefused(serpent, /cipher is serpent-xts-plain64, not aes-xts-plain64/));

  it("does not write what the tenant writes to another place of the disk", () =>
    isRefused(segment({ offset: String(17 * mebibyte) }), /dataOffset is 17825792, not 16777216/));

  it("does not read the tenant's sectors by another size", () =>
    isRefused(segment({ sector_size: 4096 }), /sectorSize is 4096, not 512/));

  it("does not cut off the tenant's data", () =>
    isRefused(segment({ size: String(mebibyte) }), /size is 1048576, not 4194304/));

  it("does not encrypt with initialization vectors that another sector had", () =>
    isRefused(segment({ iv_tweak: "8" }), /digest is [0-9a-f]{64}, not [0-9a-f]{64}/));

  it("does not show the half of the tenant's data that is left of a shortened disk", async () => {
    await create();
    await truncate(path, 18 * mebibyte);
    await assert.rejects(verifyVolume(volumes, path), {
      code: "integrity",
      message: /size is 2097152, not 4194304.*--accept-header/,
    });
  });

  it("may lie on a device that was extended, once the volume is resized", async () => {
    await create();
    await truncate(path, 24 * mebibyte);
    await assert.rejects(verifyVolume(volumes, path), {
      code: "integrity",
      message: /size is 8388608, not 4194304.*volume resize/,
    });
    await resizeVolume(volumes, path, { sizeBytes: 8 * mebibyte });
    assert.equal((await recorded())?.size, 8 * mebibyte);
    await truncate(path, 28 * mebibyte);
    const { changes } = await acceptVolumeHeader(volumes, path);
    assert.deepEqual(
      changes.map(({ field }) => field),
      ["size"],
    );
    assert.equal((await recorded())?.size, 12 * mebibyte);
  });

  /** Every way to a volume's plaintext or key slots. */
  const ways: Readonly<Record<string, () => Promise<unknown>>> = {
    open: () => openVolume(volumes, path),
    "open many": async () => {
      for (const { problem } of await openVolumes(volumes)) {
        if (problem?.includes("--accept-header")) {
          throw Object.assign(new Error(problem), { code: "integrity" });
        }
      }
    },
    "verify all": async () => {
      const [result] = await verifyVolumes(volumes);
      assert.equal(result?.outcome, "failed");
      throw Object.assign(new Error(result.problem), { code: "integrity" });
    },
    data: () => withVolumeData(volumes, path, async () => undefined),
    rekey: () => rekeyVolume(volumes, path),
    reencrypt: () => reencryptVolume(volumes, path),
    decrypt: () => decryptVolume(volumes, path),
    resize: () => resizeVolume(volumes, path, { sizeBytes: 8 * mebibyte }),
    backup: () => backupVolumeHeader(volumes, path, join(directory, "header")),
    clone: () => cloneVolume(volumes, path, { path: other }),
    "clone its volume key": () => cloneVolume(volumes, path, { path: other, ownVolumeKey: false }),
    snapshot: async () => {
      await copyFile(path, other);
      await snapshotVolume(volumes, path, other);
    },
  };
  for (const [name, way] of Object.entries(ways)) {
    it(`is not used: ${name}`, async () => {
      const { keyId } = await create();
      await forge(path, serpent);
      await assert.rejects(way(), { code: "integrity", message: /cipher is serpent/ });
      assert.equal((await ledger.volumeAt(path))?.keyId, keyId);
      assert.deepEqual(await ledger.unfinished(), []);
      assert.equal((await Array.fromAsync(keyManager.list(caller))).length, 1);
    });
  }

  it("does not decide where data go when it is swapped after it was compared", async () => {
    await create();
    const swapping = new Proxy(keyManager, {
      get(target, name) {
        const method = Reflect.get(target, name) as (...args: unknown[]) => unknown;
        if (name !== "get") return method.bind(target);
        return async (...args: unknown[]) => {
          await forge(path, segment({ iv_tweak: "8" }));
          return method.apply(target, args);
        };
      },
    });
    await withVolumeData(
      { ...volumes, keyManager: swapping },
      path,
      (disk) => disk.write(0, Buffer.from("precious")),
      "write",
    );
    await forge(path, segment({ iv_tweak: "0" }));
    const word = Buffer.alloc(8);
    await withVolumeData(volumes, path, (disk) => disk.read(0, word));
    assert.equal(word.toString(), "precious");
  });

  it("is not used by QEMU, in LUKS1", async () => {
    await createVolume(volumes, { path, sizeBytes, format: "luks1" });
    const disk = await open(path, "r+");
    // The mode of the cipher, after magic, version and the cipher's name.
    await disk.write("xts-plain\0\0", 40);
    await disk.close();
    await assert.rejects(qemuDisk(volumes, path), {
      code: "integrity",
      message: /cipher is aes-xts-plain, not aes-xts-plain64/,
    });
  });

  it("is not made a snapshot's, and not put back from a backup", async () => {
    await create();
    const backup = join(directory, "header");
    await copyFile(path, other);
    await backupVolumeHeader(volumes, path, backup);
    for (const at of [other, backup]) await forge(at, serpent);
    await assert.rejects(snapshotVolume(volumes, path, other), { code: "integrity" });
    await assert.rejects(restoreVolumeHeader(volumes, path), { code: "integrity" });
    assert.equal((await verifyVolume(volumes, path)).openedSlot, 0);
  });

  it("is not used in another place either, where the ledger knows the volume", async () => {
    await create();
    await copyFile(path, other);
    assert.equal((await verifyVolume(volumes, other)).layoutRecord, "no_row");
    await forge(other, serpent);
    await assert.rejects(verifyVolume(volumes, other), { code: "integrity" });
  });

  it("is another volume's: the disk is refused", async () => {
    await create();
    await createVolume(volumes, { path: other, sizeBytes });
    await copyFile(other, path);
    await assert.rejects(verifyVolume(volumes, path), { code: "mismatch" });
  });

  it("may have other key slots, tokens and flags", async () => {
    const { keyId } = await create();
    const backup = { passphrase: Buffer.from("a slot of somebody's"), entropyBits: 128 };
    await lendPassphrase(await keyManager.get(caller, keyId), (passphrase) =>
      addKeyslot(path, passphrase, backup),
    );
    await forge(path, (metadata) => {
      metadata.tokens["5"] = { type: "systemd-tpm2", keyslots: ["1"] };
      Object.assign(metadata, {
        config: {
          ...(metadata as unknown as { config: object }).config,
          flags: ["allow-discards"],
        },
      });
    });
    assert.equal((await verifyVolume(volumes, path)).layoutRecord, "recorded");
  });

  describe("by its owner", () => {
    it("is accepted once the key has opened it, and says what changes", async () => {
      const { id } = await create();
      await backupVolumeHeader(volumes, path, join(directory, "header"));
      await forge(path, serpent);
      const foreseen = await acceptVolumeHeader(volumes, path, { dryRun: true });
      assert.deepEqual(
        foreseen.changes.map(({ field, recorded: was, found }) => [field, was, found]).slice(0, 1),
        [["cipher", "aes-xts-plain64", "serpent-xts-plain64"]],
      );
      await assert.rejects(verifyVolume(volumes, path), { code: "integrity" });
      assert.deepEqual(await acceptVolumeHeader(volumes, path), foreseen);
      assert.equal((await verifyVolume(volumes, path)).layoutRecord, "recorded");
      const record = await ledger.volume(id);
      assert.deepEqual(
        [record?.cipher, record?.headerBackup, record?.state],
        ["serpent-xts-plain64", undefined, "ready"],
      );
      assert.deepEqual((await acceptVolumeHeader(volumes, path)).changes, []);
    });

    it("can be accepted while a rekey waits for it, which recover then finishes", async () => {
      await create();
      let isForged = false;
      const overtaken: VolumeContext = {
        ...volumes,
        onStep: ({ step, moment }) => {
          if (step !== "retire the old key slots" || moment !== "taking") return;
          isForged = true;
          throw new Error("cut");
        },
      };
      await assert.rejects(rekeyVolume(overtaken, path), { code: "unfinished" });
      assert.ok(isForged);
      await forge(path, serpent);
      const [failed] = await recover(volumes);
      assert.deepEqual([failed?.outcome, /cipher/.test(failed?.problem ?? "")], ["failed", true]);
      await assert.rejects(verifyVolume(volumes, path), { code: "unfinished" });
      await acceptVolumeHeader(volumes, path);
      assert.equal((await recover(volumes))[0]?.outcome, "finished");
      assert.equal((await verifyVolume(volumes, path)).layoutRecord, "recorded");
    });

    it("is not accepted if the volume's key does not open it, or the ledger has no volume there", async () => {
      await create();
      await rm(path);
      const made = await createVolume(volumes, { path: other, sizeBytes });
      await assert.rejects(acceptVolumeHeader(volumes, join(directory, "third.img")), {
        code: "not_found",
      });
      await copyFile(other, path);
      await assert.rejects(acceptVolumeHeader(volumes, path), { code: "mismatch" });
      await forge(path, () => undefined, (await ledger.volumeAt(path))?.id);
      await assert.rejects(acceptVolumeHeader(volumes, path), { code: "wrong_passphrase" });
      assert.equal((await verifyVolume(volumes, other)).id, made.id);
    });
  });

  describe("in a ledger from before", () => {
    it("is recorded by the first open that the key proves, and compared from then on", async () => {
      await create();
      const layout = await recorded();
      forgetLayouts();
      assert.equal((await verifyVolume(volumes, path)).layoutRecord, "missing");
      const [listed] = await verifyVolumes(volumes);
      assert.deepEqual([listed?.outcome, listed?.layoutRecord], ["done", "missing"]);
      const types = async () => (await reconcile(volumes)).map(({ type }) => type);
      assert.deepEqual(await types(), ["unrecorded_header"]);
      assert.equal(await recorded(), undefined);
      await withVolumeData(volumes, path, async () => undefined);
      assert.deepEqual(await recorded(), layout);
      assert.deepEqual(await types(), ["ok"]);
      await forge(path, serpent);
      await assert.rejects(verifyVolume(volumes, path), { code: "integrity" });
    });

    it("does not take a header of another format or cipher for the volume's", async () => {
      await create();
      forgetLayouts();
      await forge(path, serpent);
      await assert.rejects(verifyVolume(volumes, path), {
        code: "integrity",
        message: /cipher is serpent-xts-plain64, not aes-xts-plain64/,
      });
      const database = new DatabaseSync(join(directory, "ledger.sqlite"));
      database.exec("UPDATE volumes SET format = 'plain', kind = 'disk'");
      database.close();
      await assert.rejects(
        withVolumeData(volumes, path, async () => undefined),
        {
          code: "integrity",
          message: /format is luks2, not plain/,
        },
      );
    });

    it("is recorded by whatever changes the volume", async () => {
      const changes: readonly (() => Promise<unknown>)[] = [
        () => rekeyVolume(volumes, path),
        () => reencryptVolume(volumes, path),
        () => resizeVolume(volumes, path, { sizeBytes: 8 * mebibyte }),
        () => backupVolumeHeader(volumes, path, join(directory, "header")),
        () => restoreVolumeHeader(volumes, path),
        () => acceptVolumeHeader(volumes, path),
      ];
      await create();
      for (const change of changes) {
        forgetLayouts();
        await change();
        assert.equal((await verifyVolume(volumes, path)).layoutRecord, "recorded");
      }
    });

    it("is not recorded by an open with a key that does not open it", async () => {
      const { keyId } = await create();
      forgetLayouts();
      const another = await keyManager.createKey(caller, { algorithm: "aes", bitLength: 256 });
      const wrong = new Proxy(keyManager, {
        get: (target, name) =>
          name === "get"
            ? () => target.get(caller, another)
            : (Reflect.get(target, name) as unknown),
      });
      const opened = withVolumeData({ ...volumes, keyManager: wrong }, path, async () => undefined);
      await assert.rejects(opened, { code: "wrong_key", message: new RegExp(keyId) });
      assert.equal(await recorded(), undefined);
    });

    it("opens while another process works on the volume, and is recorded by the next open", async () => {
      const { id } = await create();
      forgetLayouts();
      const lock = await ledger.lock(id);
      await withVolumeData(volumes, path, async () => undefined);
      assert.equal(await recorded(), undefined);
      await lock.release();
      await withVolumeData(volumes, path, async () => undefined);
      assert.notEqual(await recorded(), undefined);
    });
  });

  it("is not a change of ours that was cut: recover finishes it, and the volume opens", async () => {
    await create();
    const before = await recorded();
    const cut = {
      ...volumes,
      onStep: ({ step, moment }: { readonly step: string; readonly moment: string }) => {
        if (step === "name the key on the disk" && moment === "taken") throw new Error("cut");
      },
    };
    await assert.rejects(reencryptVolume(cut, path), { code: "unfinished" });
    await assert.rejects(verifyVolume(volumes, path), { code: "unfinished" });
    assert.equal((await recover(volumes))[0]?.outcome, "finished");
    assert.equal((await verifyVolume(volumes, path)).layoutRecord, "recorded");
    const { digest, ...unchanged } = (await recorded()) ?? assert.fail();
    const { digest: old, ...same } = before ?? assert.fail();
    assert.deepEqual(unchanged, same);
    assert.notEqual(digest, old);
  });

  it("keeps its layout through a rekey", async () => {
    await create();
    const before = await recorded();
    const { keyId } = await rekeyVolume(volumes, path);
    assert.deepEqual(await recorded(), before);
    assert.equal((await ledger.volumeAt(path))?.keyId, keyId satisfies ObjectId);
    assert.equal((await readLuks(path)).keyslots.length, 1);
  });
});
