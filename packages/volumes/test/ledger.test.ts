import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterEach, beforeEach, describe, it } from "node:test";
import { type Ledger, type OperationRecord, openLedger, type VolumeRecord } from "../src/index.ts";
import { isDead, thisProcess } from "../src/ledger/process-identity.ts";

describe("the SQLite ledger", () => {
  let directory: string;
  let path: string;
  let ledger: Ledger;

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), "chatelaine-ledger-"));
    path = join(directory, "made", "ledger.sqlite");
    ledger = openLedger({ path });
  });
  afterEach(async () => {
    await ledger.close();
    await rm(directory, { recursive: true });
  });

  it("gives back what was written, and after it was opened again", async () => {
    const [operation, volume] = [operationNamed("1"), volumeNamed("v", "/disks/v")];
    await ledger.write(operation, [{ type: "put", volume }]);
    await ledger.close();
    ledger = openLedger({ path });
    const { updated: _, ...written } = volume;
    const { updated: __, ...read } = (await ledger.volume("v")) as VolumeRecord;
    assert.deepEqual(read, written);
    assert.deepEqual((await ledger.volumeAt("/disks/v"))?.id, "v");
    assert.deepEqual((await ledger.operation("1"))?.input, operation.input);
    assert.deepEqual(await ledger.volume("w"), undefined);
  });

  it("is read by its owner alone", async () => {
    assert.equal((await stat(path)).mode & 0o777, 0o600);
    assert.equal((await stat(join(directory, "made"))).mode & 0o777, 0o700);
  });

  it("writes an operation and its changes all or not at all", async () => {
    await ledger.write(operationNamed("1"), [{ type: "put", volume: volumeNamed("v", "/a") }]);
    const second = ledger.write(operationNamed("2"), [
      { type: "remove", id: "v" },
      { type: "put", volume: volumeNamed("w", "/b") },
      { type: "put", volume: volumeNamed("x", "/b") },
    ]);
    await assert.rejects(second, { name: "VolumeError", code: "exists" });
    assert.deepEqual(
      (await ledger.volumes()).map(({ id }) => id),
      ["v"],
    );
    assert.equal(await ledger.operation("2"), undefined);
  });

  it("lists volumes by what is asked for, and the operations that are not finished", async () => {
    await ledger.write(operationNamed("1"), [
      { type: "put", volume: volumeNamed("v", "/a") },
      { type: "put", volume: { ...volumeNamed("w", "/b"), project: "other", parentId: "v" } },
    ]);
    await ledger.write({ ...operationNamed("2"), volumeId: "w", phase: "undoing" });
    await ledger.write({ ...operationNamed("3"), phase: "done" });
    const ids = async (filter: Parameters<Ledger["volumes"]>[0]) =>
      (await ledger.volumes(filter)).map(({ id }) => id);
    assert.deepEqual(await ids({ project: "other" }), ["w"]);
    assert.deepEqual(await ids({ parentId: "v" }), ["w"]);
    assert.deepEqual(await ids({ kind: "disk" }), []);
    assert.deepEqual(await ids({}), ["v", "w"]);
    const unfinished = async (id?: string) => (await ledger.unfinished(id)).map((one) => one.id);
    assert.deepEqual([await unfinished(), await unfinished("w")], [["1", "2"], ["2"]]);
  });

  it("lets one at a time work on a volume, in one process and in several", async () => {
    const other = openLedger({ path });
    const lock = await ledger.lock("v");
    await assert.rejects(ledger.lock("v"), { code: "busy" });
    await assert.rejects(other.lock("v"), { code: "busy" });
    await (await other.lock("w")).release();
    await lock.release();
    const next = await other.lock("v");
    await lock.release();
    await assert.rejects(ledger.lock("v"), { code: "busy" });
    await next.release();
    await other.close();
  });

  it("takes a lock over from a process that was killed, but not before", async () => {
    const program = `
      import { openLedger } from ${JSON.stringify(new URL("../src/index.ts", import.meta.url).href)};
      await openLedger({ path: process.argv[1] }).lock("v");
      console.log("locked");
      setInterval(() => {}, 1000);`;
    const holder = spawn(
      process.execPath,
      ["--input-type=module-typescript", "-e", program, path],
      {
        stdio: ["ignore", "pipe", "inherit"],
      },
    );
    await once(holder.stdout, "data");
    await assert.rejects(ledger.lock("v"), {
      code: "busy",
      message: new RegExp(`process ${holder.pid} `),
    });
    holder.kill("SIGKILL");
    await once(holder, "exit");
    await (await ledger.lock("v")).release();
  });

  it("refuses a ledger from a newer version, and one whose schema is another", async () => {
    await ledger.close();
    for (const change of [
      "INSERT INTO migrations VALUES (9999, 'future', 'x', 0)",
      "UPDATE migrations SET checksum = 'x' WHERE number = 1",
    ]) {
      const database = new DatabaseSync(path);
      database.exec(change);
      database.close();
      assert.throws(() => openLedger({ path }), { name: "VolumeError", code: "newer_ledger" });
    }
    path = join(directory, "another.sqlite");
    ledger = openLedger({ path });
  });

  it("names a file that is no ledger, and a misspelled option", () => {
    assert.throws(() => openLedger({ path: directory }), { name: "VolumeError", code: "io" });
    assert.throws(() => openLedger({ pat: "x" } as unknown as { path: string }), /did you mean/);
  });
});

describe("a process's identity", () => {
  const self = thisProcess();

  it("tells the living from the dead, and from another process with the same number", () => {
    assert.equal(isDead(self, self), false);
    assert.equal(isDead({ ...self, started: "1" }, self), true);
    assert.equal(isDead({ ...self, boot: "an earlier one" }, self), true);
  });

  it("presumes nobody dead whom it cannot see", () => {
    assert.equal(isDead({ ...self, machine: "elsewhere", boot: "x" }, self), false);
    assert.equal(isDead({ ...self, pidNamespace: "container", started: "1" }, self), false);
  });
});

function operationNamed(id: string): OperationRecord {
  return {
    id,
    kind: "create",
    volumeId: "v",
    project: "p",
    phase: "preparing",
    step: 0,
    input: { path: "/a" },
    facts: {},
    problem: undefined,
    created: new Date(Number(id)),
    updated: new Date(Number(id)),
  };
}

function volumeNamed(id: string, location: string): VolumeRecord {
  return {
    id,
    kind: "volume",
    project: "p",
    location,
    format: "luks2",
    cipher: "aes-xts-plain64",
    keyId: undefined,
    state: "creating",
    parentId: undefined,
    headerBackup: undefined,
    attributes: { instance: "i" },
    created: new Date(1000),
    updated: new Date(1000),
  };
}
