import assert from "node:assert/strict";
import { beforeEach, describe, it } from "node:test";
import { minimalKdf } from "../src/crypto/kdf.ts";
import {
  addKeyslot,
  changePassphrase,
  killKeyslot,
  setKeyslotPriority,
} from "../src/header/keyslots.ts";
import { readLuks } from "../src/header/read.ts";
import { testPassphrase, unlock } from "../src/header/unlock.ts";
import { formatLuks1 } from "../src/luks1/format.ts";
import { formatLuks2 } from "../src/luks2/format.ts";
import { MemoryDevice } from "./memory-device.ts";
import { luksError, mebibyte, passphrase } from "./scratch.ts";

const key = (text: string) => ({ passphrase: passphrase(text.padEnd(16, ".")), entropyBits: 128 });
const [one, two, three] = [key("one"), key("two"), key("three")];

for (const version of [1, 2] as const) {
  describe(`key slots of LUKS${version}`, () => {
    let disk = new MemoryDevice(new Uint8Array());
    beforeEach(async () => {
      disk = new MemoryDevice(new Uint8Array(3 * mebibyte));
      const format = version === 1 ? formatLuks1 : formatLuks2;
      const { slots } = await format(disk, { keyslots: [one], dataOffset: 2.5 * mebibyte });
      assert.deepEqual(slots, [0]);
    });

    it("are added with a passphrase or the volume key", async () => {
      assert.equal(await addKeyslot(disk, one.passphrase, two), 1);
      const { volumeKey } = await unlock(disk, two.passphrase);
      assert.equal(await addKeyslot(disk, volumeKey, { ...three, slot: 5 }), 5);
      for (const [slot, { passphrase: bytes }] of [
        [0, one],
        [1, two],
        [5, three],
      ] as const) {
        assert.equal(await testPassphrase(disk, bytes), slot);
      }
      await assert.rejects(
        addKeyslot(disk, one.passphrase, { ...three, slot: 5 }),
        luksError("slot_in_use"),
      );
      await assert.rejects(
        addKeyslot(disk, three.passphrase.slice(1), two),
        luksError("wrong_passphrase"),
      );
    });

    it("are not added with another disk's volume key", async () => {
      const other = new MemoryDevice(new Uint8Array(3 * mebibyte));
      await formatLuks2(other, { keyslots: [one], dataOffset: mebibyte });
      const { volumeKey } = await unlock(other, one.passphrase);
      await assert.rejects(addKeyslot(disk, volumeKey, two), luksError("wrong_passphrase"));
    });

    it("change their passphrase, and the old one opens nothing any more", async () => {
      const slot = await changePassphrase(disk, one.passphrase, two);
      assert.equal(slot, version === 1 ? 1 : 0);
      assert.equal(await testPassphrase(disk, two.passphrase), slot);
      await assert.rejects(testPassphrase(disk, one.passphrase), luksError("wrong_passphrase"));
      assert.equal((await readLuks(disk)).keyslots.length, 1);
    });

    it("are killed, key material included, but for the last", async () => {
      await addKeyslot(disk, one.passphrase, two);
      const [doomed] = (await readLuks(disk)).keyslots;
      assert.ok(doomed);
      const area = disk.bytes.subarray(doomed.areaOffset, doomed.areaOffset + doomed.areaSize);
      const before = Uint8Array.from(area);
      await killKeyslot(disk, 0);
      assert.ok(area.filter((byte, i) => byte === before[i]).length < area.length / 50);
      await assert.rejects(testPassphrase(disk, one.passphrase), luksError("wrong_passphrase"));
      await assert.rejects(killKeyslot(disk, 1), luksError("last_slot"));
      await assert.rejects(killKeyslot(disk, 4), luksError("no_such_slot"));
      assert.equal(await testPassphrase(disk, two.passphrase), 1);
    });

    it("run out", async () => {
      const most = version === 1 ? 8 : 10;
      for (let slot = 1; slot < most; slot++) {
        await addKeyslot(disk, one.passphrase, key(`${slot}`)).catch((error: unknown) => {
          if (version === 2) luksError("no_space")(error);
          else throw error;
        });
      }
      await assert.rejects(addKeyslot(disk, one.passphrase, two), luksError("no_space"));
      assert.equal(await testPassphrase(disk, key("5").passphrase), 5);
    });
  });
}

describe("LUKS2 slots", () => {
  it("are ignored, normal or preferred", async () => {
    const disk = new MemoryDevice(new Uint8Array(3 * mebibyte));
    await formatLuks2(disk, { keyslots: [one, one], dataOffset: 2 * mebibyte });
    await setKeyslotPriority(disk, 1, "prefer");
    assert.equal(await testPassphrase(disk, one.passphrase), 1);
    await setKeyslotPriority(disk, 1, "ignore");
    assert.equal(await testPassphrase(disk, one.passphrase), 0);
    await changePassphrase(disk, one.passphrase, two, { slot: 1 });
    assert.deepEqual(
      (await readLuks(disk)).keyslots.map(({ priority }) => priority),
      ["normal", "ignore"],
    );
  });

  it("leave the tokens when they are killed", async () => {
    const disk = new MemoryDevice(new Uint8Array(3 * mebibyte));
    const tokens = [{ type: "x", keyslots: ["0", "1"] }];
    await formatLuks2(disk, { keyslots: [one, two], tokens, dataOffset: 2 * mebibyte });
    await killKeyslot(disk, 1);
    assert.deepEqual((await readLuks(disk)).tokens, [
      { id: 0, token: { type: "x", keyslots: ["0"] } },
    ]);
  });
});

describe("LUKS1 disks", () => {
  for (const [cipher, bits] of [
    ["aes-xts-plain64", 512],
    ["aes-xts-plain64", 256],
    ["aes-cbc-essiv:sha256", 256],
    ["aes-cbc-plain", 128],
  ] as const) {
    for (const hash of ["sha1", "sha256", "sha512"] as const) {
      it(`are made and opened: ${cipher} with ${bits} bits and ${hash}`, async () => {
        const disk = new MemoryDevice(new Uint8Array(3 * mebibyte));
        const kdf = { ...minimalKdf, type: "pbkdf2", hash, iterations: 1000 } as const;
        const keyslots = [{ passphrase: one.passphrase, kdf }];
        await formatLuks1(disk, { keyslots, cipher, volumeKeyBitLength: bits, hash });
        const header = await readLuks(disk);
        assert.equal(header.version, 1);
        assert.equal(header.cipher, cipher);
        assert.equal(header.volumeKeyBitLength, bits);
        assert.deepEqual(header.keyslots[0]?.kdf, kdf);
        assert.equal(await testPassphrase(disk, one.passphrase), 0);
        assert.equal(await addKeyslot(disk, one.passphrase, two), 1);
        assert.equal(await testPassphrase(disk, two.passphrase), 1);
      });
    }
  }
});
