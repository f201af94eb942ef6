import assert from "node:assert/strict";
import { execFileSync, type spawn as platformSpawn } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { describe, it } from "node:test";
import { silentAmong } from "../src/in-use/answering.ts";
import {
  isRemote,
  type Mount,
  type MountNamespace,
  mountOf,
} from "../src/in-use/mount-namespaces.ts";
import { scratchPath } from "./scratch.ts";

/** A pipe that nobody writes to: opening it for reading waits, as a file of a server that is away does. */
function silentPath(): string {
  const path = scratchPath("silent");
  execFileSync("mkfifo", [path]);
  return path;
}

describe("storage that does not answer", () => {
  it("is told from what is there, what is not, a folder, and an odd name", async () => {
    const silent = silentPath();
    const [file, folder, odd] = [scratchPath("file"), scratchPath("folder"), scratchPath("of=x\n")];
    writeFileSync(file, "content");
    writeFileSync(odd, "content");
    mkdirSync(folder);
    const paths = [file, silent, folder, odd, scratchPath("none"), "/dev/null", "/nul\0"];
    const found = await silentAmong(paths);
    assert.deepEqual([...found.keys()], [silent]);
    assert.match(found.get(silent) ?? "", /does not answer a read/);
  });

  it("is waited for once, however many there are", async () => {
    const paths = Array.from({ length: 8 }, silentPath);
    const begun = performance.now();
    const found = await silentAmong([...paths, ...paths], { patienceMs: 1000 });
    assert.equal(found.size, 8);
    assert.ok(performance.now() - begun < 4000);
  });

  it("leaves no thread waiting and no program behind", async () => {
    const path = silentPath();
    await silentAmong([path], { patienceMs: 200 });
    const waiting = () =>
      execFileSync("sh", ["-c", 'grep -l "^if=$0" /proc/[0-9]*/cmdline -z || true', path], {
        encoding: "utf8",
        stdio: ["ignore", "pipe", "ignore"],
      });
    for (let tries = 0; tries < 100 && waiting() !== ""; tries++);
    assert.equal(waiting(), "");
  });

  it("is not asked where no program can be started", async () => {
    const refuse = (() => {
      throw new Error("no child processes");
    }) as unknown as typeof platformSpawn;
    assert.equal((await silentAmong([silentPath()], { spawn: refuse })).size, 0);
  });
});

function mount(folder: string, type: string): Mount {
  return { id: folder, number: `0:${folder.length}`, root: "/", source: type, folder, type };
}

describe("the mount of a path", () => {
  const namespace: MountNamespace = {
    pid: undefined,
    mounts: [mount("/", "ext4"), mount("/srv/nfs", "nfs4"), mount("/srv/nfs/local", "xfs")],
  };
  for (const [path, type] of [
    ["/srv/nfs", "nfs4"],
    ["/srv/nfs/a/b", "nfs4"],
    ["/srv/nfs-other", "ext4"],
    ["/srv/nfs/local/a", "xfs"],
    ["/", "ext4"],
  ] as const) {
    it(`of ${path} is ${type}`, () => {
      const found = mountOf(path, namespace);
      assert.equal(found?.type, type);
      assert.equal(found !== undefined && isRemote(found), type === "nfs4");
    });
  }
});
