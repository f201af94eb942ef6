import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { stripVTControlCharacters } from "node:util";
import { plain, table } from "../src/terminal/output.ts";
import { progressColumns, redrawnLine } from "../src/terminal/progress-bar.ts";
import { styled } from "../src/terminal/styled.ts";
import type { Terminal } from "../src/terminal/terminal.ts";

const terminal = (columns: number | undefined, environment: Terminal["environment"] = {}) => ({
  out: () => {},
  error: () => {},
  columns,
  environment,
  workingDirectory: "/",
  homeDirectory: "/",
  temporaryDirectory: "/",
});

const id = "6b8b88be-eff1-4fee-b4f4-f8e6ed56f593";
const rows = [
  {
    id,
    name: "a name that is longer than what any table has room for",
    at: "2027-01-02T03:04:05Z",
  },
  { id, name: "short", at: "2027-01-02T03:04:06Z" },
];
const columns = [
  { heading: "id", cell: (row: (typeof rows)[number]) => row.id },
  { heading: "name", cell: (row: (typeof rows)[number]) => row.name },
  { heading: "at", cell: (row: (typeof rows)[number]) => row.at },
];

describe("a table", () => {
  it("fits terminals of 40 to 200 columns, and never cuts an id or a time", () => {
    for (let width = 50; width <= 200; width++) {
      const lines = stripVTControlCharacters(table(terminal(width), columns, rows)).split("\n");
      const isTable = width >= 36 + 8 + 20 + 4;
      assert.equal(lines.length === 4, isTable, `${width} columns`);
      assert.ok(lines.every((line) => line.length <= width || !isTable));
      assert.equal(lines.filter((line) => line.includes(id)).length, 2);
      assert.equal(lines.filter((line) => line.includes("2027-01-02T03:04:0")).length, 2);
    }
    const narrow = table(terminal(40), columns, rows).split("\n");
    assert.deepEqual(narrow.slice(0, 2), ["id", `  ${id}`]);
    assert.ok(narrow.includes("name  short"));
  });

  it("is not cut where it goes to a file or a program", () => {
    assert.match(table(terminal(undefined), columns, rows), /any table has room for/);
  });

  it("has colours on a terminal only, and not where NO_COLOR or a dumb one forbids them", () => {
    assert.notEqual(styled(terminal(80), "red", "BAD"), "BAD");
    assert.equal(stripVTControlCharacters(styled(terminal(80), "red", "BAD")), "BAD");
    assert.equal(styled(terminal(undefined), "red", "BAD"), "BAD");
    assert.equal(styled(terminal(80, { NO_COLOR: "1" }), "red", "BAD"), "BAD");
    assert.equal(styled(terminal(80, { TERM: "dumb" }), "red", "BAD"), "BAD");
    assert.notEqual(styled(terminal(80, { NO_COLOR: "" }), "red", "BAD"), "BAD");
  });
});

describe("whatever a server's command gave", () => {
  it("is a table, a record, or JSON", () => {
    assert.equal(plain(terminal(undefined), [{ a: 1 }, { b: "x" }]), "a  b\n1  -\n-  x\n");
    assert.equal(plain(terminal(undefined), { a: true, long: "x" }), "a     true\nlong  x\n");
    assert.equal(plain(terminal(undefined), { a: [] }), '{\n  "a": []\n}\n');
    assert.equal(plain(terminal(undefined), []), "");
  });
});

describe("progress", () => {
  it("is drawn on one line, in the longest form that there is room for", () => {
    assert.equal(redrawnLine(12, ["0123456789ab", "0123456789"]), "\r0123456789 ");
    assert.equal(redrawnLine(13, ["0123456789ab", "0123456789"]), "\r0123456789ab");
    assert.equal(redrawnLine(6, ["0123456789ab", "0123456789"]), "\r01234");
  });

  it("is drawn where errors go, not where results go", () => {
    assert.equal(progressColumns(terminal(80)), 80);
    assert.equal(progressColumns({ ...terminal(80), errorColumns: undefined }), undefined);
    assert.equal(progressColumns({ ...terminal(undefined), errorColumns: 40 }), 40);
  });
});
