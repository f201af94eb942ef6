import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { readLuks } from "../src/header/read.ts";
import { testPassphrase } from "../src/header/unlock.ts";
import { formatLuks1 } from "../src/luks1/format.ts";
import { formatLuks2 } from "../src/luks2/format.ts";
import { hostileDisk, owner } from "./hostile-disk.ts";
import { MemoryDevice } from "./memory-device.ts";
import { luksError, mebibyte } from "./scratch.ts";

// What every other reader of LUKS refuses. The suite luks-foreign compares far more with cryptsetup.

describe("a header that no other program opens", () => {
  it("is refused where the device ends before the key slots do", async () => {
    const two = new MemoryDevice(new Uint8Array(2 * mebibyte));
    await formatLuks2(two, { keyslots: [owner], dataOffset: mebibyte });
    const one = new MemoryDevice(new Uint8Array(4 * mebibyte));
    await formatLuks1(one, { keyslots: [owner], dataOffset: 3 * mebibyte });
    const areaEnd = (await readLuks(one)).keyslots[0]?.areaSize ?? 0;
    for (const [{ bytes }, length] of [
      [two, mebibyte - 512],
      [one, 4096 + 7 * areaEnd],
    ] as const) {
      const cut = new MemoryDevice(bytes.subarray(0, length));
      await assert.rejects(readLuks(cut), luksError("corrupt_header"));
      await assert.rejects(testPassphrase(cut, owner.passphrase), luksError("corrupt_header"));
    }
  });

  it("is refused in LUKS1 where a slot is split into another number of stripes", async () => {
    for (const slot of [0, 7]) {
      const disk = new MemoryDevice(new Uint8Array(4 * mebibyte));
      await formatLuks1(disk, { keyslots: [owner], dataOffset: 3 * mebibyte });
      for (const stripes of [1, 3999]) {
        Buffer.from(disk.bytes.buffer).writeUInt32BE(stripes, 208 + 48 * slot + 44);
        await assert.rejects(readLuks(disk), luksError("corrupt_header"));
      }
    }
  });

  it("is dumped and not opened where LUKS2 says another number of stripes", async () => {
    const disk = await hostileDisk(({ keyslots }) => {
      keyslots[0].af.stripes = 2000;
    });
    assert.equal((await readLuks(disk)).keyslots[0]?.afStripes, 2000);
    await assert.rejects(testPassphrase(disk, owner.passphrase), luksError("unsupported"));
  });

  it("is dumped and not opened where key material does not begin at a sector", async () => {
    const disk = await hostileDisk(({ keyslots }) => {
      keyslots[0].area.offset = "32769";
    });
    assert.equal((await readLuks(disk)).keyslots[0]?.areaOffset, 32_769);
    await assert.rejects(testPassphrase(disk, owner.passphrase), luksError("unsupported"));
  });

  it("is dumped and not opened where a slot's salt is not 32 bytes", async () => {
    for (const salt of [Buffer.alloc(16).toString("base64"), "no base64"]) {
      const disk = await hostileDisk(({ keyslots }) => {
        keyslots[0].kdf.salt = salt;
      });
      assert.equal((await readLuks(disk)).keyslots.length, 1);
      await assert.rejects(testPassphrase(disk, owner.passphrase), luksError("unsupported"));
    }
  });
});
