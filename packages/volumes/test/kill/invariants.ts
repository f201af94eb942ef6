import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { open, readdir, readFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { type MemoryKeyManager, type ObjectId, tracksConsumers } from "@chatelaine/keys";
import { readLuks, unlock, withOpenDisk } from "@chatelaine/luks";
import { type Ledger, type VolumeRecord, verifyVolume } from "../../src/index.ts";
import { lendPassphrase } from "../../src/key/passphrase.ts";
import { alice, bob, bytesOf, type Scenario } from "./scenarios.ts";

/** What must be so whenever nothing is under way. */
export interface World {
  readonly keyManager: MemoryKeyManager;
  readonly ledger: Ledger;
  readonly directory: string;
  /** The user's own, which must be there. */
  readonly userKeys: readonly ObjectId[];
  /** Disks that no volume is made of yet. */
  readonly foreignDisks: readonly string[];
  readonly foreignSlots: number;
  readonly mayStay: readonly string[];
}

/** @throws AssertionError that says which invariant is violated */
export async function checkInvariants(world: World): Promise<void> {
  const { ledger, keyManager, directory } = world;
  assert.deepEqual(await ledger.unfinished(), [], "an operation is unfinished");
  const volumes = await ledger.volumes();
  for (const volume of volumes) await checkVolume(world, volume);

  const files = (await readdir(directory)).filter(
    (name) => name !== "state" && !world.mayStay.includes(name),
  );
  const expected = volumes
    .map(({ location }) => location)
    .filter((location) => !world.mayStay.includes(basename(location)));
  assert.deepEqual(
    files.map((name) => join(directory, name)).toSorted(),
    [...new Set([...expected, ...world.foreignDisks])].toSorted(),
    "a file without volume, or a volume without file",
  );

  assert.ok(tracksConsumers(keyManager));
  const named = new Set(volumes.map(({ keyId }) => keyId));
  for (const caller of [alice, bob]) {
    for await (const { id, consumers } of keyManager.list(caller)) {
      assert.ok(named.has(id) || world.userKeys.includes(id), `orphan key ${id}`);
      for (const { resourceId } of consumers) {
        const consumer = volumes.find((volume) => volume.id === resourceId);
        assert.equal(consumer?.keyId, id, `key ${id} has a consumer without volume`);
      }
    }
  }
  for (const id of world.userKeys) await keyManager.describe(alice, id);
}

async function checkVolume(world: World, volume: VolumeRecord): Promise<void> {
  assert.equal(volume.state, "ready");
  const caller = volume.project === "b" ? bob : alice;
  const keyId = volume.keyId as ObjectId;
  const key = await world.keyManager.get(caller, keyId);
  assert.ok(
    key.consumers.some(({ resourceId }) => resourceId === volume.id),
    "the volume is no consumer of its key",
  );
  const { slot } = await lendPassphrase(key, (passphrase) => unlock(volume.location, passphrase));
  const { keyManager, ledger } = world;
  const { layoutRecord } = await verifyVolume({ keyManager, caller, ledger }, volume.location);
  assert.equal(layoutRecord, "recorded", "the ledger does not know the header");
  const header = await readLuks(volume.location);
  assert.equal(header.uuid, volume.kind === "snapshot" ? volume.parentId : volume.id);
  assert.equal(header.keyslots.length, 1 + world.foreignSlots, "a slot too many");
  // A snapshot names the volume's key; the ledger has its own.
  if (header.version === 1 || volume.kind === "snapshot") return;
  assert.deepEqual(
    header.tokens.map(({ token }) => [token["object"], token.keyslots]),
    [[keyId, [String(slot)]]],
    "the disk names another key than the ledger",
  );
}

/** Of a disk's data as it must stay: encrypted, unless the scenario encrypts it otherwise. */
export async function fingerprint(
  { ledger, keyManager }: Pick<World, "ledger" | "keyManager">,
  path: string,
  { changesCiphertext = false, dataBytes }: Pick<Scenario, "changesCiphertext" | "dataBytes">,
): Promise<string> {
  const volume = await ledger.volumeAt(path);
  if (!changesCiphertext) return fingerprintOfCiphertext(path, dataBytes);
  const hash = createHash("sha256");
  if (volume?.keyId === undefined) return hash.update(await readFile(path)).digest("hex");
  const key = await keyManager.get(volume.project === "b" ? bob : alice, volume.keyId);
  await lendPassphrase(key, (passphrase) =>
    withOpenDisk(path, passphrase, async (disk) => {
      const bytes = Buffer.alloc(disk.size);
      await disk.read(0, bytes);
      hash.update(bytes);
    }),
  );
  return hash.digest("hex");
}

/** Unchanged while the volume key is. */
async function fingerprintOfCiphertext(path: string, dataBytes?: number): Promise<string> {
  const { dataOffset, digests } = await readLuks(path);
  const file = await open(path, "r");
  try {
    const hash = createHash("sha256").update(JSON.stringify([dataOffset, digests.length]));
    const bytes = Buffer.alloc(dataBytes ?? (await bytesOf(path)) - dataOffset);
    await file.read(bytes, 0, bytes.length, dataOffset);
    return hash.update(bytes).digest("hex");
  } finally {
    await file.close();
  }
}
