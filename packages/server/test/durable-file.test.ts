import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { syncBuiltinESMExports } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it, type TestContext } from "node:test";
import { placeNewFile } from "../src/model/durable-file.ts";

/** Simulates a file system without hard links, where link(2) fails with `code`, until the test ends. */
function refuseHardLinks(t: TestContext, code: string): void {
  const promises = process.getBuiltinModule("node:fs/promises");
  t.mock.method(promises, "link", async () => {
    throw Object.assign(new Error(`${code}: link`), { code });
  });
  syncBuiltinESMExports();
  t.after(() => {
    t.mock.restoreAll();
    syncBuiltinESMExports();
  });
}

describe("an export", () => {
  for (const code of [undefined, "EPERM", "ENOTSUP"]) {
    const where = code === undefined ? "" : ` where link fails with ${code}`;
    it(`appears under its name whole, and replaces nothing${where}`, async (t) => {
      const folder = mkdtempSync(join(tmpdir(), "durable-file-"));
      t.after(() => rmSync(folder, { recursive: true }));
      if (code !== undefined) refuseHardLinks(t, code);
      const [finished, path] = [join(folder, "finished"), join(folder, "export")];
      writeFileSync(finished, "lines");
      await placeNewFile(finished, path);
      assert.equal(readFileSync(path, "utf8"), "lines");
      // A hard link makes two names of one file.
      rmSync(finished, { force: true });
      writeFileSync(finished, "other lines");
      await assert.rejects(placeNewFile(finished, path), { code: "EEXIST" });
      assert.equal(readFileSync(path, "utf8"), "lines");
      assert.deepEqual(readdirSync(folder).toSorted(), ["export", "finished"]);
    });
  }
});
