import assert from "node:assert/strict";
import { copyFile, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { MemoryKeyManager, type ProjectCaller } from "@chatelaine/keys";
import {
  createVolume,
  type Ledger,
  openLedger,
  rekeyVolumes,
  snapshotVolume,
  type VolumeContext,
  verifyVolume,
  volumeFilter,
} from "../src/index.ts";

const alice: ProjectCaller = { type: "project", projectId: "a", userId: "alice" };
const bob: ProjectCaller = { type: "project", projectId: "b", userId: "bob" };

describe("another key for many volumes", () => {
  let directory: string;
  let ledger: Ledger;
  let volumes: VolumeContext;
  let theirs: VolumeContext;

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), "chatelaine-bulk-"));
    ledger = openLedger({ path: join(directory, "ledger.sqlite") });
    const keyManager = new MemoryKeyManager({ warn: () => {} });
    volumes = { keyManager, caller: alice, ledger };
    theirs = { keyManager, caller: bob, ledger };
  });
  afterEach(async () => {
    await ledger.close();
    await rm(directory, { recursive: true });
  });

  const pathOf = (name: string) => join(directory, `${name}.img`);
  const make = (name: string, context = volumes) =>
    createVolume(context, { path: pathOf(name), sizeBytes: 4096 });

  it("changes the keys of one project's volumes, all at once, and nobody else's", async () => {
    const before = [];
    for (const name of ["1", "2", "3", "4", "5"]) before.push(await make(name));
    const other = await make("other", theirs);
    const told: string[] = [];
    const results = await rekeyVolumes(volumes, {
      concurrency: 3,
      onResult: ({ location }) => told.push(location),
    });
    assert.deepEqual(
      results.map(({ id, outcome, oldKeyId, oldKeyDeleted }) => [
        id,
        outcome,
        oldKeyId,
        oldKeyDeleted,
      ]),
      before.map(({ id, keyId }) => [id, "done", keyId, true]),
    );
    assert.equal(told.length, 5);
    for (const { location, keyId } of results) {
      assert.equal((await verifyVolume(volumes, location)).keyId, keyId);
    }
    assert.equal((await Array.fromAsync(volumes.keyManager.list(alice))).length, 5);
    assert.equal((await verifyVolume(theirs, pathOf("other"))).keyId, other.keyId);
  });

  it("begins no more once too many have failed, and says which have not changed", async () => {
    for (const name of ["1", "2", "3", "4"]) await make(name);
    await rm(pathOf("1"));
    await writeFile(pathOf("2"), "no volume any more");
    assert.deepEqual(await outcomesOf(volumes, 0), [
      "failed",
      "not_begun",
      "not_begun",
      "not_begun",
    ]);
    assert.deepEqual(await outcomesOf(volumes, 1), ["failed", "failed", "not_begun", "not_begun"]);
    assert.deepEqual(await outcomesOf(volumes, 2), ["failed", "failed", "done", "done"]);
  });

  it("names what it cannot change, and on a dry run changes nothing", async () => {
    const made = await make("1");
    await copyFile(pathOf("1"), pathOf("snapshot"));
    await snapshotVolume(volumes, pathOf("1"), pathOf("snapshot"));
    const results = await rekeyVolumes(volumes, { dryRun: true });
    assert.deepEqual(
      results.map(({ location, outcome }) => [location, outcome]),
      [
        [pathOf("1"), "selected"],
        [pathOf("snapshot"), "impossible"],
      ],
    );
    assert.equal((await verifyVolume(volumes, pathOf("1"))).keyId, made.keyId);
  });

  it("takes a choice of volumes", async () => {
    const first = await make("first");
    await make("second");
    assert.deepEqual(await locationsOf(volumes, `location=${directory}/f*.img`), [pathOf("first")]);
    assert.deepEqual(await locationsOf(volumes, `key=${first.keyId}`), [pathOf("first")]);
    assert.deepEqual(await locationsOf(volumes, "format=luks1"), []);
    assert.deepEqual(await locationsOf(volumes, "format=luks2", `location=${pathOf("second")}`), [
      pathOf("second"),
    ]);
    assert.equal((await locationsOf(volumes, "unchanged-since=2000-01-01")).length, 0);
    assert.equal((await locationsOf(volumes, "unchanged-since=2100-01-01")).length, 2);
    for (const word of [
      "colour=red",
      "location",
      "key=",
      "unchanged-since=soon",
      "constructor=1",
    ]) {
      assert.throws(() => volumeFilter([word]), { code: "invalid_argument" });
    }
  });

  it("needs credentials for the project", async () => {
    await assert.rejects(() => rekeyVolumes(volumes, { project: "b" }), { code: "forbidden" });
    await make("theirs", theirs);
    const granted = { ...volumes, callerOf: () => bob };
    const [result] = await rekeyVolumes(granted, { project: "b" });
    assert.equal(result?.outcome, "done");
    assert.equal((await verifyVolume(theirs, pathOf("theirs"))).keyId, result?.keyId);
  });
});

async function locationsOf(volumes: VolumeContext, ...words: readonly string[]): Promise<string[]> {
  const results = await rekeyVolumes(volumes, { filter: volumeFilter(words), dryRun: true });
  return results.map(({ location }) => location);
}

async function outcomesOf(volumes: VolumeContext, maxErrors: number): Promise<string[]> {
  const results = await rekeyVolumes(volumes, { concurrency: 1, maxErrors });
  return results.map(({ outcome }) => outcome);
}
