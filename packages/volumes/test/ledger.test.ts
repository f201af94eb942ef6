import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { describe, it } from "node:test";
import { keepsTheLedgerPromises } from "../src/conformance/index.ts";
import { openLedger } from "../src/index.ts";
import { fateOf, isDead, thisProcess } from "../src/ledger/process-identity.ts";

keepsTheLedgerPromises("the SQLite ledger", async () => {
  const directory = await mkdtemp(join(tmpdir(), "chatelaine-ledger-"));
  const path = join(directory, "made", "ledger.sqlite");
  return {
    open: async () => openLedger({ path }),
    tamper: async (sql) => {
      const database = new DatabaseSync(path);
      database.exec(sql);
      database.close();
    },
    elsewhere: { module: new URL("open-sqlite-ledger.ts", import.meta.url), argument: path },
    remove: () => rm(directory, { recursive: true }),
  };
});

describe("the SQLite ledger's file", () => {
  it("is read by its owner alone", async () => {
    const directory = await mkdtemp(join(tmpdir(), "chatelaine-ledger-"));
    const path = join(directory, "made", "ledger.sqlite");
    await openLedger({ path }).close();
    assert.equal((await stat(path)).mode & 0o777, 0o600);
    assert.equal((await stat(join(directory, "made"))).mode & 0o777, 0o700);
    await rm(directory, { recursive: true });
  });

  it("is not written over if it is a short file of something else", async () => {
    const directory = await mkdtemp(join(tmpdir(), "chatelaine-ledger-"));
    const path = join(directory, "notes");
    await writeFile(path, "a note");
    assert.throws(() => openLedger({ path }), {
      name: "VolumeError",
      message: `open ledger ${path}: the file is not a ledger; name another one with --ledger`,
    });
    assert.equal(await readFile(path, "utf8"), "a note");
    await rm(directory, { recursive: true });
  });

  it("is named if it is no ledger, and a misspelled option is, too", () => {
    assert.throws(() => openLedger({ path: tmpdir() }), { name: "VolumeError", code: "io" });
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

  it("says of a process of any machine what is certain", () => {
    assert.equal(fateOf(self, self), "alive");
    assert.equal(fateOf({ ...self, started: "1" }, self), "dead");
    // Two machines made from one image have one machine id.
    assert.equal(fateOf({ ...self, boot: "of a twin" }, self), "unseen");
    assert.equal(fateOf({ ...self, boot: "" }, { ...self, boot: "" }), "unseen");
    assert.equal(fateOf({ ...self, pidNamespace: "container", started: "1" }, self), "unseen");
  });
});
