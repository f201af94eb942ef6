import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { root } from "./document.ts";

/** An item of a list of promises. */
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

/** The items of the lists under "Promised:": a text, then "Held by" and tests. */
function promisesIn(document: string): readonly Promised[] {
  return [...document.matchAll(/^Promised:\n\n((?:[- ] .*\n)+)/gm)].flatMap(([, list = ""]) =>
    list
      .split(/^- /m)
      .slice(1)
      .map((item) => {
        const [text = "", held = ""] = item.replaceAll(/\s+/g, " ").split("Held by ");
        return { text, tests: testsIn(held) };
      }),
  );
}

/** `file` "title", "title", `file` "title": a file stays the same until the next one. */
function testsIn(held: string): Promised["tests"] {
  let file = "";
  const tests = [];
  for (const [, path, title] of held.matchAll(/`([^`]+)`|"((?:[^"\\]|\\.)+)"/g)) {
    if (path !== undefined) file = path;
    else if (title !== undefined) tests.push({ file, title });
  }
  return tests;
}
