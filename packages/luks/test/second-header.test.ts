import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { describe, it } from "node:test";
import { addKeyslot } from "../src/header/keyslots.ts";
import { repairHeader } from "../src/header/maintain.ts";
import { readLuks } from "../src/header/read.ts";
import { testPassphrase } from "../src/header/unlock.ts";
import { decryptImage } from "../src/image/decrypt.ts";
import { encryptImage } from "../src/image/encrypt.ts";
import { headerSizes } from "../src/luks2/binary-header.ts";
import { formatLuks2 } from "../src/luks2/format.ts";
import { MemoryDevice } from "./memory-device.ts";
import { luksError, mebibyte, passphrase, scratchPath } from "./scratch.ts";

const one = { passphrase: passphrase("one key of sixteen bytes"), entropyBits: 128 };
const two = { passphrase: passphrase("two key of sixteen bytes"), entropyBits: 128 };

async function formatted(headerSize: number): Promise<MemoryDevice> {
  const disk = new MemoryDevice(new Uint8Array(11 * mebibyte));
  const keyslotsSize = mebibyte;
  await formatLuks2(disk, {
    keyslots: [one],
    headerSize,
    keyslotsSize,
    dataOffset: 10 * mebibyte,
  });
  return disk;
}

/** Of the first header, whose checksum is then wrong. */
function writeSize(disk: MemoryDevice, size: number): void {
  Buffer.from(disk.bytes.buffer).writeBigUInt64BE(BigInt(size), 8);
}

describe("a first header whose size is damaged", () => {
  for (const real of headerSizes) {
    it(`opens and is repaired by its second header at byte ${real}, whatever size it says`, async () => {
      const { bytes } = await formatted(real);
      const wrong = [...headerSizes.filter((size) => size !== real), 0, 0x5000, 2 ** 40];
      for (const [index, size] of wrong.entries()) {
        const disk = new MemoryDevice(Uint8Array.from(bytes));
        writeSize(disk, size);
        const found = await readLuks(disk);
        assert.deepEqual(found.copies, { primary: "damaged", secondary: "ok" }, `${size}`);
        assert.equal(found.headerSize, real);
        assert.equal(await testPassphrase(disk, one.passphrase), 0);
        if (index > 0) continue;
        assert.equal(await repairHeader(disk), true);
        assert.deepEqual((await readLuks(disk)).copies, { primary: "ok", secondary: "ok" });
        assert.equal(await addKeyslot(disk, one.passphrase, two), 1);
      }
    });
  }

  it("finds its own second header beside one that an earlier format left", async () => {
    const disk = await formatted(0x4000);
    const earlier = await formatted(0x100000);
    disk.bytes.set(earlier.bytes.subarray(0x100000, 0x200000), 0x100000);
    const later = await formatted(0x200000);
    later.bytes.set(earlier.bytes.subarray(0x100000, 0x200000), 0x100000);
    for (const [now, size] of [
      [disk, 0x100000],
      [later, 0x100000],
    ] as const) {
      const { uuid } = await readLuks(now);
      writeSize(now, size);
      assert.equal((await readLuks(now)).uuid, uuid);
    }
  });

  it("is damaged for good if no second header is whole", async () => {
    const disk = await formatted(0x4000);
    writeSize(disk, 0x8000);
    disk.bytes[0x4000 + 5000] = 1;
    await assert.rejects(readLuks(disk), luksError("corrupt_header"));
    await assert.rejects(repairHeader(disk), luksError("corrupt_header"));
  });
});

/** A file system in which the image of another disk lies so that its second header is at 4 MiB. */
async function withStoredImage(change: (disk: Uint8Array) => void = () => {}) {
  const disk = Buffer.alloc(12 * mebibyte, "plain data");
  const image = await formatted(0x4000);
  disk.set(image.bytes.subarray(0, 2 * mebibyte), 4 * mebibyte - 0x4000);
  change(disk);
  return disk;
}

describe("a plain disk on which a LUKS image is stored", () => {
  const cases: [string, (disk: Uint8Array) => void][] = [
    ["whole", () => undefined],
    ["of which the second header is damaged", (disk) => disk.fill(0, 4 * mebibyte + 4096)],
    [
      "of which only a magic is left",
      (disk) => disk.fill(0, 4 * mebibyte - 0x4000, 4 * mebibyte).fill(0, 4 * mebibyte + 8),
    ],
    [
      "whose second header claims to belong to 4 MiB",
      (disk) => {
        const bytes = Buffer.from(disk.buffer, disk.byteOffset);
        for (const field of [8, 256]) {
          bytes.writeBigUInt64BE(BigInt(4 * mebibyte), 4 * mebibyte + field);
        }
      },
    ],
  ];
  for (const [what, change] of cases) {
    it(`is not LUKS: ${what}`, async () => {
      const bytes = await withStoredImage(change);
      await assert.rejects(readLuks(new MemoryDevice(bytes)), luksError("not_luks"));
      await assert.rejects(repairHeader(new MemoryDevice(bytes)), luksError("not_luks"));
    });
  }

  it("is encrypted where it lies, and decrypted again", async () => {
    const bytes = await withStoredImage();
    const path = scratchPath("raw");
    writeFileSync(path, bytes);
    await encryptImage(path, { format: { version: 2, keyslots: [one] } });
    assert.equal(await testPassphrase(path, one.passphrase), 0);
    await decryptImage(path, { passphrase: one.passphrase });
    assert.ok(readFileSync(path).equals(bytes));
  });
});
