import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const root = fileURLToPath(new URL("../../..", import.meta.url));

describe("docs/getting-started.md", () => {
  it("goes to its end, command by command", async (t) => {
    const home = await mkdtemp(join(tmpdir(), "chatelaine-home-"));
    t.after(() => rm(home, { recursive: true }));
    const text = await readFile(join(root, "docs/getting-started.md"), "utf8");
    const blocks = [...text.matchAll(/^```sh\n(.*?)^```$/gms)].map(([, block]) => block ?? "");
    assert.ok(blocks.length > 5);
    // -m, as in a terminal, so that what was started with & is a job that ends with all its processes.
    const script = `set -eum\ntrap 'kill %1 2>/dev/null || :' EXIT\n${blocks.join("")}wait\n`;
    const PATH = `${root}/node_modules/.bin:${process.env["PATH"] ?? ""}`;
    const { stdout } = await promisify(execFile)("bash", ["-c", script], {
      cwd: root,
      env: { HOME: home, PATH },
      timeout: 300_000,
    });
    assert.match(stdout, /writing +the caller may store, read and delete a secret/);
    assert.match(stdout, /opens slot 1/);
    assert.match(await readFile(join(home, "keys.log"), "utf8"), /Stopped; the next start/);
  });
});
