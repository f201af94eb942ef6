import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { describe, it } from "node:test";
import { withOpenDisk } from "../src/data/open-disk.ts";
import type { BlockDevice } from "../src/device/device.ts";
import { LuksError } from "../src/errors.ts";
import { backupHeader, restoreHeader } from "../src/header/backup.ts";
import {
  addKeyslot,
  changePassphrase,
  killKeyslot,
  setKeyslotPriority,
} from "../src/header/keyslots.ts";
import { relabel, repairHeader } from "../src/header/maintain.ts";
import { checkHeader, readLuks } from "../src/header/read.ts";
import { addToken, removeToken } from "../src/header/tokens.ts";
import { testPassphrase, unlock } from "../src/header/unlock.ts";
import { convertImage, decryptImage } from "../src/image/decrypt.ts";
import { encryptImage } from "../src/image/encrypt.ts";
import { reencryptImage } from "../src/image/reencrypt.ts";
import { resumeImage } from "../src/image/resume.ts";
import { formatLuks1 } from "../src/luks1/format.ts";
import { formatLuks2 } from "../src/luks2/format.ts";
import { MemoryDevice } from "./memory-device.ts";
import { luksError, mebibyte, passphrase, scratchPath } from "./scratch.ts";

const one = { passphrase: passphrase("one key of sixteen bytes"), entropyBits: 128 };
const two = { passphrase: passphrase("two key of sixteen bytes"), entropyBits: 128 };
const other = { passphrase: passphrase("other key of sixteen bytes"), entropyBits: 128 };

/** What a disk became, and what that leaves near its beginning. */
interface Content {
  readonly kind: string;
  readonly title: string;
  readonly places: readonly (readonly [offset: number, bytes: string])[];
}

const contents: readonly Content[] = [
  { kind: "lvm", title: "an LVM physical volume", places: [[512, "LABELONE"]] },
  { kind: "mbr", title: "partitions of an MBR", places: [[510, "\x55\xaa"]] },
  {
    kind: "gpt",
    title: "partitions of a GPT",
    places: [
      [510, "\x55\xaa"],
      [512, "EFI PART"],
    ],
  },
  { kind: "swap", title: "swap", places: [[4086, "SWAPSPACE2"]] },
  { kind: "ext", title: "ext4", places: [[0x438, "\x53\xef"]] },
  { kind: "xfs", title: "XFS", places: [[0, "XFSB"]] },
  { kind: "md-raid", title: "an MD RAID member", places: [[4096, "\xfc\x4e\x2b\xa9"]] },
  { kind: "zfs", title: "ZFS", places: [[0x20000 + 4096, "\x0c\xb1\xba\0\0\0\0\0"]] },
  { kind: "apfs", title: "APFS", places: [[32, "NXSB"]] },
];

function put(bytes: Uint8Array, { places }: Content): void {
  for (const [offset, pattern] of places) bytes.set(Buffer.from(pattern, "latin1"), offset);
}

const header = { keyslots: [one, two], tokens: [{ type: "x", keyslots: [] }] } as const;
const sound2 = new MemoryDevice(new Uint8Array(4 * mebibyte));
await formatLuks2(sound2, { ...header, dataOffset: 3 * mebibyte });
const backup = scratchPath("backup");
await backupHeader(sound2, backup);
const sound1 = new MemoryDevice(new Uint8Array(4 * mebibyte));
await formatLuks1(sound1, { keyslots: [one, two] });
const backup1 = scratchPath("backup");
await backupHeader(sound1, backup1);

/** A disk that was LUKS2 once: the first header is gone, the second is whole. */
function formerLuks2(content: Content): MemoryDevice {
  const disk = new MemoryDevice(Uint8Array.from(sound2.bytes));
  disk.bytes.fill(0, 0, 8192);
  put(disk.bytes, content);
  return disk;
}

type Use = readonly [what: string, use: (disk: BlockDevice) => Promise<unknown>];

