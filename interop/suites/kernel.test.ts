import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import {
  convertImage,
  decryptImage,
  encryptImage,
  type ImageFormat,
  readLuks,
  reencryptImage,
} from "@chatelaine/luks";
import { type GuestResult, runInGuest } from "../guest/guest.ts";
import { runTool } from "../host/run-tool.ts";
import { LuksMatrix } from "../luks-matrix.ts";

const folder = mkdtempSync(join(tmpdir(), "kernel-"));
after(() => rmSync(folder, { recursive: true, force: true }));
const passphrase = Buffer.from("00112233445566778899aabbccddeeff");
const slot = { passphrase, entropyBits: 128 };
const mebibyte = 1024 * 1024;

/** What we write, and the kernel reads and changes. */
const ours: {
  name: string;
  format: ImageFormat;
  inPlace: boolean;
  reencrypt?: boolean;
  /** What the image is then made, where it lies. */
  convert?: ImageFormat;
}[] = [];
for (const inPlace of [true, false]) {
  for (const bits of [256, 512] as const) {
    for (const sectorSize of [512, 1024, 2048, 4096] as const) {
      const format = {
        version: 2,
        keyslots: [slot],
        volumeKeyBitLength: bits,
        sectorSize,
      } as const;
      ours.push({
        name: `luks2-xts${bits}-${sectorSize}-${inPlace ? "place" : "copy"}`,
        format,
        inPlace,
      });
    }
  }
}
for (const [cipher, bits] of [
  ["aes-xts-plain64", 512],
  ["aes-xts-plain64", 256],
  ["aes-cbc-essiv:sha256", 256],
  ["aes-cbc-plain", 256],
] as const) {
  const format = { version: 1, keyslots: [slot], cipher, volumeKeyBitLength: bits } as const;
  ours.push({ name: `luks1-${cipher.replace(":", "-")}-${bits}`, format, inPlace: true });
}
ours.push({
  name: "luks2-reencrypted",
  format: { version: 2, keyslots: [slot], sectorSize: 4096 },
  inPlace: true,
  reencrypt: true,
});
ours.push({
  name: "luks1-reencrypted",
  format: { version: 1, keyslots: [slot] },
  inPlace: true,
  reencrypt: true,
});
ours.push({
  name: "luks1-from-luks2",
  format: { version: 2, keyslots: [slot], sectorSize: 4096 },
  inPlace: true,
  convert: { version: 1, keyslots: [slot], cipher: "aes-cbc-essiv:sha256" },
});
ours.push({
  name: "luks2-from-luks1",
  format: { version: 1, keyslots: [slot] },
  inPlace: true,
  convert: { version: 2, keyslots: [slot], sectorSize: 2048 },
});

/** What cryptsetup formats and the kernel writes, and we read. */
const theirs: { name: string; options: string }[] = [
  ...[512, 1024, 2048, 4096].map((size) => ({
    name: `kernel-luks2-${size}`,
    options: `--type luks2 --sector-size ${size}`,
  })),
  { name: "kernel-luks2-256", options: "--type luks2 --sector-size 512 --key-size 256" },
  {
    name: "kernel-luks2-essiv",
    options: "--type luks2 --sector-size 512 --cipher aes-cbc-essiv:sha256 --key-size 256",
  },
  { name: "kernel-luks1", options: "--type luks1" },
  {
    name: "kernel-luks1-essiv",
    options: "--type luks1 --cipher aes-cbc-essiv:sha256 --key-size 256",
  },
  { name: "kernel-luks1-plain", options: "--type luks1 --cipher aes-cbc-plain --key-size 128" },
  // As Tomb makes it.
  {
    name: "kernel-luks1-tomb",
    options: "--type luks1 --cipher aes-xts-plain64:sha256 --key-size 512",
  },
  {
    name: "kernel-luks2-tomb",
    options:
      "--type luks2 --sector-size 512 --cipher aes-xts-plain64:sha256 --key-size 512 --keyslot-cipher aes-xts-plain64 --keyslot-key-size 512",
  },
  { name: "kernel-luks1-ripemd160", options: "--type luks1 --hash ripemd160" },
];

/** What only the kernel reads. */
const kernels: { name: string; options: string }[] = ["serpent", "twofish"].flatMap((cipher) =>
  ["luks1", "luks2"].map((type) => ({
    name: `kernel-${type}-${cipher}`,
    options: `--type ${type} --cipher ${cipher}-xts-plain64 --key-size 512`,
  })),
);

const matrix = new LuksMatrix();
after(() => matrix.print());

let guest: GuestResult;
const content = randomBytes(3_000_001);

