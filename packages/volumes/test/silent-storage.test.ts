import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, renameSync, rmSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { MemoryKeyManager, type ProjectCaller } from "@chatelaine/keys";
import { storageOf } from "../src/engine/storage.ts";
import {
  backupVolumeHeader,
  createVolume,
  type Ledger,
  openLedger,
  recover,
  rekeyVolume,
  type VolumeContext,
  verifyVolume,
} from "../src/index.ts";

const caller: ProjectCaller = { type: "project", projectId: "a", userId: "alice" };
/** In memory where possible: syncs to a busy disk are slow. */
const scratch = existsSync("/dev/shm") ? "/dev/shm" : tmpdir();
const sizeBytes = 1024 * 1024;

const cutAfterCommit: VolumeContext["onStep"] = ({ step, moment }) => {
  if (step === "retire the old key slots" && moment === "taking") throw new Error("cut");
};

describe("an operation that is not finished, on storage that does not answer", () => {
  let directory: string;
  let silent: string;
  let other: string;
  let ledger: Ledger;
  let volumes: VolumeContext;

  beforeEach(async () => {
    directory = await mkdtemp(join(scratch, "chatelaine-silent-"));
    [silent, other] = [join(directory, "silent.img"), join(directory, "other.img")];
    ledger = openLedger({ path: join(directory, "ledger.sqlite") });
    const keyManager = new MemoryKeyManager({ warn: () => undefined });
    volumes = { keyManager, caller, ledger };
    for (const path of [silent, other]) await createVolume(volumes, { path, sizeBytes });
    await assert.rejects(rekeyVolume({ ...volumes, onStep: cutAfterCommit }, silent), {
      code: "unfinished",
    });
    renameSync(silent, `${silent}.away`);
    // Opening it waits for a writer, which never comes.
    execFileSync("mkfifo", [silent]);
  });
  afterEach(async () => {
    await ledger.close();
    await rm(directory, { recursive: true });
  });

  it("keeps no other volume waiting, and is finished once it answers", async () => {
    await rekeyVolume(volumes, other);
    const [failed] = await recover(volumes);
    assert.equal(failed?.outcome, "failed");
    assert.match(
      failed.problem ?? "",
      /^recover change-key: \S*silent\.img: its storage does not answer .* then run "chatelaine recover"$/,
    );
    rmSync(silent);
    renameSync(`${silent}.away`, silent);
    assert.equal((await recover(volumes))[0]?.outcome, "finished");
    await verifyVolume(volumes, silent);
  });

  it("is what a command on that volume says, instead of waiting for it", async () => {
    const refusal = { code: "io", message: /silent\.img: its storage does not answer/ };
    await assert.rejects(rekeyVolume(volumes, silent), refusal);
    await assert.rejects(backupVolumeHeader(volumes, silent, join(directory, "backup")), refusal);
    assert.equal((await ledger.unfinished()).length, 1);
  });
});

describe("the storage of an operation", () => {
  it("is each path that its input names", () => {
    const volume = { group: "vg", name: "lv" };
    const input = { location: "/a", journal: "/b", from: { location: "/c", keyId: "k" }, volume };
    assert.deepEqual(storageOf(input), ["/a", "/b", "/dev/vg/lv", "/c"]);
    assert.deepEqual(storageOf({ location: "/a", file: "/b" }), ["/a", "/b"]);
    // Of a resize, and of a row that another version wrote.
    assert.deepEqual(storageOf({ location: "/a", file: { before: 1, after: 2 } }), ["/a"]);
    assert.deepEqual(storageOf({ location: "relative", journal: 7, from: null }), []);
  });
});
