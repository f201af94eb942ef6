// Runs inside the guest kernel, as root: `node kept.ts FOLDER`. Prints a line for each kind of device.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import {
  addKeyslot,
  changePassphrase,
  convertImage,
  decryptImage,
  killKeyslot,
  reencryptImage,
  testPassphrase,
} from "@chatelaine/luks";
import { forgeText, headerText, writeAt } from "./forged-header.ts";

const [folder = ""] = process.argv.slice(2);
const [one, two] = ["00112233445566778899aabbccddeeff", "ffeeddccbbaa99887766554433221100"];
const slot = { passphrase: Buffer.from(one), entropyBits: 128 };
const unbound = { passphrase: Buffer.from(two), entropyBits: 128 };
const keyFile = { one: join(folder, "one"), two: join(folder, "two") };
writeFileSync(keyFile.one, one);
writeFileSync(keyFile.two, two);
const minimal = ["--pbkdf", "pbkdf2", "--pbkdf-force-iterations", "1000"];
const persistent = ["--allow-discards", "--perf-no_read_workqueue", "--perf-no_write_workqueue"];
const token = '{"type":"of-another","keyslots":["0"],"serial":9007199254740993,"float":1.0}';
const settings = '"x-settings":{"rate":1.0}';
const mountPoint = "/mnt/kept";
mkdirSync(mountPoint, { recursive: true });

for (const [kind, device] of devices()) {
  await keeps(kind.replaceAll(" ", "-"), device);
  console.log(JSON.stringify({ kept: kind }));
}

function devices(): readonly (readonly [string, string])[] {
  run("pvcreate", "-q", "/dev/ubdb");
  run("vgcreate", "-q", "vg", "/dev/ubdb");
  run("lvcreate", "-q", "-y", "-L", "28M", "-n", "kept", "vg");
  const file = "/run/kept.img";
  run("truncate", "--size=28M", file);
  return [
    ["a disk", "/dev/ubda"],
    ["a loop device", run("losetup", "--find", "--show", file).trim()],
    ["a logical volume", "/dev/vg/kept"],
  ];
}

async function keeps(name: string, device: string): Promise<void> {
  const content = randomBytes(1_000_003);
  const { serial, written, key } = prepare(device, content);
  const journal = join("/run", `${name}.journal`);
  const { passphrase } = slot;
  const by = unbound.passphrase;

  // Nobody gets in, or makes noise of the data, by the slot that is not bound to it.
  const format = { version: 2, keyslots: [unbound] } as const;
  for (const act of [
    () => testPassphrase(device, by),
    () => addKeyslot(device, by, slot),
    () => changePassphrase(device, by, slot),
    () => decryptImage(device, { passphrase: by, journal }),
    () => reencryptImage(device, { passphrase: by, keyslots: [unbound], journal }),
    () => convertImage(device, { passphrase: by, format, journal }),
  ]) {
    await assert.rejects(act, { code: "wrong_passphrase" });
  }
  await assert.rejects(killKeyslot(device, 0), { code: "last_slot" });
  isMountable(device, content);

  const isKept = () => {
    const text = headerText(device);
    for (const part of [written, settings, serial]) assert.ok(text.includes(part), text);
    assert.ok(unboundKeyOf(device).equals(key));
    isMountable(device, content);
  };
  isKept();
  assert.equal(await addKeyslot(device, passphrase, { ...slot, slot: 7 }), 7);
  await killKeyslot(device, 7);
  isKept();
  await reencryptImage(device, { passphrase, keyslots: [slot], journal });
  isKept();
  const other = { version: 2, keyslots: [slot], sectorSize: 4096 } as const;
  await convertImage(device, { passphrase, format: other, journal });
  isKept();
  await decryptImage(device, { passphrase, journal });
  run("mount", device, mountPoint);
  hasContent(content);
  run("umount", mountPoint);
}

/** A disk of cryptsetup's with a file system, persistent flags, a slot that is not bound, and what others wrote. */
function prepare(device: string, content: Uint8Array) {
  writeAt(device, 0, Buffer.alloc(1 << 20));
  const format = ["luksFormat", "-q", "--type", "luks2", "--sector-size", "512", ...minimal];
  cryptsetup(...format, "--key-file", keyFile.one, device);
  cryptsetup("open", "--key-file", keyFile.one, device, "kept");
  run("mke2fs", "-q", "-t", "ext4", "-b", "4096", "/dev/mapper/kept");
  run("mount", "/dev/mapper/kept", mountPoint);
  writeFileSync(join(mountPoint, "content"), content);
  run("umount", mountPoint);
  cryptsetup("refresh", "--persistent", ...persistent, "--key-file", keyFile.one, "kept");
  cryptsetup("close", "kept");
  const add = ["luksAddKey", "-q", "--unbound", "--key-size", "512", ...minimal];
  cryptsetup(...add, "--key-file", keyFile.one, device, keyFile.two);
  const file = join("/run", "token");
  writeFileSync(file, token);
  cryptsetup("token", "import", "--token-id", "4", "--json-file", file, device);
  forgeText(device, (json) => json.replace('"config":{', `"config":{${settings},`));
  const written = /"4":(\{.*?\})/.exec(headerText(device))?.[1] ?? "";
  const serial = "9007199254740993";
  assert.ok(written.includes(serial), written);
  return { serial, written, key: unboundKeyOf(device) };
}

function unboundKeyOf(device: string): Buffer {
  const file = join("/run", "unbound.key");
  run("rm", "-f", file);
  const dump = ["luksDump", "-q", "--unbound", "--key-slot", "1", "--volume-key-file", file];
  cryptsetup(...dump, "--key-file", keyFile.two, device);
  return readFileSync(file);
}

/** By cryptsetup, with the persistent flags. */
function isMountable(device: string, content: Uint8Array): void {
  cryptsetup("open", "--key-file", keyFile.one, device, "kept");
  const table = run("dmsetup", "table", "kept");
  assert.match(table, /allow_discards.*no_read_workqueue.*no_write_workqueue/);
  run("mount", "/dev/mapper/kept", mountPoint);
  hasContent(content);
  run("umount", mountPoint);
  cryptsetup("close", "kept");
}

function hasContent(content: Uint8Array): void {
  assert.equal(hashOf(readFileSync(join(mountPoint, "content"))), hashOf(content));
}

function hashOf(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

function cryptsetup(...words: readonly string[]): string {
  return run("cryptsetup", ...words);
}

function run(command: string, ...words: readonly string[]): string {
  return execFileSync(command, words, { encoding: "utf8" });
}
