import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import { it } from "node:test";
import { fileURLToPath } from "node:url";

const main = fileURLToPath(new URL("../dist/main.js", import.meta.url));

it("says in one line that its output could not be written, and fails", () => {
  const full = openSync("/dev/full", "w");
  try {
    const { status, stderr } = spawnSync(process.execPath, [main, "--help"], {
      stdio: ["ignore", full, "pipe"],
      encoding: "utf8",
    });
    assert.equal(
      stderr,
      "chatelaine: write output: ENOSPC: the command has done its work, but its output is incomplete\n",
    );
    assert.equal(status, 13);
  } finally {
    closeSync(full);
  }
});
