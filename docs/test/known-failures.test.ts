import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { describe, it } from "node:test";
import { root } from "./document.ts";

/** The failures and demands that have a number. */
const numbers = [
  ...Array.from({ length: 8 }, (_, index) => `O${index + 1}`),
  ...Array.from({ length: 12 }, (_, index) => `D${index + 1}`),
];

const lines = readFileSync(join(root, "docs/known-failures.md"), "utf8").split("\n");
const rows = lines
  .filter((line) => line.startsWith("|") && !/^\|[\s|-]+$/.test(line))
  .map((line) =>
    line
      .split(/(?<!\\)\|/)
      .slice(1, -1)
      .map((cell) => cell.trim()),
  )
  .filter((cells) => cells.at(-1) !== "covered by");
const tests = globSync(["packages/*/test/**/*.test.ts", "interop/suites/*.test.ts"], { cwd: root });
const scenarios = read("packages/volumes/test/kill/scenarios.ts");

describe("docs/known-failures.md", () => {
  it("has one row for each failure that has a number, and rows for the others", () => {
    const named = rows.map(([first]) => first ?? "").filter((name) => /^[OD]\d+$/.test(name));
    assert.deepEqual(named, numbers);
  });

  for (const row of rows) {
    const [name = "", covered = ""] = [row[0], row.at(-1)];
    it(`names tests that there are: ${name}`, () => {
      if (/^(?:not yet|–$)/.test(covered)) return;
      const found = covered.split("; ").filter((item) => isThere(item));
      assert.ok(found.length > 0, "no test is named");
    });
  }
});

/** @returns false of plain words. @throws AssertionError of a test that is named and not there */
function isThere(item: string): boolean {
  const killed = /^kill: (.+)$/.exec(item)?.[1];
  for (const name of killed?.split(", ") ?? []) {
    assert.ok(scenarios.includes(`name: "${name}"`), `no scenario "${name}"`);
  }
  if (killed !== undefined) return true;
  const [, suite, file, titles] = /^(suite )?([\w-]+): (".+")$/.exec(item) ?? [];
  if (file === undefined || titles === undefined) {
    assert.doesNotMatch(item, /"/, `not understood: ${item}`);
    return false;
  }
  const titlesThere = tests
    .filter((path) => basename(path) === `${file}.test.ts`)
    .filter((path) => path.startsWith("interop/") === (suite !== undefined))
    .flatMap((path) => [...read(path).matchAll(/\bit\(\s*(["'`])(.+)\1,/g)])
    .map(([, , title = ""]) => title);
  for (const [, title = ""] of titles.matchAll(/"([^"]+)"/g)) {
    const isNamed = titlesThere.some((one) => isCalled(one, title));
    assert.ok(isNamed, `${file}: no test is called "${title}"`);
  }
  return true;
}

/** @param title in which an ellipsis stands for any text */
function isCalled(whole: string, title: string): boolean {
  const [first = "", ...others] = title.split("…").map((part) => part.trim());
  if (others.length === 0) return whole === first;
  let end = first.length;
  return (
    whole.startsWith(first) &&
    others.every((part) => {
      const at = whole.indexOf(part, end);
      end = at + part.length;
      return at >= 0;
    })
  );
}

function read(path: string): string {
  return readFileSync(join(root, path), "utf8");
}
