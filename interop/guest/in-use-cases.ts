import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import {
  existsSync,
  linkSync,
  mkdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { fileURLToPath } from "node:url";
import {
  addKeyslot,
  convertImage,
  decryptImage,
  diskUse,
  encryptImage,
  formatLuks2,
  killKeyslot,
  reencryptImage,
  resumeImage,
  withOpenDisk,
} from "@chatelaine/luks";
import { during, otherProgram, writerOf } from "../../packages/luks/test/other-program.ts";
import { waitFor } from "../host/wait-for.ts";

// What the kernel does with disks, for the program `in-use.ts` in the guest. The disks /dev/ubdb and /dev/ubdc are blank
// before each case, and the folder is on a file system of its own.

export const folder = "/mnt/work";
const mountPoint = "/mnt/place";
const mebibyte = 1024 * 1024;
const passphrase = Buffer.from("00112233445566778899aabbccddeeff");
const slot = { passphrase, entropyBits: 128 };
const layout = { keyslots: [slot], dataOffset: 2 * mebibyte };
const format = { version: 2, ...layout } as const;

/** By what a user sees. Each leaves nothing mounted, mapped or attached. */
export const inUseCases: Readonly<Record<string, () => Promise<void>>> = {
  "refuses an image that is mounted by a loop device, and says where": async () => {
    const image = fileSystemImage("mounted");
    const loop = attach(image);
    run("mount", loop, mountPoint);
    await refused(
      encrypt(image),
      `encrypt image ${image}: it is in use: ${loop} shows it; ${loop} is mounted at ${mountPoint}; first umount ${mountPoint}, then losetup --detach ${loop}`,
    );
    run("umount", mountPoint);
    await refused(encrypt(image), `${loop} shows it; first losetup --detach ${loop}`);
    detach(loop);
    await encrypt(image);
    await decryptImage(image, { passphrase });
    run("e2fsck", "-fn", image);
  },

  "refuses every change in place of an image on a loop device": async () => {
    const luks = await luksImage("luks");
    const begun = fileSystemImage("begun");
    await encryptImage(begun, { format, onlyBegin: true });
    const blank = blankFile("blank", 4 * mebibyte);
    const write = { access: "write" } as const;
    const changes: [string, (path: string) => Promise<unknown>][] = [
      [luks, (path) => decryptImage(path, { passphrase })],
      [luks, (path) => reencryptImage(path, { passphrase, keyslots: [slot] })],
      [luks, (path) => convertImage(path, { passphrase, format: { ...format, sectorSize: 4096 } })],
      [luks, (path) => withOpenDisk(path, passphrase, async () => undefined, write)],
      [begun, (path) => resumeImage(path, { passphrase })],
      [blank, (path) => formatLuks2(path, layout)],
    ];
    for (const [path, change] of changes) {
      const before = readFileSync(path);
      const loop = attach(path);
      await refused(change(path), `${loop} shows it`);
      detach(loop);
      assert.ok(before.equals(readFileSync(path)));
    }
    for (const [path, change] of changes.slice(3)) await change(path);
  },

  "knows an image by its hard links and bind mounts": async () => {
    const image = fileSystemImage("image");
    const link = `${folder}/link`;
    linkSync(image, link);
    const [place, file] = [`${folder}/place`, `${folder}/file`];
    mkdirSync(place);
    writeFileSync(file, "");
    run("mount", "--bind", folder, place);
    run("mount", "--bind", image, file);
    for (const name of [link, `${place}/image`, file]) {
      const loop = attach(name);
      await refused(encrypt(image), `${loop} shows it`);
      detach(loop);
      await during(writerOf(name), (pid) =>
        refused(encrypt(image), `process ${pid} has it open for writing (sh)`),
      );
    }
    run("umount", file);
    run("umount", place);
    await encrypt(image);
  },

  "knows an image that was attached in another mount namespace, and after that is gone":
    async () => {
      const image = fileSystemImage("image");
      const hidden = "/mnt/hidden";
      const script = `mount --bind ${folder} ${hidden} && losetup --find --show ${hidden}/image && read line`;
      mkdirSync(hidden, { recursive: true });
      const elsewhere = otherProgram(`exec unshare --mount sh -c '${script}'`, "sh");
      await during(elsewhere, () => refused(encrypt(image), "/dev/loop0 shows it"));
      await refused(
        encrypt(image),
        "/dev/loop0 may show it, because its backing file is no longer at ",
      );
      detach("/dev/loop0");
      await encrypt(image);
    },

  "refuses an image whose loop device knows it by a name that was deleted": async () => {
    const image = fileSystemImage("image");
    const link = `${folder}/link`;
    linkSync(image, link);
    const loop = attach(link);
    rmSync(link);
    await refused(
      encrypt(image),
      `${loop} may show it, because its backing file is no longer at ${link} (deleted)`,
    );
    const smaller = blankFile("smaller", 3 * mebibyte);
    assert.deepEqual((await diskUse(smaller)).users, []);
    detach(loop);
    const readOnly = attach(image, "--read-only");
    await refused(encrypt(image), `${readOnly} shows it`);
    detach(readOnly);
    await encrypt(image);
  },

  "refuses a loop device whose file others use": async () => {
    const image = fileSystemImage("image");
    const [mounted, ours] = [attach(image), attach(image)];
    run("mount", mounted, mountPoint);
    const journal = { journal: `${folder}/journal` };
    await refused(encrypt(ours, journal), `${mounted} is mounted at ${mountPoint}`);
    run("umount", mountPoint);
    detach(mounted);
    await during(writerOf(image), (pid) =>
      refused(encrypt(ours, journal), `process ${pid} has it open for writing`),
    );
    detach(ours);
  },

  "stops, to go on later, when a loop device is attached in the middle of the work": async () => {
    const image = blankFile("image", 12 * mebibyte);
    const content = Buffer.alloc(12 * mebibyte, "precious");
    writeFileSync(image, content);
    let loop: string | undefined;
    const onProgress = () => {
      loop ??= attach(image);
    };
    await refused(encryptImage(image, { format, onProgress }), "/dev/loop0 shows it");
    await refused(resumeImage(image, { passphrase }), "/dev/loop0 shows it");
    detach(loop ?? "");
    assert.equal(await resumeImage(image, { passphrase }), true);
    await decryptImage(image, { passphrase });
    assert.ok(content.equals(readFileSync(image)));
  },

  "refuses a device that is mounted, here or in another mount namespace": async () => {
    run("mke2fs", "-q", "-t", "ext4", "/dev/ubdb");
    run("mount", "/dev/ubdb", mountPoint);
    await refused(
      formatDisk("/dev/ubdb", "ext"),
      `format /dev/ubdb: it is in use: /dev/ubdb is mounted at ${mountPoint}; first umount ${mountPoint}`,
    );
    run("umount", mountPoint);
    const script = `mount /dev/ubdb ${mountPoint} && echo ready && read line`;
    await during(otherProgram(`exec unshare --mount sh -c '${script}'`, "sh"), async (pid) => {
      await refused(
        formatDisk("/dev/ubdb", "ext"),
        `/dev/ubdb is mounted at ${mountPoint}, as process ${pid} sees it`,
      );
      const journal = { journal: `${folder}/journal`, allowDestroyingData: ["unrecognised"] };
      await refused(encrypt("/dev/ubdb", journal), "as process");
    });
    await formatDisk("/dev/ubdb", "ext");
  },

  "refuses a device that another process writes to, by any node": async () => {
    const [major = "", minor = ""] = readFileSync("/sys/class/block/ubdb/dev", "ascii")
      .trim()
      .split(":");
    const node = "/run/other-node";
    run("mknod", node, "b", major, minor);
    for (const name of [node, "/dev/ubdb"]) {
      await during(writerOf(name), (pid) =>
        refused(
          formatDisk("/dev/ubdb"),
          `process ${pid} has it open for writing (sh); first stop process ${pid}`,
        ),
      );
    }
    rmSync(node);
    await formatDisk("/dev/ubdb");
  },

  "refuses a disk with a partition in use, and a partition of a disk in use": async () => {
    partition("/dev/ubdb");
    run("mke2fs", "-q", "-t", "ext4", "/dev/ubdb1");
    run("mount", "/dev/ubdb1", mountPoint);
    await refused(formatDisk("/dev/ubdb", "mbr"), `/dev/ubdb1 is mounted at ${mountPoint}`);
    assert.deepEqual((await diskUse("/dev/ubdb2")).users, []);
    run("umount", mountPoint);
    await during(writerOf("/dev/ubdb2"), (pid) =>
      refused(formatDisk("/dev/ubdb", "mbr"), `process ${pid} has it open`),
    );
    await during(writerOf("/dev/ubdb"), (pid) =>
      refused(formatDisk("/dev/ubdb2"), `process ${pid} has it open`),
    );
    run("mkswap", "/dev/ubdb1");
    run("swapon", "/dev/ubdb1");
    await refused(
      formatDisk("/dev/ubdb", "mbr"),
      "/dev/ubdb1 is swap space; first swapoff /dev/ubdb1",
    );
    run("swapoff", "/dev/ubdb1");
    await formatDisk("/dev/ubdb2");
  },

  "refuses swap space, a device or a file": async () => {
    const file = blankFile("swap", mebibyte);
    writeFileSync(file, Buffer.alloc(mebibyte), { mode: 0o600 });
    for (const place of ["/dev/ubdb", file]) {
      run("mkswap", place);
      run("swapon", place);
      const options = { keyslots: [slot], dataOffset: mebibyte, allowDestroyingData: ["swap"] };
      const change = place === file ? encrypt(file) : formatLuks2(place, options);
      await refused(change, `${place} is swap space; first swapoff ${place}`);
      run("swapoff", place);
    }
    await encrypt(file);
  },

  "refuses a physical volume of LVM, even one that no active volume is on": async () => {
    run("pvcreate", "-q", "/dev/ubdb", "/dev/ubdc");
    run("vgcreate", "-q", "vg", "/dev/ubdb", "/dev/ubdc");
    run("lvcreate", "-q", "-y", "-L", "8M", "-n", "data", "vg", "/dev/ubdb");
    run("mke2fs", "-q", "-t", "ext4", "/dev/vg/data");
    run("mount", "/dev/vg/data", mountPoint);
    await refused(
      encryptDevice("/dev/ubdb"),
      `/dev/mapper/vg-data uses it and is mounted at ${mountPoint}; first umount ${mountPoint}, then lvchange --activate n /dev/mapper/vg-data`,
    );
    await refused(
      encryptDevice("/dev/ubdc"),
      "it belongs to the LVM volume group vg, in which vg-data is active; first vgchange --activate n vg",
    );
    await refused(encryptDevice("/dev/vg/data"), `/dev/mapper/vg-data is mounted at ${mountPoint}`);
    run("umount", mountPoint);
    run("vgchange", "-q", "--activate", "n", "vg");
    for (const device of ["/dev/ubdb", "/dev/ubdc"]) {
      assert.deepEqual((await diskUse(device)).users, []);
    }
    run("vgremove", "-q", "-y", "vg");
  },

  "refuses a disk under its open mapping, but adds and removes key slots": async () => {
    await formatDisk("/dev/ubdb");
    const image = await luksImage("image");
    for (const path of ["/dev/ubdb", image]) {
      execFileSync("cryptsetup", ["open", "--key-file=-", path, "secret"], { input: passphrase });
      const options = { passphrase, keyslots: [slot], journal: `${folder}/journal` };
      await refused(
        reencryptImage(path, options),
        "/dev/mapper/secret uses it; first cryptsetup close secret",
      );
      const other = { passphrase: Buffer.from("another one of sixteen bytes"), entropyBits: 128 };
      await killKeyslot(path, await addKeyslot(path, passphrase, other));
      run("cryptsetup", "close", "secret");
      await reencryptImage(path, options);
    }
    // Something else than LUKS uses it, to which the header is data.
    run("dmsetup", "create", "other", "--table", "0 2048 linear /dev/ubdb 0");
    await refused(
      addKeyslot("/dev/ubdb", passphrase, { passphrase: Buffer.from("x") }),
      "/dev/mapper/other uses it; first dmsetup remove other",
    );
    run("dmsetup", "remove", "other");
  },

  "refuses a member of a RAID": async () => {
    run("modprobe", "raid1");
    const md = "/sys/block/md_inuse/md";
    writeFileSync("/sys/module/md_mod/parameters/new_array", "md_inuse");
    writeFileSync(`${md}/level`, "raid1");
    writeFileSync(`${md}/raid_disks`, "1");
    writeFileSync(`${md}/new_dev`, readFileSync("/sys/class/block/ubdb/dev", "ascii").trim());
    await refused(formatDisk("/dev/ubdb"), "/dev/md_inuse uses it");
    writeFileSync(`${md}/array_state`, "clear");
    await formatDisk("/dev/ubdb");
  },

  "refuses an image that an NBD server shows, also one that only reads": async () => {
    const image = fileSystemImage("image");
    for (const access of [[], ["--read-only"]]) {
      const socket = "/run/nbd.sock";
      const words = [...access, "-f", "raw", "-t", "-k", socket, image];
      const server = spawn("qemu-nbd", words, { stdio: "inherit" });
      const ends = once(server, "exit");
      try {
        await waitFor("the NBD server", 60, () => existsSync(socket) || undefined);
        await refused(encrypt(image), `process ${server.pid} has `);
      } finally {
        server.kill();
        await ends;
        rmSync(socket, { force: true });
      }
    }
    await encrypt(image);
  },

  "says how many processes it could not look at without root": async () => {
    const image = fileSystemImage("image");
    run("chmod", "666", image);
    run("chmod", "755", folder);
    const program = fileURLToPath(new URL("in-use.ts", import.meta.url));
    const seen = execFileSync(process.execPath, [program, "as-nobody", image], {
      encoding: "utf8",
    });
    assert.match(seen, /^the open files of \d+ processes of other users\n$/);
  },
};

async function refused(change: Promise<unknown>, message: string): Promise<void> {
  await assert.rejects(change, (error: Error & { readonly code?: string }) => {
    assert.ok(error.message.includes(message), `${error.message}\ndoes not say\n${message}`);
    assert.equal(error.code, "busy");
    return true;
  });
}

function encrypt(
  path: string,
  options: { readonly journal?: string; readonly allowDestroyingData?: readonly string[] } = {},
): Promise<void> {
  return encryptImage(path, { format, ...options });
}

function formatDisk(path: string, ...allowDestroyingData: readonly string[]): Promise<unknown> {
  return formatLuks2(path, { keyslots: [slot], allowDestroyingData });
}

/** A device needs a journal, and its end need not be zeroes. */
function encryptDevice(path: string): Promise<void> {
  return encrypt(path, {
    journal: `${folder}/journal`,
    allowDestroyingData: ["unrecognised"],
  });
}

function blankFile(name: string, bytes: number): string {
  const path = `${folder}/${name}`;
  writeFileSync(path, "");
  truncateSync(path, bytes);
  return path;
}

function fileSystemImage(name: string): string {
  const path = blankFile(name, 4 * mebibyte);
  run("mke2fs", "-q", "-F", "-t", "ext4", path);
  return path;
}

async function luksImage(name: string): Promise<string> {
  const path = fileSystemImage(name);
  await encrypt(path);
  return path;
}

/** Two of 20 MiB, in a table of the old kind. */
function partition(disk: string): void {
  const table = Buffer.alloc(512);
  for (const [index, start] of [2048, 43_008].entries()) {
    const entry = table.subarray(446 + 16 * index);
    entry[4] = 0x83;
    entry.writeUInt32LE(start, 8);
    entry.writeUInt32LE(40_960, 12);
  }
  table.write("55aa", 510, "hex");
  execFileSync("dd", [`of=${disk}`, "conv=notrunc,fsync", "status=none"], { input: table });
  run("blockdev", "--rereadpt", disk);
}

function attach(path: string, ...how: readonly string[]): string {
  return run("losetup", "--find", "--show", ...how, path).trim();
}

function detach(loop: string): void {
  run("losetup", "--detach", loop);
}

function run(program: string, ...words: readonly string[]): string {
  return execFileSync(program, words, { encoding: "utf8" });
}
