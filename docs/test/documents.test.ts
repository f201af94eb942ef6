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

/** Does with the server what systemd does with the unit, which the suite `packages` checks by itself. */
const systemctl = `
systemctl() {
  case "$1" in
    start) chatelaine server start & until [ -S "$HOME/data/control.sock" ] || ! kill -0 $!; do sleep 0.1; done ;;
    stop) kill %?start; wait ;;
  esac
}`;

/** Two key servers, `old` and `new`, a volume with a key of the old one, and a disk under a fixed key. */
const twoServers = `
(chatelaine server start --data-directory old --listen-port 9396 &
  chatelaine server start --data-directory new --listen-port 9397 & wait) 2> servers.log &
until [ -S old/control.sock ] && [ -S new/control.sock ]; do sleep 0.1; kill -0 %1; done
sed 's/^  chatelaine:/  old:/' old/clouds.yaml > clouds.yaml
sed -n '/^  chatelaine:/,$ s/^  chatelaine:/  new:/; /^  new:/,$ p' new/clouds.yaml >> clouds.yaml
OS_CLOUD=old chatelaine volume create volume.img --size 1M
(umask 077; printf '00%.0s' $(seq 32) > fixed.key)
truncate --size 20M fixed.img
chatelaine luks format fixed.img --passphrase-file fixed.key`;

// At the same time: each waits for processes most of its time, and has ports of its own.
describe("a reader", { concurrency: true }, () => {
  it("of docs/getting-started.md comes to its end, command by command", async (t) => {
    const home = await homeOf(t);
    const printed = await follow("docs/getting-started.md", { home, cwd: root });
    assert.match(printed, /writing +the caller may store, read and delete a secret/);
    assert.match(printed, /opens slot 1/);
    assert.match(await readFile(join(home, "keys.log"), "utf8"), /Stopped; the next start/);
  });

  it("of docs/operations.md comes to its end, command by command", async (t) => {
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
    assert.match(printed, /rootKeyId +2\n/, "rotated after the restore");
    await access(join(home, "data/keys.db.before-restore"));
    assert.match(printed, /"broken": \[\]/);
  });

  it("of docs/moving-in.md comes to its end, command by command", async (t) => {
    const home = await homeOf(t);
    const printed = await follow("docs/moving-in.md", {
      home,
      cwd: home,
      before: twoServers,
      after: "OS_CLOUD=new chatelaine volume verify volume.img\nkill %1",
      replace: {
        "adopt /dev/vg/volume-7": "adopt volume.img",
        "migrate /dev/vg/volume-7": "migrate fixed.img",
        "NEW-ID": `"$(sed -n 's/.*"targetId": "\\(.*\\)".*/\\1/p' ids.json)"`,
        "--from barbican": "--journal barbican.sqlite --from barbican",
        "--from fixed": "--journal fixed.sqlite --from fixed",
      },
      environment: {
        OS_CLIENT_CONFIG_FILE: join(home, "clouds.yaml"),
        CHATELAINE_LEDGER: join(home, "ledger.sqlite"),
      },
    });
    assert.match(printed, /volume\.img: key .* opens slot/);
    assert.match(printed, /fixed\.img: key .* opens slot/);
    assert.match(printed, /copied +1\n/);
  });

  it("of docs/writing-a-backend.md finds a test and a program that work", async (t) => {
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
