import assert from "node:assert/strict";
import { join } from "node:path";
import { describe, it, type TestContext } from "node:test";
import { LegacyChain } from "../src/audit/chain/legacy-chain.ts";
import { auditKeys } from "../src/audit/open-audit.ts";
import { auditLine } from "../src/model/audit-entry.ts";
import { isServerError } from "../src/model/server-error.ts";
import { type AuditScene, sceneOn } from "./support/audit-scene.ts";
import { temporaryFolder } from "./support/harness.ts";
import { layOutOldDatabase, notedBy2da0dde, openOldDatabase } from "./support/old-audit.ts";
import { insertEntry, tamper } from "./support/tamper.ts";

/** As at the first start on SQLite, and for `server tag-rows`. */
const mayUpgrade = { rowTags: { untaggedRows: "tag" } };

/** A database of commit 2da0dde; `before` is done to it before this version first opens it. */
async function upgraded(
  t: TestContext,
  ...before: readonly string[]
): Promise<AuditScene & { readonly reopen: (parts?: object) => Promise<AuditScene> }> {
  const folder = temporaryFolder(t);
  const rootKeys = await layOutOldDatabase(folder);
  let store = await openOldDatabase(folder);
  t.after(() => store.close());
  for (const sql of before) await store.write(tamper, { sql, args: [] });
  const scene = await sceneOn(store, folder, { rootKeys, parts: mayUpgrade });
  return {
    ...scene,
    async reopen(parts = {}) {
      await store.close();
      store = await openOldDatabase(folder);
      return sceneOn(store, folder, { rootKeys, parts });
    },
  };
}

describe("an audit record that commit 2da0dde wrote", () => {
  it("stays authentic after the upgrade, with what was noted before, and goes on", async (t) => {
    const scene = await upgraded(t);
    const before = await scene.verify(notedBy2da0dde);
    assert.deepEqual([before.entries, before.broken, before.missing], [7, [], []]);
    await scene.write(3);
    const again = await scene.reopen();
    await again.write(2);
    const report = await again.verify(notedBy2da0dde);
    assert.deepEqual([report.entries, report.broken, report.missing], [12, [], []]);
  });

  it("can be sealed, exported and removed, each format in segments of its own", async (t) => {
    const scene = await upgraded(t);
    await scene.write(3);
    await scene.command("audit seal");
    const segments = await scene.look<object>(
      "SELECT format, first_sequence, last_sequence FROM audit_segments",
    );
    assert.deepEqual(
      segments.map((row) => Object.values(row) as number[]),
      [
        [1, 1, 7],
        [2, 8, 10],
      ],
    );
    const file = join(scene.folder, "archive.jsonl");
    await scene.command("audit export", file);
    await scene.command("audit remove");
    const report = await scene.verify(notedBy2da0dde, file);
    assert.deepEqual([report.broken, report.missing, report.files, report.gaps], [[], [], [], []]);
  });

  it("does not accept a chain of the old format that was copied after the upgrade", async (t) => {
    const scene = await upgraded(t);
    await scene.attack(
      "INSERT INTO audit SELECT 'node-2', sequence, line, mac FROM audit WHERE sequence <= 7",
    );
    assert.deepEqual((await scene.verify()).broken, [
      { chain: "node-2", sequence: 1, reason: "an entry in the old format after the upgrade" },
    ]);
    assert.equal((await (await scene.reopen()).verify()).broken.length, 1);
  });

  it("finds a chain of the old format that was copied before the upgrade", async (t) => {
    const scene = await upgraded(
      t,
      "INSERT INTO audit SELECT 'node-2', sequence, line, mac FROM audit",
    );
    const { broken } = await scene.verify();
    assert.deepEqual(broken, [
      { chain: "node-2", sequence: 1, reason: "the same entries as in chain main" },
    ]);
  });

  it("does not accept an authentic entry of the old format after the upgrade", async (t) => {
    const scene = await upgraded(t);
    const keys = await auditKeys(scene.store, await layOutOldDatabase(temporaryFolder(t)));
    const [last] = await scene.look<{ readonly mac: Uint8Array }>(
      "SELECT mac FROM audit WHERE sequence = 7",
    );
    const chain = new LegacyChain(keys.legacy ?? new Uint8Array(), {
      sequence: 7,
      mac: last?.mac ?? new Uint8Array(),
    });
    const line = auditLine({
      at: "2026-12-01T00:00:00.000000",
      requestId: "req",
      userId: "u",
      projectId: "p",
      action: "a",
      outcome: "ok",
    });
    const mac = chain.add(line);
    await scene.store.write(insertEntry, { chain: "main", sequence: 8, line, mac });
    assert.deepEqual((await scene.verify()).broken, [
      { chain: "main", sequence: 8, reason: "an entry in the old format after the upgrade" },
    ]);
  });

  it("does not go back to the old format when all of the new one is deleted", async (t) => {
    const scene = await upgraded(t);
    await scene.write(2);
    await scene.attack(
      "DELETE FROM audit WHERE sequence > 7",
      "DELETE FROM audit_upgrades",
      "DELETE FROM system_keys WHERE name = 'audit-2'",
      "INSERT INTO audit SELECT 'node-2', sequence, line, mac FROM audit",
    );
    await assert.rejects(
      scene.reopen(),
      (error) => isServerError(error, "untagged_rows") && /tag-rows/.test(error.message),
    );
    // What the message says to do, for an administrator who put back an old backup.
    await scene.reopen(mayUpgrade);
  });

  for (const [what, statement] of [
    ["a tail from before the upgrade that is missing", "DELETE FROM audit WHERE sequence > 4"],
    ["a point of upgrade that was taken away", "DELETE FROM audit_upgrades"],
    ["a point of upgrade of another chain", "UPDATE audit_upgrades SET chain = 'node-2'"],
    ["a later point of upgrade", "UPDATE audit_upgrades SET last_sequence = 9"],
    [
      "a chain whose old part was put before another's new part",
      "UPDATE audit SET chain = 'node-2' WHERE sequence > 7",
    ],
  ] as const)
    it(`does not accept ${what}`, async (t) => {
      const scene = await upgraded(t);
      await scene.write(2);
      await scene.attack(statement);
      assert.ok((await scene.verify()).broken.length > 0);
    });
});