/** Everything that writes to a disk, maps it or reads its data. */
const uses: readonly Use[] = [
  ["adding a key slot", (d) => addKeyslot(d, one.passphrase, other)],
  ["changing a passphrase", (d) => changePassphrase(d, one.passphrase, other)],
  ["killing a key slot", (d) => killKeyslot(d, 1)],
  ["relabelling", (d) => relabel(d, { label: "x" })],
  ["setting a priority", (d) => setKeyslotPriority(d, 1, "prefer")],
  ["adding a token", (d) => addToken(d, { type: "y", keyslots: [] })],
  ["removing a token", (d) => removeToken(d, 0)],
  ["repairing", (d) => repairHeader(d)],
  ["restoring the header", (d) => restoreHeader(d, backup)],
  ["restoring the LUKS1 header", (d) => restoreHeader(d, backup1)],
  [
    "opening for writing",
    (d) => withOpenDisk(d, one.passphrase, writeSomething, { access: "write" }),
  ],
  ["opening for reading", (d) => withOpenDisk(d, one.passphrase, async () => undefined)],
  ["checking the header, as before a mapping", (d) => checkHeader(d)],
  ["unlocking", (d) => unlock(d, one.passphrase)],
  ["testing a passphrase", (d) => testPassphrase(d, one.passphrase)],
  ["dumping", (d) => readLuks(d)],
  ["backing up the header", (d) => backupHeader(d, scratchPath("backup"))],
];

/** The same for images, which have paths. */
const imageUses: readonly (readonly [string, (path: string) => Promise<unknown>])[] = [
  ["decrypting", (p) => decryptImage(p, { passphrase: one.passphrase })],
  [
    "decrypting into a file",
    (p) => decryptImage(p, { passphrase: one.passphrase, target: scratchPath("raw") }),
  ],
  ["re-encrypting", (p) => reencryptImage(p, { passphrase: one.passphrase, keyslots: [one] })],
  [
    "converting",
    (p) => convertImage(p, { passphrase: one.passphrase, format: { version: 2, keyslots: [one] } }),
  ],
  ["encrypting", (p) => encryptImage(p, { format: { version: 2, keyslots: [one] } })],
];

async function writeSomething(disk: BlockDevice): Promise<void> {
  await disk.write(0, new Uint8Array(4096));
}

function refusal(kind: string): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof LuksError);
    assert.equal(error.code, "ambiguous", error.message);
    assert.deepEqual(error.holds, [kind]);
    assert.match(error.message, new RegExp(`it holds ${kind} at byte \\d+, and LUKS[12] of UUID`));
    assert.match(error.message, new RegExp(`--over ${kind}", else "--over luks"$`));
    return true;
  };
}

async function refuses(disk: MemoryDevice, kind: string): Promise<void> {
  const before = Uint8Array.from(disk.bytes);
  for (const [what, use] of uses) {
    await assert.rejects(use(disk), refusal(kind), what);
    assert.ok(Buffer.compare(disk.bytes, before) === 0, `${what} changed the disk`);
  }
}

