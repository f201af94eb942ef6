import assert from "node:assert/strict";
import { copyFile, mkdtemp, open, rename, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { MemoryKeyManager, type ObjectId, type ProjectCaller } from "@chatelaine/keys";
import {
  createVolume,
  type Ledger,
  openLedger,
  type ReconcileOptions,
  reconcile,
  type VolumeContext,
} from "../src/index.ts";

const caller: ProjectCaller = { type: "project", projectId: "a", userId: "alice" };
const day = 24 * 60 * 60 * 1000;

describe("reconcile", () => {
  let directory: string;
  let path: string;
  let keyManager: MemoryKeyManager;
  let ledger: Ledger;
  let now: number;
  let volumes: VolumeContext;

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), "chatelaine-reconcile-"));
    path = join(directory, "volume.img");
    now = Date.now();
    keyManager = new MemoryKeyManager({ warn: () => {}, now: () => new Date(now) });
    ledger = openLedger({ path: join(directory, "ledger.sqlite") });
    volumes = { keyManager, caller, ledger, now: () => new Date(now) };
  });
  afterEach(async () => {
    await ledger.close();
    await rm(directory, { recursive: true });
  });

  const create = (options: { keyId?: ObjectId; at?: string } = {}) =>
    createVolume(volumes, { path: options.at ?? path, sizeBytes: 4096, keyId: options.keyId });
  const found = async (options?: ReconcileOptions) =>
    (await reconcile(volumes, options)).map(({ type, action }) => `${type} ${action}`);
  const orphan = () =>
    keyManager.createKey(caller, {
      algorithm: "aes",
      bitLength: 256,
      name: `volume-${crypto.randomUUID()}-${crypto.randomUUID()}`,
    });

  it("finds nothing wrong where nothing is, and leaves other people's keys alone", async () => {
    await create();
    await keyManager.createKey(caller, {
      algorithm: "aes",
      bitLength: 256,
      name: "a web server's",
    });
    assert.deepEqual(await found({ apply: true, quarantineMs: 0 }), ["ok none"]);
    assert.equal((await Array.fromAsync(keyManager.list(caller))).length, 2);
  });

  it("tells an orphan from a live key, and deletes it only after a quarantine", async () => {
    const { keyId } = await create();
    const lost = await orphan();
    assert.deepEqual(await found(), ["ok none", "orphan_key none"]);
    assert.deepEqual(await found({ apply: true }), ["ok none", "orphan_key quarantined"]);
    now += 6 * day;
    assert.deepEqual(await found({ apply: true }), ["ok none", "orphan_key quarantined"]);
    now += 2 * day;
    assert.deepEqual(await found(), ["ok none", "orphan_key none"]);
    assert.deepEqual(await found({ apply: true }), ["ok none", "orphan_key deleted"]);
    await assert.rejects(keyManager.describe(caller, lost), { code: "not_found" });
    await keyManager.describe(caller, keyId);
  });

  it("begins the quarantine anew for a key that was needed in between", async () => {
    const lost = await orphan();
    await found({ apply: true });
    now += 8 * day;
    const consumer = { service: "image", resourceType: "image", resourceId: "i" };
    await keyManager.addConsumer(caller, lost, consumer);
    assert.deepEqual(await found({ apply: true }), []);
    await keyManager.removeConsumer(caller, lost, consumer);
    now += day;
    assert.deepEqual(await found({ apply: true }), ["orphan_key quarantined"]);
  });

  it("names a volume whose key is gone, and one whose disk is gone or another", async () => {
    const { keyId } = await create();
    await keyManager.delete(caller, keyId, { force: true });
    assert.deepEqual(await found(), ["missing_key none"]);
    await rename(path, `${path}.moved`);
    assert.deepEqual(await found(), ["missing_disk none", "missing_key none"]);
    const other = join(directory, "other.img");
    await create({ at: other });
    await copyFile(other, path);
    const first = (await reconcile(volumes)).find(({ location }) => location === path);
    assert.match(first?.detail ?? "", /the disk there is volume/);
  });

  it("names a key that nobody protects, and registers its volume", async () => {
    const { keyId, id } = await create();
    await keyManager.removeConsumer(caller, keyId, {
      service: "volume",
      resourceType: "volume",
      resourceId: id,
    });
    assert.deepEqual(await found(), ["unprotected_key none"]);
    assert.deepEqual(await found({ apply: true }), ["unprotected_key registered"]);
    assert.deepEqual(await found(), ["ok none"]);
  });

  it("names keys that expire and keys that are shared", async () => {
    const spec = { algorithm: "aes", bitLength: 256, expiration: new Date(now + 10 * day) };
    const keyId = await keyManager.createKey(caller, spec);
    await create({ keyId });
    assert.deepEqual(await found(), ["expiring_key none"]);
    assert.deepEqual(await found({ expiringMs: day }), ["ok none"]);
    await create({ keyId, at: join(directory, "second.img") });
    assert.deepEqual(await found({ expiringMs: day }), ["shared_key none", "shared_key none"]);
  });

  it("never takes the key of a volume in another host's ledger for an orphan", async () => {
    await create();
    await ledger.close();
    ledger = openLedger({ path: join(directory, "other-host.sqlite") });
    volumes = { ...volumes, ledger };
    assert.deepEqual(await found({ apply: true, quarantineMs: 0 }), ["stale_consumer none"]);
  });

  it("never takes the key of a disk that it was shown for an orphan", async () => {
    const { id } = await create();
    await ledger.close();
    ledger = openLedger({ path: join(directory, "new-ledger.sqlite") });
    volumes = { ...volumes, ledger };
    const disks = [path];
    assert.deepEqual(await found({ disks, apply: true, quarantineMs: 0 }), ["unknown_disk none"]);
    assert.equal((await reconcile(volumes, { disks }))[0]?.volumeId, id);
  });

  it("keeps every orphan while it was shown a disk that nobody can read, and names that disk", async () => {
    const damaged = join(directory, "damaged.img");
    await create({ at: damaged });
    const file = await open(damaged, "r+");
    for (const copy of [0, 0x4000]) await file.write(Buffer.from("noise"), 0, 5, copy + 0x1100);
    await file.close();
    await ledger.close();
    ledger = openLedger({ path: join(directory, "new-ledger.sqlite") });
    volumes = { ...volumes, ledger };
    const lost = await orphan();
    const disks = [damaged, join(directory, "volume.img")];
    await create();
    const [, first, , second] = await reconcile(volumes, { disks, apply: true, quarantineMs: 0 });
    assert.deepEqual([first?.type, first?.location], ["unknown_disk", damaged]);
    assert.match(second?.detail ?? "", /kept while one of the disks cannot be read/);
    await keyManager.describe(caller, lost);
    assert.ok((await found({ apply: true, quarantineMs: 0 })).includes("orphan_key deleted"));
  });
});
