import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import { MemoryKeyManager } from "@chatelaine/keys";
import { runTool } from "../src/host/run-tool.ts";
import { optionValue, words } from "../src/host/safe-text.ts";
import {
  closeDisk,
  createDisk,
  destroyDisk,
  openDisk,
  openLedger,
  resizeDisk,
  snapshotDisk,
} from "../src/index.ts";

function script(text: string) {
  return words`-c ${optionValue("script", text)}`;
}

describe("a tool of the host", () => {
  it("gets its input through a pipe, and neither arguments nor environment of ours besides", async () => {
    const { stdout } = await runTool("sh", script("env | cut -d= -f1 | sort; cat"), {
      input: Buffer.from("key"),
    });
    const known = ["DM_DISABLE_UDEV", "LC_ALL", "OLDPWD", "PATH", "PWD", "SHLVL", "_"];
    const lines = stdout.split("\n");
    assert.equal(lines.pop(), "key");
    assert.deepEqual(
      lines.filter((name) => !known.includes(name)),
      [],
    );
  });

  it("that fails is named with its status and last words", async () => {
    const failing = runTool("sh", script("echo no such luck >&2; exit 3"));
    await assert.rejects(failing, {
      name: "VolumeError",
      code: "tool_failed",
      message: "sh -c: status 3: no such luck",
    });
    assert.equal((await runTool("sh", script("exit 4"), { accept: [4] })).status, 4);
  });

  it("that is not installed is named with its Debian package", async () => {
    const nowhere = ((_program: string, args: string[], options: object) =>
      spawn("/nonexistent/cryptsetup", args, options)) as typeof spawn;
    await assert.rejects(runTool("cryptsetup", words`status`, { spawn: nowhere }), {
      code: "unsupported",
      message: "cryptsetup: not installed: apt-get install cryptsetup-bin",
    });
  });
});

describe("an ephemeral disk", () => {
  it("with a name that LVM or a shell could misread is refused, and one that is not there", async () => {
    const directory = await mkdtemp(join(tmpdir(), "chatelaine-disk-"));
    const ledger = openLedger({ path: join(directory, "ledger.sqlite") });
    const keyManager = new MemoryKeyManager({ warn: () => {} });
    const caller = { type: "project", projectId: "a", userId: "alice" } as const;
    const volumes = { keyManager, caller, ledger };
    const good = { group: "vg", name: "disk", sizeBytes: 1 << 20, instance: "i" };
    for (const bad of [
      { group: "-vg" },
      { name: "../x" },
      { name: "" },
      { sizeBytes: 0.5 },
      { thinPool: "a b" },
      { format: "luks1" as "luks2" },
    ]) {
      await assert.rejects(createDisk(volumes, { ...good, ...bad }), { code: "invalid_argument" });
    }
    for (const act of [
      () => destroyDisk(volumes, good),
      () => resizeDisk(volumes, good, 1 << 20),
      () => snapshotDisk(volumes, good, { name: "copy" }),
      () => openDisk(volumes, good, { readOnly: true }),
      () => closeDisk(volumes, good),
    ]) {
      await assert.rejects(act(), { code: "not_found" });
    }
    assert.deepEqual(await Array.fromAsync(keyManager.list(caller)), []);
    await ledger.close();
    await rm(directory, { recursive: true });
  });
});
