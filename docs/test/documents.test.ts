import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { access, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it, type TestContext } from "node:test";
import { promisify } from "node:util";
import { blocksOf, follow, root } from "./document.ts";

async function homeOf(t: TestContext): Promise<string> {
  const home = await mkdtemp(join(tmpdir(), "chatelaine-home-"));
  t.after(() => rm(home, { recursive: true }));
  return home;
}

describe("docs/getting-started.md", () => {
  it("goes to its end, command by command", async (t) => {
    const home = await homeOf(t);
    const printed = await follow("docs/getting-started.md", { home, cwd: root });
    assert.match(printed, /writing +the caller may store, read and delete a secret/);
    assert.match(printed, /opens slot 1/);
    assert.match(await readFile(join(home, "keys.log"), "utf8"), /Stopped; the next start/);
  });
});

/** Does with the server what systemd does with the unit, which the suite `packages` checks by itself. */
const systemctl = `
systemctl() {
  case "$1" in
    start) chatelaine server start & until [ -S "$HOME/data/control.sock" ] || ! kill -0 $!; do sleep 0.1; done ;;
    stop) kill %?start; wait ;;
  esac
}`;

describe("docs/operations.md", () => {
  it("goes to its end, command by command", async (t) => {
    const home = await homeOf(t);
    await mkdir(join(home, "etc"));
    const printed = await follow("docs/operations.md", {
      home,
      cwd: home,
      before: systemctl,
      replace: {
        "/etc/systemd/system": join(home, "systemd"),
        "/etc/chatelaine": join(home, "etc"),
        "/var/lib/chatelaine": join(home, "data"),
      },
      environment: {
        CHATELAINE_SERVER_CONFIG: join(home, "etc/server.yaml"),
        CHATELAINE_LEDGER: join(home, "ledger.sqlite"),
      },
    });
    assert.match(printed, /deleteRetentionSeconds: 604800 {2}# .*server\.yaml/);
    assert.match(printed, /writing +the caller may store, read and delete a secret/);
    assert.match(printed, /"rootKeyId": 2/, "rotated after the restore");
    await access(join(home, "data/keys.db.before-restore"));
    assert.match(printed, /"broken": \[\]/);
  });
});

describe("docs/writing-a-backend.md", () => {
  it("shows a test and a program that work", async (t) => {
    const home = await homeOf(t);
    for (const name of ["node_modules", "examples"])
      await symlink(join(root, name), join(home, name));
    await writeFile(join(home, "package.json"), '{ "type": "module" }');
    for (const { language, label, text } of await blocksOf("docs/writing-a-backend.md"))
      if (language === "ts") await writeFile(join(home, label), text);
    const { NODE_TEST_CONTEXT: _, ...env } = process.env;
    const node = (...words: readonly string[]) =>
      promisify(execFile)(process.execPath, words, { cwd: home, env });
    const tested = await node("--test", "backend.test.ts");
    assert.match(tested.stdout, /pass [1-9]\d+/);
    assert.equal((await node("backend.ts")).stdout, "opens slot 0\n");
  });
});
