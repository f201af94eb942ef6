import assert from "node:assert/strict";
import { join } from "node:path";
import { describe, it } from "node:test";
import { auditScene } from "./support/audit-scene.ts";
import { storeKind } from "./support/test-store.ts";

/** What somebody does who can write the database, and has no key. */
describe(`an audit record in ${storeKind}`, () => {
  for (const [what, ...statements] of [
    [
      "a copied audit chain under another node's name",
      "INSERT INTO audit SELECT 'node-2', sequence, line, mac FROM audit WHERE chain = 'CHAIN'",
    ],
    [
      "the beginning of an audit chain under another node's name",
      "INSERT INTO audit SELECT 'node-2', sequence, line, mac FROM audit WHERE chain = 'CHAIN' AND sequence < 3",
    ],
    [
      "an audit chain that was given another name",
      "UPDATE audit SET chain = 'node-2' WHERE chain = 'CHAIN'",
    ],
    [
      "an invented entry before the first one",
      "INSERT INTO audit SELECT chain, 0, line, mac FROM audit WHERE chain = 'CHAIN' AND sequence = 1",
    ],
    [
      "an invented entry with a negative number",
      "INSERT INTO audit SELECT chain, -7, line, mac FROM audit WHERE chain = 'CHAIN' AND sequence = 1",
    ],
    [
      "an invented entry with a number that is too large",
      "INSERT INTO audit SELECT chain, 9007199254740993, line, mac FROM audit WHERE chain = 'CHAIN' AND sequence = 1",
    ],
  ] as const)
    it(`does not accept ${what}`, async (t) => {
      const scene = await auditScene(t);
      await scene.write(5);
      const before = await scene.verify();
      assert.deepEqual([before.broken, before.missing], [[], []]);
      const chain = await scene.chain();
      await scene.attack(...statements.map((sql) => sql.replaceAll("CHAIN", chain)));
      const after = await scene.verify();
      assert.equal(after.broken.length, 1);
    });

  it("does not accept older rows of its segments in the place of newer ones, where entries are gone", async (t) => {
    const scene = await auditScene(t);
    await scene.write(3);
    await scene.command("audit seal");
    await scene.attack("CREATE TABLE sealed_rows AS SELECT * FROM audit_segments");
    const putBack = (rows: string) =>
      scene.attack(
        "DELETE FROM audit_segments",
        `INSERT INTO audit_segments SELECT * FROM ${rows}`,
      );
    await scene.command("audit export", join(scene.folder, "a"));
    await scene.attack("CREATE TABLE exported_rows AS SELECT * FROM audit_segments");
    // Nothing is lost: it can be exported again.
    await putBack("sealed_rows");
    assert.deepEqual((await scene.verify()).broken, []);
    await assert.rejects(scene.command("audit remove", "2999-01-01"), /was never exported/);
    await putBack("exported_rows");
    await scene.command("audit remove");
    for (const rows of ["sealed_rows", "exported_rows"]) {
      await putBack(rows);
      assert.ok((await scene.verify()).broken.length > 0);
    }
  });

  it("does not accept a change of any column of the record, nor a row that is missing", async (t) => {
    const scene = await auditScene(t);
    const { dialect } = scene.store;
    for (const state of ["removed", "exported", "sealed", "open"]) {
      await scene.write(3);
      if (state !== "open") await scene.command("audit seal");
      if (state === "removed" || state === "exported")
        await scene.command("audit export", join(scene.folder, state));
      if (state === "removed") await scene.command("audit remove");
    }
    const [chain] = await scene.look<{ readonly chain: string }>(
      "SELECT chain FROM audit_segments WHERE removed IS NOT NULL ORDER BY chain",
    );
    const files = ["removed", "exported"].map((name) => join(scene.folder, name));
    const noted = JSON.stringify(await scene.verify("", ...files));
    const isFound = async () => {
      const found = await scene.verify(noted, ...files);
      return found.broken.length + found.missing.length + found.gaps.length > 0;
    };
    assert.equal(await isFound(), false);
    const bytes = dialect === "sqlite" ? "x'00'" : "decode('00', 'hex')";
    const unexported = new Set(
      (
        await scene.look<{ readonly chain: string; readonly number: number }>(
          "SELECT chain, number FROM audit_segments WHERE exported IS NULL",
        )
      ).map((row) => `${row.chain}/${row.number}`),
    );
    let changes = 0;
    for (const [table, columns, key] of [
      ["audit", { chain: "text", sequence: "number", line: "text", mac: "bytes" }, "sequence"],
      ["audit_segments", segmentColumns, "number"],
    ] as const) {
      const rows = await scene.look<Place>(`SELECT chain, ${key} AS place FROM ${table}`);
      for (const { chain: name, place } of rows) {
        const where = `WHERE chain = '${name}' AND ${key} = ${place}`;
        const undo = `INSERT INTO ${table} SELECT * FROM kept`;
        await scene.attack(`CREATE TABLE kept AS SELECT * FROM ${table} ${where}`);
        for (const [column, type] of Object.entries(columns)) {
          const value =
            type === "number"
              ? `${column} + 100`
              : type === "bytes"
                ? bytes
                : `COALESCE(${column}, '') || '0'`;
          await scene.attack(`UPDATE ${table} SET ${column} = ${value} ${where}`);
          assert.ok(await isFound(), `${table}.${column} of ${name} ${place}`);
          changes += 1;
          const moved =
            column === "chain"
              ? `WHERE chain = '${name}0' AND ${key} = ${place}`
              : column === key
                ? `WHERE chain = '${name}' AND ${key} = ${place + 100}`
                : where;
          await scene.attack(`DELETE FROM ${table} ${moved}`, undo);
        }
        await scene.attack(`DELETE FROM ${table} ${where}`);
        // Without its last seal a chain is as authentic as before: it is open from there on.
        const harmless = unexported.has(`${name}/${place}`) && table === "audit_segments";
        assert.equal(await isFound(), !harmless, `${table}: ${name} ${place} deleted`);
        await scene.attack(undo, "DROP TABLE kept");
      }
    }
    assert.equal(await isFound(), false);
    assert.ok(changes > 50);
    // A whole chain shows to those who noted its head, and to those who have a file of it.
    for (const table of ["audit", "audit_segments"])
      await scene.attack(`DELETE FROM ${table} WHERE chain = '${chain?.chain ?? ""}'`);
    assert.equal((await scene.verify()).broken.length, 0);
    assert.ok((await scene.verify(noted)).missing.length > 0);
    assert.ok((await scene.verify("", ...files)).broken.length > 0);
  });
});

interface Place {
  readonly chain: string;
  readonly place: number;
}

const segmentColumns = {
  chain: "text",
  number: "number",
  format: "number",
  first_sequence: "number",
  last_sequence: "number",
  previous: "bytes",
  head: "bytes",
  bytes: "number",
  first_at: "text",
  last_at: "text",
  sealed: "text",
  exported: "text",
  digest: "text",
  removed: "text",
  mac: "bytes",
} as const;
