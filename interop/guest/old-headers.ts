// Runs inside the guest kernel, as root: `node old-headers.ts FOLDER`. /dev/ubda is a disk that was LUKS2 once, and then the
// data of a disk whose header is a file.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  closeSync,
  fsyncSync,
  openSync,
  readFileSync,
  readSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { type Caller, MemoryKeyManager, objectId } from "@chatelaine/keys";
import {
  addKeyslot,
  addToken,
  backupHeader,
  convertImage,
  decryptImage,
  encryptImage,
  foreignContent,
  killKeyslot,
  readLuks,
  reencryptImage,
  repairHeader,
  restoreHeader,
  unlock,
  withOpenDisk,
} from "@chatelaine/luks";
import {
  deleteVolume,
  encryptVolume,
  importVolume,
  openLedger,
  openVolume,
  type VolumeContext,
} from "@chatelaine/volumes";
import { laterContents, run } from "./later-contents.ts";

const [folder = ""] = process.argv.slice(2);
const disk = "/dev/ubda";
/** In memory, as all that the guest writes outside of the shared folder. */
const work = "/root";
const caller: Caller = { type: "project", projectId: "a", userId: "alice" };
const passphrase = Buffer.from("00112233445566778899aabbccddeeff");
const other = { passphrase: Buffer.from("ffeeddccbbaa99887766554433221100"), entropyBits: 128 };
const slot = { passphrase, entropyBits: 128 };
const key = join(work, "key");
writeFileSync(key, passphrase);
/** The largest size, so that what comes later lies before the second header. */
const secondary = 4 << 20;
const cheap = ["--pbkdf", "pbkdf2", "--pbkdf-force-iterations", "1000"];
const hello = Buffer.from("plaintext");

const ledger = openLedger({ path: join(folder, "ledger.sqlite") });
const keyManager = new MemoryKeyManager({ warn: () => undefined });
const volumes: VolumeContext = { keyManager, caller, ledger };
await oldHeaders();
for (const version of [1, 2] as const) await detachedHeaders(version);
await ledger.close();

async function oldHeaders(): Promise<void> {
  const contents = laterContents(disk);
  for (const { kind, make, use } of contents) {
    const backup = join(work, `${kind}.backup`);
    await formatAndLeave(make, backup);
    use();
    await refusesEverything(kind, backup);
    use();
    assert.equal(await repairHeader(disk, { over: [kind] }), true);
    run("cryptsetup", "luksDump", disk);
    run("cryptsetup", "open", "--test-passphrase", "--key-file", key, disk);
    console.log(`old header under ${kind}: refused, then repaired over it`);
  }
  for (const { kind, make, use } of contents.filter((one) => /lvm|ext/.test(one.kind))) {
    await formatAndLeave(make, join(work, `${kind}.second`));
    assert.equal(await repairHeader(disk, { over: ["luks"] }), true);
    use();
    await assert.rejects(readLuks(disk), { code: "not_luks" });
    assert.notEqual(status("cryptsetup", "isLuks", disk), 0);
    console.log(`old header under ${kind}: erased, and ${kind} stays`);
  }
}

/** LUKS2 by cryptsetup, and something else over it, as by tools that do not know the second header: some erase its magic. */
async function formatAndLeave(make: () => void, backup: string): Promise<void> {
  overwrite(0, new Uint8Array(16 << 20));
  const sizes = ["--luks2-metadata-size", "4m", "--luks2-keyslots-size", "4m"];
  run("cryptsetup", "luksFormat", "-q", "--type", "luks2", ...sizes, ...cheap, disk, key);
  await backupHeader(disk, backup);
  const magic = Buffer.from(bytesAt(secondary, 8));
  make();
  overwrite(secondary, magic);
}

