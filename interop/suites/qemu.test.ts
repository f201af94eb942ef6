import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import {
  closeSync,
  existsSync,
  fstatSync,
  fsyncSync,
  mkdtempSync,
  openSync,
  readFileSync,
  readSync,
  rmSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Writable } from "node:stream";
import { after, describe, it } from "node:test";
import { pathToFileURL } from "node:url";
import { type Caller, MemoryKeyManager } from "@chatelaine/keys";
import {
  createVolume,
  openLedger,
  qemuDisk,
  serveVolume,
  withVolumeData,
} from "@chatelaine/volumes";
import { runTool } from "../host/run-tool.ts";

describe("volumes presented to QEMU", () => {
  const directory = mkdtempSync(join(tmpdir(), "qemu-interop-"));
  const ledger = openLedger({ path: join(directory, "ledger.sqlite") });
  const keyManager = new MemoryKeyManager({ warn: () => undefined });
  const caller: Caller = { type: "project", projectId: "a", userId: "alice" };
  const volumes = { keyManager, caller, ledger };
  // A comma is a separator to QEMU, if one lets it be.
  const path = join(directory, "disk, with a comma.img");
  after(async () => {
    await ledger.close();
    rmSync(directory, { recursive: true });
  });

  it("is written through an NBD socket, encrypted on the disk, and read by us", async () => {
    await createVolume(volumes, { path, sizeBytes: 1 << 20, format: "luks1" });
    const socket = join(directory, "disk.sock");
    const served = await serveVolume(volumes, path, { socket });
    try {
      runTool("qemu-io", ["-f", "raw", "-c", "write -P 0x5a 0 64k", served.uri]);
      for (const file of ["cmdline", "environ"]) {
        const text = readFileSync(`/proc/${served.pid}/${file}`, "latin1");
        assert.doesNotMatch(text, /[0-9a-f]{64}/);
      }
    } finally {
      await served.close();
    }
    assert.ok(!readFileSync(path).includes(Buffer.alloc(64, 0x5a)));
    const read = new Uint8Array(65_536);
    await withVolumeData(volumes, path, (disk) => disk.read(0, read));
    assert.ok(read.every((byte) => byte === 0x5a));
    const readOnly = await serveVolume(volumes, path, { socket, readOnly: true });
    try {
      assert.throws(() => runTool("qemu-io", ["-f", "raw", "-c", "write 0 4k", readOnly.uri]));
    } finally {
      await readOnly.close();
    }
  });

  it("is a file of FUSE's, written and read like any other, encrypted on the disk", async () => {
    const file = join(directory, "plain.raw");
    const served = await serveVolume(volumes, path, { file });
    try {
      assert.equal(served.uri, pathToFileURL(file).href);
      const shown = openSync(file, "r+");
      try {
        assert.equal(fstatSync(shown).size, 1 << 20);
        writeSync(shown, Buffer.alloc(65_536, 0x5a), 0, 65_536, 131_072);
        fsyncSync(shown);
        const bytes = Buffer.alloc(65_536);
        readSync(shown, bytes, 0, 65_536, 0);
        assert.ok(bytes.every((byte) => byte === 0x5a));
      } finally {
        closeSync(shown);
      }
      await assert.rejects(serveVolume(volumes, path, { file }), { code: "exists" });
    } finally {
      await served.close();
    }
    assert.ok(!existsSync(file));
    assert.ok(!readFileSync(path).includes(Buffer.alloc(64, 0x5a)));
    const read = new Uint8Array(65_536);
    await withVolumeData(volumes, path, (disk) => disk.read(131_072, read));
    assert.ok(read.every((byte) => byte === 0x5a));
  });

  it("is read by a real QEMU with the arguments that we print, and not with another key", async () => {
    const disk = await qemuDisk(volumes, path);
    assert.match(
      await askQemu(disk.arguments, disk.nodeName, (use) => disk.lendPassphrase(use)),
      /read 65536\/65536/,
    );
    const wrong = Buffer.from("0".repeat(64));
    const refused = await askQemu(disk.arguments, disk.nodeName, (use) => use(wrong));
    assert.match(refused, /Invalid password/);
  });

  it("is refused in LUKS2, which QEMU cannot read", async () => {
    const other = join(directory, "luks2.img");
    await createVolume(volumes, { path: other, sizeBytes: 4096 });
    await assert.rejects(() => qemuDisk(volumes, other), { code: "unsupported" });
  });
});

/** Has a QEMU without a machine read the pattern through its monitor. @returns all that it said */
async function askQemu(
  words: readonly string[],
  node: string,
  lend: (use: (passphrase: Uint8Array) => Promise<void>) => Promise<void>,
): Promise<string> {
  const bare = ["-machine", "none", "-nodefaults", "-display", "none", "-monitor", "stdio"];
  const bash = ["-c", 'exec "$0" "$@" 3< <(cat <&4)', "qemu-system-x86_64"];
  const child = spawn("bash", [...bash, ...bare, ...words], {
    stdio: ["pipe", "pipe", "pipe", "ignore", "pipe"],
  });
  let said = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding("utf8").on("data", (text: string) => {
      said += text;
    });
  }
  const pipe = child.stdio[4] as Writable;
  await lend(
    (passphrase) =>
      new Promise((done) => {
        pipe.end(passphrase, () => done());
      }),
  );
  child.stdin?.on("error", () => undefined);
  child.stdin?.end(`qemu-io ${node} "read -P 0x5a 0 64k"\nquit\n`);
  await once(child, "close");
  return said;
}
