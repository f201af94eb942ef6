import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { root } from "./document.ts";

/** A row of a table of SECURITY.md that has a column "held by". */
interface Promised {
  readonly text: string;
  /** Files and the titles of tests in them. */
  readonly tests: readonly { readonly file: string; readonly title: string }[];
}

describe("SECURITY.md", () => {
  const promises = promisesIn(readFileSync(join(root, "SECURITY.md"), "utf8"));

  it("makes promises", () => {
    assert.ok(promises.length > 20, `${promises.length} promises`);
  });

  it("names for each promise the test that holds it", () => {
    for (const { text, tests } of promises) assert.ok(tests.length > 0, text);
  });

  it("names tests that exist", () => {
    for (const { text, tests } of promises) {
      for (const { file, title } of tests) {
        assert.ok(existsSync(join(root, file)), `${text}: no ${file}`);
        const source = readFileSync(join(root, file), "utf8").replaceAll('\\"', '"');
        assert.ok(source.includes(title), `${text}: no test "${title}" in ${file}`);
      }
    }
  });
});

/** In the last cell of a row: `file` "title", `file` "title"; a file stays the same until the next one. */
function promisesIn(document: string): readonly Promised[] {
  const found: Promised[] = [];
  let inTable = false;
  for (const line of document.split("\n")) {
    if (!line.startsWith("|")) inTable = false;
    else if (/\| held by +\|$/.test(line)) inTable = true;
    else if (inTable && !/^\|[ :|-]+\|$/.test(line)) {
      const cells = line.split(/(?<!\\)\|/).map((cell) => cell.trim());
      found.push({ text: cells[1] ?? "", tests: testsIn(cells.at(-2) ?? "") });
    }
  }
  return found;
}

function testsIn(cell: string): Promised["tests"] {
  let file = "";
  const tests = [];
  for (const [, path, title] of cell.matchAll(/`([^`]+)`|"((?:[^"\\]|\\.)+)"/g)) {
    if (path !== undefined) file = path;
    else if (title !== undefined) tests.push({ file, title });
  }
  return tests;
}
