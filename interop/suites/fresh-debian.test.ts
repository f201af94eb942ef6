import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { runTool } from "../host/run-tool.ts";

const chroot = fileURLToPath(new URL("../fresh-debian/chroot.sh", import.meta.url));
// Not /tmp, where devices and programs are often refused.
const folder = mkdtempSync("/var/tmp/chatelaine-fresh-debian-");
after(() => rmSync(folder, { recursive: true, force: true }));

before(() => {
  const repository = fileURLToPath(new URL("../..", import.meta.url));
  runTool("git", ["clone", "-q", repository, join(folder, "checkout")]);
  const quiet = ["--no-audit", "--no-fund", "--loglevel=error"];
  runTool("npm", ["install", ...quiet, "--prefix", folder, "node@20", "npm@11"]);
});

/** Runs a command there as a user would, to its end. */
function asUser(...command: readonly string[]): { status: number | null; output: string } {
  const registry = runTool("npm", ["config", "get", "registry"]).trim();
  const places = [join(folder, "root"), join(folder, "node_modules"), join(folder, "checkout")];
  const { status, stdout, stderr } = spawnSync(chroot, [...places, ...command], {
    encoding: "utf8",
    maxBuffer: 64 << 20,
    env: { ...process.env, npm_config_registry: registry },
  });
  return { status, output: stdout + stderr };
}

describe("a clone on a fresh Debian 12 with Node.js 20 and npm, and a user who is not root", () => {
  it("has nothing else", () => {
    assert.match(asUser("node", "--version").output, /^v20\./m);
    for (const absent of ["git", "python3", "cc", "cryptsetup", "ps"])
      assert.notEqual(asUser("which", absent).status, 0, absent);
    assert.doesNotMatch(asUser("/usr/sbin/ldconfig", "-p").output, /libatomic/);
  });

  it("starts with npm start as its first command", (test) => {
    const { status, output } = asUser("npm", "start", "--", "--once");
    test.diagnostic(output);
    assert.equal(status, 0);
    assert.match(output, /1\. A disk with a key of its own[^]+6\. The audit record/);
    assert.doesNotMatch(output, /Warning: /);
  });

  it("passes npm test", (test) => {
    const { status, output } = asUser("npm", "test");
    assert.equal(status, 0, output.slice(-20_000));
    const counts = /^ℹ tests [^]*?^ℹ duration_ms .*/m.exec(output)?.[0] ?? "";
    test.diagnostic(counts);
    assert.match(counts, /^ℹ skipped 0$/m);
    assert.ok(Number(/^ℹ pass (\d+)$/m.exec(counts)?.[1]) > 1_000);
  });
});
