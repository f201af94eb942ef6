import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { copyFile, mkdtemp, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { MemoryKeyManager, type ObjectId, type ProjectCaller } from "@chatelaine/keys";
import {
  adoptVolume,
  backupVolumeHeader,
  cloneVolume,
  createVolume,
  decryptVolume,
  encryptVolume,
  importVolume,
  type Ledger,
  openLedger,
  openVolume,
  previewAdoption,
  qemuDisk,
  reencryptVolume,
  rekeyVolume,
  resizeVolume,
  restoreVolumeHeader,
  snapshotVolume,
  type VolumeContext,
  verifyVolume,
  withVolumeData,
} from "../src/index.ts";

const caller: ProjectCaller = { type: "project", projectId: "a", userId: "alice" };
const sizeBytes = 4096;

/** Counts how often the bytes of keys are fetched. */
class CountingKeyManager extends MemoryKeyManager {
  fetched = 0;

  override get(...call: Parameters<MemoryKeyManager["get"]>): ReturnType<MemoryKeyManager["get"]> {
    this.fetched++;
    return super.get(...call);
  }
}

describe("the keys of volumes", () => {
  let directory: string;
  let path: string;
  let keyManager: CountingKeyManager;
  let ledger: Ledger;
  let volumes: VolumeContext;

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), "chatelaine-fetched-"));
    path = join(directory, "volume.img");
    keyManager = new CountingKeyManager({ warn: () => {} });
    ledger = openLedger({ path: join(directory, "ledger.sqlite") });
    volumes = { keyManager, caller, ledger };
  });
  afterEach(async () => {
    await ledger.close();
    await rm(directory, { recursive: true });
  });

  const create = (options: object = {}) => createVolume(volumes, { path, sizeBytes, ...options });
  const lose = (keyId: ObjectId) => keyManager.delete(caller, keyId, { force: true });

  const verbs: Readonly<Record<string, (other: string) => Promise<unknown>>> = {
    open: () => openVolume(volumes, path),
    verify: () => verifyVolume(volumes, path),
    "read data of": () => withVolumeData(volumes, path, async () => undefined),
    rekey: () => rekeyVolume(volumes, path),
    "re-encrypt": () => reencryptVolume(volumes, path),
    decrypt: () => decryptVolume(volumes, path),
    resize: () => resizeVolume(volumes, path, { sizeBytes: 2 * sizeBytes }),
    clone: (other) => cloneVolume(volumes, path, { path: other }),
    snapshot: (other) => snapshotVolume(volumes, path, other),
    "back up the header of": (other) => backupVolumeHeader(volumes, path, other),
  };
  for (const [verb, act] of Object.entries(verbs))
    it(`cannot ${verb} a volume whose key is missing, and says missing_key`, async () => {
      const { keyId } = await create();
      const other = join(directory, "other.img");
      if (verb === "snapshot") await copyFile(path, other);
      await lose(keyId);
      await assert.rejects(act(other), { name: "VolumeError", code: "missing_key" });
    });

  it("cannot restore a header whose key is missing, and says missing_key", async () => {
    const { keyId } = await create();
    const backup = join(directory, "backup.luks");
    await backupVolumeHeader(volumes, path, backup);
    await lose(keyId);
    await assert.rejects(restoreVolumeHeader(volumes, path), { code: "missing_key" });
  });

  it("cannot present a LUKS1 volume to QEMU whose key is missing, and says missing_key", async () => {
    const { keyId } = await create({ format: "luks1" });
    await lose(keyId);
    await assert.rejects(qemuDisk(volumes, path), { code: "missing_key" });
  });

  it("cannot use a key that does not exist, and says missing_key", async () => {
    const keyId = randomUUID() as ObjectId;
    const raw = join(directory, "raw.img");
    await writeFile(raw, "");
    await truncate(raw, 1 << 20);
    await create();
    for (const act of [
      () => createVolume(volumes, { path: join(directory, "new.img"), sizeBytes, keyId }),
      () => encryptVolume(volumes, raw, { keyId }),
      () => rekeyVolume(volumes, path, { keyId }),
      () => adoptVolume({ ...volumes, ledger: ledgerOf("adopt") }, path, { keyId }),
      () => previewAdoption({ ...volumes, ledger: ledgerOf("preview") }, path, { keyId }),
      () => importVolume({ ...volumes, ledger: ledgerOf("import") }, path, keyId),
    ])
      await assert.rejects(act(), { name: "VolumeError", code: "missing_key" });
    for (const other of others.splice(0)) await other.close();
  });

  const others: Ledger[] = [];
  const ledgerOf = (name: string) => {
    const other = openLedger({ path: join(directory, `${name}.sqlite`) });
    others.push(other);
    return other;
  };

  it("are fetched once in a run, again before old key slots are erased, and for the proof at the end", async () => {
    const fetchedBy = async (act: () => Promise<unknown>) => {
      keyManager.fetched = 0;
      await act();
      return keyManager.fetched;
    };
    const keyId = await keyManager.createKey(caller, { algorithm: "aes", bitLength: 256 });
    assert.deepEqual(
      {
        create: await fetchedBy(() => create()),
        clone: await fetchedBy(() =>
          cloneVolume(volumes, path, { path: join(directory, "clone.img") }),
        ),
        // The old key, the new one, the new one again before the old slot is erased, and the proof at the end.
        rekey: await fetchedBy(() => rekeyVolume(volumes, path)),
        rekeyToOwn: await fetchedBy(() => rekeyVolume(volumes, path, { keyId })),
        verify: await fetchedBy(() => verifyVolume(volumes, path)),
      },
      { create: 2, clone: 4, rekey: 4, rekeyToOwn: 4, verify: 1 },
    );
  });
});