before(async () => {
  const files = join(folder, "files");
  mkdirSync(files);
  writeFileSync(join(files, "content"), content);
  const raw = join(folder, "raw");
  writeFileSync(raw, "");
  truncateSync(raw, 12 * mebibyte);
  runTool("mke2fs", ["-q", "-F", "-t", "ext4", "-b", "4096", "-d", files, raw]);
  writeFileSync(join(folder, "key"), passphrase);
  for (const { name, format, inPlace, reencrypt, convert } of ours) {
    const image = join(folder, name);
    if (inPlace) {
      copyFileSync(raw, image);
      await encryptImage(image, { format });
    } else {
      await encryptImage(raw, { format, target: image });
    }
    if (reencrypt) await reencryptImage(image, { passphrase, keyslots: [slot] });
    if (convert) await convertImage(image, { passphrase, format: convert });
  }
  for (const { name } of [...theirs, ...kernels]) {
    writeFileSync(join(folder, name), "");
    truncateSync(join(folder, name), 28 * mebibyte);
  }
  guest = await runInGuest(["bash", "-c", guestScript()], {
    shares: [folder],
    memoryMiB: 768,
    timeoutSeconds: 500,
  });
});

/** One boot for all disks: each line that it prints is the outcome of one. */
function guestScript(): string {
  const kdf = "--pbkdf pbkdf2 --pbkdf-force-iterations 1000";
  return `
cd ${folder}
mkdir -p /mnt/disk
use() { # NAME COMMAND…: opens, mounts, runs, closes
  local name=$1; shift
  cryptsetup open --key-file key "$name" "$name" &&
  mount /dev/mapper/"$name" /mnt/disk && "$@" && umount /mnt/disk && cryptsetup close "$name" &&
  echo "$name ok" && return
  echo "$name failed"; umount /mnt/disk; cryptsetup close "$name"
}
read_and_write() { cmp /mnt/disk/content files/content && cp files/content /mnt/disk/copy && rm /mnt/disk/content; }
write_only() { cp files/content /mnt/disk/copy; }
${ours.map(({ name }) => `use ${name} read_and_write`).join("\n")}
format() { # NAME OPTIONS…
  local name=$1; shift
  cryptsetup luksFormat -q ${kdf} "$@" --key-file key "$name" &&
  cryptsetup open --key-file key "$name" "$name" && mke2fs -q -t ext4 /dev/mapper/"$name" && cryptsetup close "$name"
}
${[...theirs, ...kernels].map(({ name, options }) => `format ${name} ${options} && use ${name} write_only`).join("\n")}
`;
}

describe("the kernel's dm-crypt", () => {
  for (const { name } of ours) {
    it(`mounts and changes ${name}, and we read its changes`, async () => {
      await readBack(name);
      const image = join(folder, name);
      await matrix.addDisk("chatelaine", "Linux", image, name.split("-").at(-1));
      await matrix.addDisk("Linux", "chatelaine", image);
    });
  }
  for (const { name } of theirs) {
    it(`writes ${name}, and we read it`, async () => {
      await readBack(name);
      await matrix.addDisk("cryptsetup, Linux", "chatelaine", join(folder, name));
    });
  }
  for (const { name } of kernels) {
    it(`writes ${name}, and we name the command that opens it`, async () => {
      assert.match(guest.stdout, new RegExp(`^${name} ok$`, "m"), guest.stderr + guest.console);
      const path = join(folder, name);
      const type = name.split("-")[1] ?? "";
      const { uuid } = await readLuks(path);
      await assert.rejects(decryptImage(path, { passphrase, target: `${path}.raw` }), {
        code: "unsupported",
        message: new RegExp(
          `: open it with "cryptsetup open --type ${type} ${path} luks-${uuid}"$`,
        ),
      });
    });
  }
});

/** The file that the guest copied, and a file system without a fault, as we decrypt them. */
async function readBack(name: string): Promise<void> {
  assert.match(guest.stdout, new RegExp(`^${name} ok$`, "m"), guest.stderr + guest.console);
  const raw = join(folder, `${name}.raw`);
  await decryptImage(join(folder, name), { passphrase, target: raw });
  runTool("e2fsck", ["-fn", raw]);
  const copy = join(folder, `${name}.copy`);
  runTool("debugfs", ["-R", `dump /copy ${copy}`, raw]);
  assert.equal(hashOf(readFileSync(copy)), hashOf(content));
}

function hashOf(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

describe("headers of cryptsetup's, on real devices", () => {
  it("keep persistent flags, tokens and slots that are not bound to the data; such a slot opens nothing", async () => {
    const shared = mkdtempSync(join(tmpdir(), "kernel-kept-"));
    try {
      const program = fileURLToPath(new URL("../guest/kept.ts", import.meta.url));
      const result = await runInGuest([process.execPath, program, shared], {
        shares: [shared],
        disks: [28 << 20, 40 << 20],
        environment: { NODE_NO_WARNINGS: "1" },
        timeoutSeconds: 600,
      });
      assert.equal(result.status, 0, result.stdout + result.stderr + result.console);
      const kept = [...result.stdout.matchAll(/^\{"kept":"(.*)"\}$/gm)].map(([, kind]) => kind);
      assert.deepEqual(kept, ["a disk", "a loop device", "a logical volume"]);
    } finally {
      rmSync(shared, { recursive: true });
    }
  });
});
