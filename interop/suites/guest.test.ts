import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { runInGuest } from "../guest/guest.ts";

let directory: string;

before(() => {
  directory = mkdtempSync(join(tmpdir(), "chatelaine-guest-suite-"));
});
after(() => rmSync(directory, { recursive: true, force: true }));

const shell = (script: string) => ["bash", "-euc", script];

describe("the guest kernel", () => {
  it("maps an encrypted disk, and has its data after a reboot", async () => {
    const disk = join(directory, "disk");
    writeFileSync(disk, "");
    truncateSync(disk, 32 << 20);
    const format = await runInGuest(
      shell(`
        cat >/run/key
        cryptsetup luksFormat -q --pbkdf pbkdf2 --pbkdf-force-iterations 1000 --key-file /run/key /dev/ubda
        cryptsetup open --key-file /run/key /dev/ubda secret
        echo 'written through dm-crypt' | dd of=/dev/mapper/secret conv=fsync status=none
        cryptsetup close secret`),
      { disks: [disk], input: "a passphrase" },
    );
    assert.equal(format.status, 0, format.stderr + format.console);
    assert.ok(!readFileSync(disk).includes("written through dm-crypt"));

    const read = await runInGuest(
      shell(`
        cat >/run/key
        cryptsetup open --key-file /run/key /dev/ubda secret
        head -n 1 /dev/mapper/secret
        cryptsetup close secret`),
      { disks: [disk], input: "a passphrase" },
    );
    assert.equal(read.stdout, "written through dm-crypt\n", read.stderr + read.console);
  });

  it("has LVM, thick and thin, and loop devices", async () => {
    const result = await runInGuest(
      shell(`
        exec 2>&1
        pvcreate -q /dev/ubda && vgcreate -q vg /dev/ubda
        lvcreate -q -y -L 8M -n thick vg
        lvcreate -q -y -T -L 16M vg/pool && lvcreate -q -y -V 64M -T vg/pool -n thin
        truncate -s 4M /tmp/image && losetup --find --show /tmp/image
        test -b /dev/vg/thick && test -b /dev/vg/thin && echo there`),
      { disks: [64 << 20] },
    );
    assert.match(result.stdout, /\/dev\/loop0[^]*there\n$/, result.stderr + result.console);
    assert.equal(result.status, 0);
  });

  it("shares a directory, runs this very Node.js, and returns streams and status apart", async () => {
    const program = `
      require("node:fs").writeFileSync("from-guest", process.version);
      console.log("out"); console.error("error"); process.exit(7);`;
    const result = await runInGuest([process.execPath, "-e", program], {
      shares: [directory],
      directory,
    });
    assert.deepEqual([result.status, result.stdout, result.stderr], [7, "out\n", "error\n"]);
    assert.equal(readFileSync(join(directory, "from-guest"), "utf8"), process.version);
  });

  it("keeps what it writes elsewhere to itself", async () => {
    const stray = join(directory, "stray");
    const result = await runInGuest(["touch", stray]);
    assert.equal(result.status, 0, result.console);
    assert.throws(() => readFileSync(stray), { code: "ENOENT" });
  });

  it("ends at the time-out, and when its power is cut", async () => {
    assert.equal((await runInGuest(["sleep", "600"], { timeoutSeconds: 6 })).status, 124);
    const cut = new AbortController();
    const result = await runInGuest(shell("echo up; sleep 600"), {
      signal: cut.signal,
      onOutput: () => cut.abort(),
    });
    assert.deepEqual([result.status, result.stdout], [125, "up\n"]);
  });
});
