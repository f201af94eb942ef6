import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { BlockDevice } from "../src/device/device.ts";
import { addKeyslot, changePassphrase } from "../src/header/keyslots.ts";
import { readLuks } from "../src/header/read.ts";
import { testPassphrase } from "../src/header/unlock.ts";
import { formatLuks1 } from "../src/luks1/format.ts";
import { formatLuks2 } from "../src/luks2/format.ts";
import { MemoryDevice } from "./memory-device.ts";
import { flockOf } from "./other-program.ts";
import { blankFile, luksError, mebibyte, passphrase } from "./scratch.ts";

const [first, second, third] = ["first", "second", "third"].map((text) => ({
  passphrase: passphrase(`${text} key of sixteen bytes`),
  entropyBits: 128,
})) as [Slot, Slot, Slot];
interface Slot {
  readonly passphrase: Uint8Array;
  readonly entropyBits: number;
}

const formats = {
  LUKS1: (disk: string | BlockDevice) =>
    formatLuks1(disk, { keyslots: [first], dataOffset: 3 * mebibyte }),
  LUKS2: (disk: string | BlockDevice) =>
    formatLuks2(disk, { keyslots: [first], dataOffset: 3 * mebibyte }),
};

for (const [name, format] of Object.entries(formats)) {
  describe(`${name}: two that change one header at once`, () => {
    it("both add the slot that they were asked for", async () => {
      const path = blankFile(4 * mebibyte);
      await format(path);
      const wanted = [second, third];
      const slots = await Promise.all(
        wanted.map((slot) => addKeyslot(path, first.passphrase, slot)),
      );
      for (const [index, slot] of slots.entries()) {
        assert.equal(await testPassphrase(path, (wanted[index] as Slot).passphrase), slot);
      }
    });

    it("never leave a disk that nobody opens", async () => {
      const path = blankFile(4 * mebibyte);
      await format(path);
      const wanted = [second, third];
      const outcomes = await Promise.allSettled(
        wanted.map((slot) => changePassphrase(path, first.passphrase, slot)),
      );
      assert.deepEqual(outcomes.map(({ status }) => status).toSorted(), ["fulfilled", "rejected"]);
      const winner = wanted[outcomes.findIndex(({ status }) => status === "fulfilled")] as Slot;
      await testPassphrase(path, winner.passphrase);
    });

    it("wait for the lock that cryptsetup takes of a file", async () => {
      const path = blankFile(4 * mebibyte);
      await format(path);
      const other = await flockOf(path);
      const adding = addKeyslot(path, first.passphrase, second);
      // Without the lock it would have ended long before this.
      for (let time = 0; time < 6; time++) await testPassphrase(path, first.passphrase);
      assert.equal((await readLuks(path)).keyslots.length, 1);
      await other.end();
      await adding;
      assert.equal((await readLuks(path)).keyslots.length, 2);
    });

    it("keep a slot that the other makes while a key is derived, where no lock is", async () => {
      const disk = new MemoryDevice(new Uint8Array(4 * mebibyte));
      await format(disk);
      let isAlone = true;
      const device: BlockDevice = {
        name: disk.name,
        size: disk.size,
        read: async (offset, into) => {
          await disk.read(offset, into);
          // The material of the slot that opens: all of the header has been read.
          if (!isAlone || into.length < 100_000) return;
          isAlone = false;
          await addKeyslot(disk, first.passphrase, third);
        },
        write: (offset, bytes) => disk.write(offset, bytes),
        sync: () => disk.sync(),
      };
      const adding = addKeyslot(device, first.passphrase, second);
      await assert.rejects(adding, luksError("changed"));
      assert.equal(await testPassphrase(disk, third.passphrase), 1);
    });
  });
}
