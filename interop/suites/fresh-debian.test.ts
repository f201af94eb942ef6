import assert from "node:assert/strict";
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

/** Runs a command there as a user would, and returns what it printed. */
function asUser(...command: readonly string[]): string {
  const registry = runTool("npm", ["config", "get", "registry"]).trim();
  const places = [join(folder, "root"), join(folder, "node_modules"), join(folder, "checkout")];
  return runTool(chroot, [...places, ...command], { env: { npm_config_registry: registry } });
}

describe("a clone on a fresh Debian 12 with Node.js 20 and npm, and a user who is not root", () => {
  it("has nothing else", () => {
    assert.match(asUser("node", "--version"), /^v20\./);
    for (const absent of ["git", "openssl", "python3", "cc", "cryptsetup"])
      assert.throws(() => asUser("which", absent), /status 1/, absent);
    assert.doesNotMatch(asUser("cat", "/etc/ld.so.cache"), /libatomic/);
  });

  it("starts with npm start as its first command", (test) => {
    const session = asUser("npm", "start", "--", "--once");
    assert.match(session, /1\. A disk with a key of its own/);
    assert.match(session, /6\. The audit record/);
    assert.doesNotMatch(session, /Warning/);
    test.diagnostic(session);
  });

  it("passes npm test", (test) => {
    const printed = asUser("npm", "test");
    const counts = /^ℹ tests .*/ms.exec(printed)?.[0] ?? printed;
    test.diagnostic(counts);
    assert.match(counts, /^ℹ fail 0$/m);
    assert.match(counts, /^ℹ skipped 0$/m);
    assert.ok(Number(/^ℹ pass (\d+)$/m.exec(counts)?.[1]) > 1_000, counts);
  });
});
