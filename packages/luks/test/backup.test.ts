import assert from "node:assert/strict";
import { statSync } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { describe, it } from "node:test";
import { backupHeader, restoreHeader } from "../src/header/backup.ts";
import { addKeyslot, changePassphrase, killKeyslot } from "../src/header/keyslots.ts";
import { repairHeader } from "../src/header/maintain.ts";
import { readLuks } from "../src/header/read.ts";
import { addToken } from "../src/header/tokens.ts";
import { testPassphrase } from "../src/header/unlock.ts";
import { formatLuks1 } from "../src/luks1/format.ts";
import { formatLuks2 } from "../src/luks2/format.ts";
import { MemoryDevice } from "./memory-device.ts";
import { luksError, mebibyte, passphrase, scratchPath } from "./scratch.ts";

const one = { passphrase: passphrase("one key of sixteen bytes"), entropyBits: 128 };
const two = { passphrase: passphrase("two key of sixteen bytes"), entropyBits: 128 };

type PartOfBytes = [bytes: Uint8Array, from: number, length: number, offset: number];

for (const version of [1, 2] as const) {
  describe(`header backup of LUKS${version}`, () => {
    const format = version === 1 ? formatLuks1 : formatLuks2;
    const newDisk = async (options: object = {}) => {
      const disk = new MemoryDevice(new Uint8Array(3 * mebibyte));
      await format(disk, { keyslots: [one, two], dataOffset: 2.5 * mebibyte, ...options });
      return disk;
    };

    it("brings back what was changed since", async () => {
      const disk = await newDisk();
      const file = scratchPath("backup");
      await backupHeader(disk, file);
      assert.equal(statSync(file).mode & 0o777, 0o600);
      await changePassphrase(disk, one.passphrase, {
        ...one,
        passphrase: passphrase("lost".repeat(8)),
      });
      await killKeyslot(disk, 1);
      await assert.rejects(testPassphrase(disk, two.passphrase), luksError("wrong_passphrase"));
      await restoreHeader(disk, file);
      assert.equal(await testPassphrase(disk, one.passphrase), 0);
      assert.equal(await testPassphrase(disk, two.passphrase), 1);
      await addKeyslot(disk, one.passphrase, { ...two, slot: 3 });
    });

    it("is in its folder after a loss of power, too", async (t) => {
      const disk = await newDisk();
      const probe = await open(scratchPath(), "w");
      const handles = Object.getPrototypeOf(probe) as FileHandle;
      await probe.close();
      const sync = Reflect.get(handles, "sync") as () => unknown;
      const synced: boolean[] = [];
      t.mock.method(handles, "sync", async function (this: FileHandle) {
        synced.push((await this.stat()).isDirectory());
        return Reflect.apply(sync, this, []);
      });
      await backupHeader(disk, scratchPath("backup"));
      t.mock.restoreAll();
      assert.deepEqual(synced, [false, true]);
    });

    it("is whole where the system writes a part of what it is given", async (t) => {
      const disk = await newDisk();
      const file = scratchPath("backup");
      const probe = await open(scratchPath(), "w");
      const handles = Object.getPrototypeOf(probe) as FileHandle;
      await probe.close();
      const write = Reflect.get(handles, "write") as (...written: PartOfBytes) => unknown;
      t.mock.method(handles, "write", function (this: FileHandle, ...written: PartOfBytes) {
        const [bytes, from, length, offset] = written;
        return Reflect.apply(write, this, [bytes, from, Math.min(length, 100_000), offset]);
      });
      await backupHeader(disk, file);
      t.mock.restoreAll();
      assert.equal(await testPassphrase(file, one.passphrase), 0);
      assert.equal(await testPassphrase(file, two.passphrase), 1);
    });

    it("is refused for another disk, even one of the same UUID", async () => {
      const file = scratchPath("backup");
      const disk = await newDisk();
      await backupHeader(disk, file);
      const { uuid } = await readLuks(disk);
      for (const other of [await newDisk(), await newDisk({ uuid })]) {
        const before = Uint8Array.from(other.bytes);
        await assert.rejects(restoreHeader(other, file), luksError("wrong_disk"));
        assert.deepEqual(Buffer.compare(other.bytes, before), 0);
      }
    });

    it("goes onto a disk without a header only if its UUID is vouched for", async () => {
      const disk = await newDisk();
      const file = scratchPath("backup");
      await backupHeader(disk, file);
      const { uuid } = await readLuks(disk);
      disk.bytes.fill(0, 0, 1.5 * mebibyte);
      await assert.rejects(restoreHeader(disk, file), luksError("wrong_disk"));
      await assert.rejects(
        restoreHeader(disk, file, { unprovenUuid: "x" }),
        luksError("wrong_disk"),
      );
      disk.bytes.set([0x53, 0xef], 0x438);
      await assert.rejects(
        restoreHeader(disk, file, { unprovenUuid: uuid }),
        luksError("holds_data"),
      );
      disk.bytes.fill(0, 0, mebibyte);
      await restoreHeader(disk, file, { unprovenUuid: uuid });
      assert.equal(await testPassphrase(disk, one.passphrase), 0);
    });

    it("overwrites no file", async () => {
      const disk = await newDisk();
      const file = scratchPath("backup");
      await backupHeader(disk, file);
      await assert.rejects(backupHeader(disk, file), luksError("invalid_argument"));
    });
  });
}