describe("a disk that was LUKS2 once", () => {
  for (const content of contents) {
    it(`and is ${content.title} now is neither changed, opened nor mapped`, async () => {
      await refuses(formerLuks2(content), content.kind);
    });

    it(`and is ${content.title} now is not changed as an image either`, async () => {
      const path = scratchPath();
      const { bytes } = formerLuks2(content);
      for (const [what, use] of imageUses) {
        writeFileSync(path, bytes);
        await assert.rejects(use(path), refusal(content.kind), what);
        assert.ok(readFileSync(path).equals(bytes), `${what} changed the image`);
      }
    });

    it(`is LUKS2 again over ${content.title} if its owner says so`, async () => {
      const disk = formerLuks2(content);
      const before = Uint8Array.from(disk.bytes);
      await assert.rejects(repairHeader(disk, { over: ["btrfs"] }), refusal(content.kind));
      assert.ok(Buffer.compare(disk.bytes, before) === 0);
      assert.equal(await repairHeader(disk, { over: [content.kind] }), true);
      assert.deepEqual((await readLuks(disk)).copies, { primary: "ok", secondary: "ok" });
      assert.equal(await testPassphrase(disk, two.passphrase), 1);
      await addKeyslot(disk, two.passphrase, other);
    });

    it(`stays ${content.title} if its owner says so, and loses the old magic alone`, async () => {
      const disk = formerLuks2(content);
      const before = Uint8Array.from(disk.bytes);
      assert.equal(await repairHeader(disk, { over: ["luks"] }), true);
      await assert.rejects(readLuks(disk), luksError("not_luks"));
      before.fill(0, 0x4000, 0x4006);
      assert.ok(Buffer.compare(disk.bytes, before) === 0);
    });
  }

  it("is read and repaired if nothing else is there", async () => {
    const disk = formerLuks2({ kind: "", title: "", places: [] });
    assert.equal(await testPassphrase(disk, one.passphrase), 0);
    assert.equal(await repairHeader(disk), true);
  });

  it("is repaired beside the end of a GPT that was there before LUKS", async () => {
    const disk = formerLuks2({ kind: "", title: "", places: [[4 * mebibyte - 512, "EFI PART"]] });
    assert.equal(await repairHeader(disk), true);
    assert.equal(await testPassphrase(disk, one.passphrase), 0);
  });

  it("keeps a whole LUKS header whatever is to give way", async () => {
    const disk = new MemoryDevice(Uint8Array.from(sound2.bytes));
    await assert.rejects(repairHeader(disk, { over: ["luks"] }), luksError("invalid_argument"));
    const both = repairHeader(disk, { over: ["luks", "lvm"] });
    await assert.rejects(both, luksError("invalid_argument"));
    assert.equal(await repairHeader(disk, { over: ["lvm"] }), false);
    assert.ok(Buffer.compare(disk.bytes, sound2.bytes) === 0);
  });
});

describe("a LUKS1 disk", () => {
  const above: readonly Content[] = [
    { kind: "lvm", title: "an LVM label", places: [[1024, "LABELONE"]] },
    ...contents.filter(({ kind }) => ["ext", "swap", "md-raid", "zfs"].includes(kind)),
  ];
  for (const content of above) {
    const { kind, title } = content;
    const covered = () => {
      const disk = new MemoryDevice(Uint8Array.from(sound1.bytes));
      put(disk.bytes, content);
      return disk;
    };

    it(`under ${title} is neither changed, opened nor mapped`, async () => {
      await refuses(covered(), kind);
    });

    it(`under ${title} is what its owner says`, async () => {
      const luks = covered();
      assert.equal(await repairHeader(luks, { over: [kind] }), true);
      assert.equal(await testPassphrase(luks, two.passphrase), 1);
      const foreign = covered();
      assert.equal(await repairHeader(foreign, { over: ["luks"] }), true);
      await assert.rejects(readLuks(foreign), luksError("not_luks"));
      const expected = covered().bytes.fill(0, 0, 6);
      assert.ok(Buffer.compare(foreign.bytes, expected) === 0);
    });
  }

  it("opens though a salt of its slots looks like an MBR", async () => {
    const disk = new MemoryDevice(Uint8Array.from(sound1.bytes));
    disk.bytes.set([0x55, 0xaa], 510);
    assert.equal(await testPassphrase(disk, one.passphrase), 0);
  });

  it("is not encrypted on if something else lies there when its re-encryption is resumed", async () => {
    const path = scratchPath();
    const abort = new AbortController();
    const run = { signal: abort.signal, onProgress: () => abort.abort() };
    // Longer than a batch, so that there is something left to resume.
    writeFileSync(path, Buffer.concat([sound1.bytes, new Uint8Array(20 * mebibyte)]));
    const options = { passphrase: one.passphrase, keyslots: [one] };
    await assert.rejects(reencryptImage(path, { ...options, ...run }), luksError("aborted"));
    const bytes = readFileSync(path);
    put(bytes, { kind: "lvm", title: "", places: [[512, "LABELONE"]] });
    writeFileSync(path, bytes);
    const resume = resumeImage(path, { passphrase: one.passphrase });
    await assert.rejects(resume, luksError("changed"));
    assert.ok(readFileSync(path).equals(bytes));
  });
});
