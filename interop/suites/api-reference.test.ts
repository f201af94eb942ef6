import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { runTool } from "../host/run-tool.ts";

const reference = fileURLToPath(new URL("../../docs/api", import.meta.url));
const made = mkdtempSync(join(tmpdir(), "chatelaine-api-reference-"));
after(() => rmSync(made, { recursive: true, force: true }));

/** Its pages, by their path. */
function pagesIn(folder: string): ReadonlyMap<string, string> {
  const paths = readdirSync(folder, { recursive: true, encoding: "utf8" })
    .filter((path) => path.endsWith(".md") && !path.includes("node_modules"))
    .toSorted();
  return new Map(paths.map((path) => [path, readFileSync(join(folder, path), "utf8")]));
}

describe("the API reference", () => {
  it("can be made: each export has a comment, and what it names is exported, too", () => {
    const there = { cwd: reference };
    runTool("npm", ["ci", "--no-audit", "--no-fund", "--loglevel=error"], there);
    const typedoc = join(reference, "node_modules/typedoc/bin/typedoc");
    runTool(process.execPath, [typedoc, "--out", made], there);
  });

  it("is current", () => {
    const [now, committed] = [pagesIn(made), pagesIn(reference)];
    assert.deepEqual([...committed.keys()], [...now.keys()], "npm run docs makes it anew");
    for (const [path, text] of now)
      assert.ok(committed.get(path) === text, `docs/api/${path} is stale: npm run docs`);
  });
});