describe("a damaged LUKS2 copy", () => {
  for (const [which, offset] of [
    ["primary", 0],
    ["secondary", 0x4000],
  ] as const) {
    for (const place of [0, 10, 100, 449, 5000]) {
      it(`is made good: ${which}, byte ${place}`, async () => {
        const disk = new MemoryDevice(new Uint8Array(3 * mebibyte));
        await formatLuks2(disk, { keyslots: [one], dataOffset: 2 * mebibyte });
        assert.equal(await repairHeader(disk), false);
        disk.bytes[offset + place] = (disk.bytes[offset + place] ?? 0) ^ 1;
        assert.equal((await readLuks(disk)).copies[which], "damaged");
        assert.equal(await testPassphrase(disk, one.passphrase), 0);
        assert.equal(await repairHeader(disk), true);
        assert.deepEqual((await readLuks(disk)).copies, { primary: "ok", secondary: "ok" });
        assert.equal(await testPassphrase(disk, one.passphrase), 0);
      });
    }
  }

  it("is told apart from two", async () => {
    const disk = new MemoryDevice(new Uint8Array(3 * mebibyte));
    await formatLuks2(disk, { keyslots: [one], dataOffset: 2 * mebibyte });
    disk.bytes[5000] = 1;
    disk.bytes[0x4000 + 5000] = 1;
    await assert.rejects(readLuks(disk), luksError("corrupt_header"));
  });

  it("that another program was writing is read again", async () => {
    const bytes = new Uint8Array(3 * mebibyte);
    await formatLuks2(new MemoryDevice(bytes), { keyslots: [one], dataOffset: 2 * mebibyte });
    const intact = bytes.slice(0, 0x8000);
    // Each copy is read in the middle of its write; when the second has been read, both are whole.
    const disk = new (class extends MemoryDevice {
      override async read(offset: number, into: Uint8Array): Promise<void> {
        await super.read(offset, into);
        if (offset === 0x4000 && into.length === 0x4000) this.bytes.set(intact);
      }
    })(bytes);
    bytes[5000] = 1;
    bytes[0x4000 + 5000] = 1;
    assert.deepEqual((await readLuks(disk)).copies, { primary: "ok", secondary: "ok" });
  });

  it("that is merely older gives way to the newer", async () => {
    const disk = new MemoryDevice(new Uint8Array(3 * mebibyte));
    await formatLuks2(disk, { keyslots: [one], dataOffset: 2 * mebibyte });
    const old = disk.bytes.slice(0, 0x4000);
    await addToken(disk, { type: "x", keyslots: [] });
    disk.bytes.set(old);
    const header = await readLuks(disk);
    assert.equal(header.copies.primary, "stale");
    assert.equal(header.tokens.length, 1);
  });
});