async function refusesEverything(kind: string, backup: string): Promise<void> {
  const before = hash();
  assert.deepEqual(await foreignContent(disk), [kind]);
  const journal = join(work, "journal");
  const format = { version: 2, keyslots: [slot] } as const;
  const keyId = objectId(crypto.randomUUID());
  const attempts: Record<string, () => Promise<unknown>> = {
    addKeyslot: () => addKeyslot(disk, passphrase, other),
    killKeyslot: () => killKeyslot(disk, 0),
    addToken: () => addToken(disk, { type: "x", keyslots: [] }),
    repairHeader: () => repairHeader(disk),
    restoreHeader: () => restoreHeader(disk, backup),
    unlock: () => unlock(disk, passphrase),
    withOpenDisk: () =>
      withOpenDisk(disk, passphrase, (opened) => opened.write(0, hello), { access: "write" }),
    decryptImage: () => decryptImage(disk, { passphrase, journal }),
    reencryptImage: () => reencryptImage(disk, { passphrase, keyslots: [slot], journal }),
    convertImage: () => convertImage(disk, { passphrase, format, journal }),
    encryptImage: () => encryptImage(disk, { format, journal }),
    openVolume: () => openVolume(volumes, disk),
    importVolume: () => importVolume(volumes, disk, keyId),
    deleteVolume: () => deleteVolume(volumes, disk),
    encryptVolume: () => encryptVolume(volumes, disk, { journal }),
  };
  for (const [name, attempt] of Object.entries(attempts)) {
    await assert.rejects(attempt, { code: "ambiguous", holds: [kind] }, `${name} over ${kind}`);
    assert.equal(hash(), before, `${name} over ${kind} changed the disk`);
  }
  // As cryptsetup does.
  assert.notEqual(status("cryptsetup", "luksDump", disk), 0);
  assert.notEqual(status("cryptsetup", "open", "--test-passphrase", "--key-file", key, disk), 0);
  assert.equal(hash(), before);
}

async function detachedHeaders(version: 1 | 2): Promise<void> {
  overwrite(0, new Uint8Array(16 << 20));
  const header = join(work, `header${version}`);
  const type = ["--type", `luks${version}`, "--header", header];
  run("cryptsetup", "luksFormat", "-q", ...type, ...cheap, disk, key);
  // Room for data behind the header, which then seems to be a whole disk.
  run("truncate", "--size", "24M", header);
  usePlaintext(header, (device) => run("mke2fs", "-q", device));
  const before = readFileSync(header);
  const format = { version: 2, keyslots: [slot] } as const;
  const write = { access: "write" } as const;
  const loop = run("losetup", "--find", "--show", header).trim();
  const alone: Record<string, () => Promise<unknown>> = {
    decryptImage: () => decryptImage(header, { passphrase }),
    reencryptImage: () => reencryptImage(header, { passphrase, keyslots: [slot] }),
    convertImage: () => convertImage(header, { passphrase, format }),
    withOpenDisk: () => withOpenDisk(header, passphrase, (d) => d.write(0, hello), write),
    "withOpenDisk, the header behind a loop device": () =>
      withOpenDisk(loop, passphrase, (d) => d.write(0, hello), { ...write, header }),
    openVolume: () => openVolume(volumes, header),
  };
  for (const [name, attempt] of Object.entries(alone)) {
    await assert.rejects(attempt, refusedAsDetached, `${name} of LUKS${version}`);
    assert.ok(readFileSync(header).equals(before), `${name} of LUKS${version}`);
  }
  run("losetup", "--detach", loop);
  usePlaintext(header, (device) => run("e2fsck", "-fn", device));
  const magic = Buffer.alloc(2);
  await withOpenDisk(disk, passphrase, (opened) => opened.read(0x438, magic), { header });
  assert.equal(magic.toString("hex"), "53ef");
  console.log(`detached header of LUKS${version}: refused alone, opens its data`);
}

/** `busy` where something else is refused first: the loop device is in use, too. */
function refusedAsDetached(error: unknown): boolean {
  assert.ok(error instanceof Error && "code" in error);
  assert.ok(["unsupported", "busy"].includes(String(error.code)), error.message);
  return true;
}

function usePlaintext(header: string, use: (device: string) => unknown): void {
  run("cryptsetup", "open", "--header", header, "--key-file", key, disk, "apart");
  try {
    use("/dev/mapper/apart");
  } finally {
    run("cryptsetup", "close", "apart");
  }
}

function status(command: string, ...args: readonly string[]): number | null {
  return spawnSync(command, args).status;
}

/** Of the first 16 MiB: both header copies and the key slots. */
function hash(): string {
  return createHash("sha256")
    .update(bytesAt(0, 16 << 20))
    .digest("hex");
}

function bytesAt(offset: number, length: number): Uint8Array {
  const file = openSync(disk, "r");
  const bytes = new Uint8Array(length);
  readSync(file, bytes, 0, length, offset);
  closeSync(file);
  return bytes;
}

function overwrite(offset: number, bytes: Uint8Array): void {
  const file = openSync(disk, "r+");
  writeSync(file, bytes, 0, bytes.length, offset);
  fsyncSync(file);
  closeSync(file);
}
