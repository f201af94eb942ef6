import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { linkSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { open } from "node:fs/promises";
import { basename } from "node:path";
import { describe, it } from "node:test";
import { withDevice } from "../src/device/device.ts";
import { describeDiskUse, diskUse } from "../src/device/disk-use.ts";
import { holdFile } from "../src/in-use/hold-file.ts";
import { type MountNamespace, placeOf } from "../src/in-use/mount-namespaces.ts";
import { volumeGroupOf } from "../src/in-use/physical-volume.ts";
import { during, readerOf, writerOf } from "./other-program.ts";
import { luksError, mebibyte, scratchPath } from "./scratch.ts";

function someFile(): string {
  const path = scratchPath("raw");
  writeFileSync(path, Buffer.alloc(mebibyte, "precious"));
  return path;
}

describe("the users of a file", () => {
  it("are known through a hard link and a symbolic link on the way", async () => {
    const path = someFile();
    const [link, folder] = [scratchPath("link"), scratchPath("folder")];
    linkSync(path, link);
    symlinkSync(".", folder);
    for (const name of [link, `${folder}/${basename(path)}`]) {
      await during(writerOf(name), async (pid) => {
        const { users } = await diskUse(path);
        assert.deepEqual(users, [{ type: "process", pid, program: "sh", holds: "write access" }]);
        assert.deepEqual((await diskUse(path, { processes: false })).users, []);
      });
    }
  });

  it("are not those who only read it, nor this process", async () => {
    const path = someFile();
    const own = await open(path, "r+");
    await during(readerOf(path), async () => assert.deepEqual((await diskUse(path)).users, []));
    await own.close();
  });

  it("are looked for while processes come and go", async () => {
    const path = someFile();
    const script = 'while :; do sh -c "exec 3<$0; :"; done';
    const crowd = spawn("sh", ["-c", script, path], { stdio: "ignore", detached: true });
    try {
      for (let round = 0; round < 50; round++) assert.deepEqual((await diskUse(path)).users, []);
    } finally {
      // The shell and what it has just started.
      process.kill(-(crowd.pid as number), "SIGKILL");
      await once(crowd, "exit");
    }
  });

  it("are none of a folder, and an error where nothing is", async () => {
    assert.deepEqual(await diskUse("/"), { users: [], unseen: [] });
    await assert.rejects(diskUse(scratchPath("nothing")), luksError("invalid_argument"));
    const misspelled: object = { prozesses: true };
    await assert.rejects(diskUse(someFile(), misspelled), luksError("invalid_argument"));
  });
});

describe("a device that is open to be changed", () => {
  it("is looked at again right before the first write", async () => {
    const path = someFile();
    const before = readFileSync(path);
    await withDevice("try", path, "exclusive", async (device) => {
      await device.claim?.();
      await during(writerOf(path), async () => {
        const lost = Buffer.from("lost");
        const writes = [device.write(0, lost), device.write(512, lost)];
        await Promise.all(writes.map((one) => assert.rejects(one, luksError("busy"))));
        await assert.rejects(device.write(0, lost), luksError("busy"));
        await assert.rejects(async () => device.requireUnused?.(), luksError("busy"));
        await assert.rejects(async () => device.resize?.(2 * mebibyte), luksError("busy"));
      });
    });
    assert.ok(before.equals(readFileSync(path)));
  });

  it("is changed without a lock where no program takes one", async () => {
    const missing = ((_program: string, args: string[], options: object) =>
      spawn("/nonexistent/flock", args, options)) as typeof spawn;
    const forbidden = (() => {
      throw new Error("Access to this API has been restricted");
    }) as unknown as typeof spawn;
    const file = await open(someFile(), "r+");
    assert.equal(await holdFile(file.fd, missing), "unavailable");
    assert.equal(await holdFile(file.fd, forbidden), "unavailable");
    assert.equal(await holdFile(file.fd), "held");
    await file.close();
  });
});

describe("what people are told of a disk's users", () => {
  it("has no control characters, whatever a process or folder is called", () => {
    const text = describeDiskUse([
      { type: "process", pid: 7, program: "a\u001b[31m\nb", holds: "write access" },
      { type: "mount", device: "/dev/sdb1", folder: "/a\u0007", pid: undefined },
    ]);
    assert.doesNotMatch(text, /\p{Cc}/u);
    assert.match(text, /process 7 has it open for writing \(a\?\[31m\?b\); \/dev\/sdb1 is mounted/);
  });

  it("says what to do first, from the top to the bottom", () => {
    const text = describeDiskUse([
      { type: "loop", device: "/dev/loop3", file: "/srv/disk.img", isCertain: true },
      {
        type: "mapping",
        on: "/dev/loop3",
        name: "secret",
        uuid: "CRYPT-LUKS2-0-secret",
        mountedAt: ["/mnt"],
      },
    ]);
    assert.equal(
      text,
      "it is in use: /dev/loop3 shows it; /dev/mapper/secret uses it and is mounted at /mnt; first umount /mnt, then cryptsetup close secret, then losetup --detach /dev/loop3",
    );
  });

  it("is not much, however many there are", () => {
    const users = Array.from({ length: 40 }, (_, index) => ({
      type: "process" as const,
      pid: index + 1,
      program: "writer",
      holds: "write access" as const,
    }));
    assert.match(describeDiskUse(users), /; and 36 more; first /);
    assert.ok(describeDiskUse(users).length < 500);
  });
});

const mount = (folder: string, number: string, root = "/") => ({
  id: "1",
  number,
  root,
  folder,
  type: "ext4",
  source: "none",
});

const namespace = (...mounts: ReturnType<typeof mount>[]): MountNamespace => ({
  pid: undefined,
  mounts,
});

describe("a path in two mount namespaces", () => {
  it("leads to the same place only by the same mount", () => {
    const host = namespace(mount("/", "8:1"), mount("/srv", "8:2"));
    const service = namespace(mount("/", "8:1"), mount("/srv", "8:2"), mount("/tmp", "8:1", "/t"));
    const container = namespace(mount("/", "0:40"));
    assert.equal(placeOf("/srv/disk.img", host), placeOf("/srv/disk.img", service));
    assert.notEqual(placeOf("/tmp/disk.img", host), placeOf("/tmp/disk.img", service));
    assert.notEqual(placeOf("/srv/disk.img", host), placeOf("/srv/disk.img", container));
    // A name that only begins like a mount's is not below it; of two mounts at one place the later counts.
    assert.match(placeOf("/srv2/disk.img", host), /^8:1 /);
    assert.match(placeOf("/srv/x", namespace(...host.mounts, mount("/srv", "8:3"))), /^8:3 /);
    assert.equal(placeOf("/srv/x", namespace()), "  /srv/x");
  });
});

const readerOfDisk = (disk: Buffer) => async (offset: number, length: number) =>
  disk.subarray(offset, offset + length);

describe("a physical volume of LVM", () => {
  const id = "AbCdEf-1234-5678-9012-3456-7890-GhIjKl";
  /** As pvcreate and vgcreate lay it out; the metadata begins `offset` bytes into its area. */
  function physicalVolume(offset: number, areaBytes = 16 * 1024): Buffer {
    const disk = Buffer.alloc(64 * 1024);
    const label = disk.subarray(512, 1024);
    label.write("LABELONE", 0, "latin1");
    label.writeUInt32LE(32, 20);
    label.write("LVM2 001", 24, "latin1");
    // A data area, the end of that list, a metadata area, the end.
    label.writeBigUInt64LE(32768n, 32 + 40);
    label.writeBigUInt64LE(4096n, 32 + 40 + 32);
    label.writeBigUInt64LE(BigInt(areaBytes), 32 + 40 + 40);
    const area = disk.subarray(4096, 4096 + areaBytes);
    area.write(" LVM2 x[5A%r0N*>", 4, "latin1");
    const text = `vg-1 {\nid = "${id}"\nseqno = 3\n}\n`;
    area.writeBigUInt64LE(BigInt(offset), 40);
    area.writeBigUInt64LE(BigInt(text.length), 48);
    const first = text.slice(0, Math.max(0, areaBytes - offset));
    if (offset < areaBytes) area.write(first, offset, "latin1");
    area.write(text.slice(first.length), 512, "latin1");
    return disk;
  }

  it("names its group, also where the metadata goes round the end of its area", async () => {
    const group = { name: "vg-1", id: id.replaceAll("-", "") };
    for (const offset of [512, 4096, 16 * 1024 - 20]) {
      assert.deepEqual(await volumeGroupOf(readerOfDisk(physicalVolume(offset))), group);
    }
  });

  it("is none whatever else is there", async () => {
    const damaged = [
      Buffer.alloc(0),
      Buffer.alloc(64 * 1024),
      physicalVolume(512).subarray(0, 1000),
      physicalVolume(512).subarray(0, 4200),
      physicalVolume(100),
      physicalVolume(1 << 20),
    ];
    for (const position of [512 + 20, 512 + 32 + 40 + 32, 4096 + 40, 4096 + 48]) {
      const disk = physicalVolume(512);
      disk.fill(0xff, position, position + 4);
      damaged.push(disk);
    }
    for (const [index, disk] of damaged.entries()) {
      assert.equal(await volumeGroupOf(readerOfDisk(disk)), undefined, `disk ${index}`);
    }
  });
});
