import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { closeSync, openSync, readFileSync, symlinkSync, writeSync } from "node:fs";
import { open } from "node:fs/promises";
import { describe, it } from "node:test";
import { minimalKdf, passphraseKdf } from "../src/crypto/kdf.ts";
import { chatelaineToken, parseChatelaineToken } from "../src/format/chatelaine-token.ts";
import { readLuks } from "../src/header/read.ts";
import { testPassphrase, unlock } from "../src/header/unlock.ts";
import { formatLuks2 } from "../src/luks2/format.ts";
import { blankFile, luksError, mebibyte, passphrase, scratchPath } from "./scratch.ts";

const keyPassphrase = passphrase("00112233445566778899aabbccddeeff");
const slot = { passphrase: keyPassphrase, entropyBits: 128 };

describe("formatLuks2", () => {
  it("makes a disk that its passphrase opens, and that says what it is", async () => {
    const path = blankFile(17 * mebibyte);
    const created = new Date("2026-11-23T19:00:00.000Z");
    const formatted = await formatLuks2(path, {
      keyslots: [slot],
      label: "disk one",
      subsystem: "chatelaine",
      tokens: [chatelaineToken({ keyslots: [0], object: "key-1", created })],
    });
    const header = await readLuks(path);
    assert.equal(header.version, 2);
    assert.equal(header.uuid, formatted.uuid);
    assert.equal(header.label, "disk one");
    assert.equal(header.subsystem, "chatelaine");
    assert.equal(header.cipher, "aes-xts-plain64");
    assert.equal(header.volumeKeyBitLength, 512);
    assert.equal(header.dataOffset, 16 * mebibyte);
    assert.deepEqual(header.copies, { primary: "ok", secondary: "ok" });
    assert.deepEqual(
      header.keyslots.map(({ slot: number, kdf }) => [number, kdf]),
      [[0, minimalKdf]],
    );
    const [entry] = header.tokens;
    assert.deepEqual(entry && parseChatelaineToken(entry.token), {
      keyslots: [0],
      object: "key-1",
      created,
    });
    assert.equal(await testPassphrase(path, keyPassphrase), 0);
    await assert.rejects(testPassphrase(path, passphrase("wrong")), luksError("wrong_passphrase"));
  });

  it("returns the volume key only when asked, the same that unlock finds", async () => {
    const path = blankFile(17 * mebibyte);
    const { volumeKey } = await formatLuks2(path, { keyslots: [slot], returnVolumeKey: true });
    const { volumeKey: found } = await unlock(path, keyPassphrase);
    assert.equal(volumeKey?.bitLength, 512);
    assert.ok(volumeKey?.use((a) => found.use((b) => Buffer.compare(a, b) === 0)));
    found.destroy();
    assert.ok(found.use((bytes) => bytes.every((byte) => byte === 0)));
    assert.ok(
      !("volumeKey" in (await formatLuks2(blankFile(17 * mebibyte), { keyslots: [slot] }))),
    );
  });

  it("draws a new volume key for each disk", async () => {
    const digests = await Promise.all(
      [1, 2].map(async () => {
        const path = blankFile(17 * mebibyte);
        await formatLuks2(path, { keyslots: [slot] });
        const { volumeKey } = await unlock(path, keyPassphrase);
        return volumeKey.use((bytes) => createHash("sha256").update(bytes).digest("hex"));
      }),
    );
    assert.notEqual(digests[0], digests[1]);
  });

  for (const volumeKeyBitLength of [256, 512] as const) {
    for (const sectorSize of [512, 1024, 2048, 4096] as const) {
      it(`keeps ${volumeKeyBitLength} bits and sectors of ${sectorSize}`, async () => {
        const path = blankFile(2 * mebibyte);
        await formatLuks2(path, {
          keyslots: [slot],
          volumeKeyBitLength,
          sectorSize,
          dataOffset: mebibyte,
        });
        const header = await readLuks(path);
        assert.equal(header.volumeKeyBitLength, volumeKeyBitLength);
        assert.equal(header.sectorSize, sectorSize);
        assert.equal(header.dataOffset, mebibyte);
        assert.equal(await testPassphrase(path, keyPassphrase), 0);
      });
    }
  }

  it("stretches a passphrase of unknown entropy, and opens it", async () => {
    const path = blankFile(17 * mebibyte);
    await formatLuks2(path, { keyslots: [{ passphrase: passphrase("hunter2") }] });
    assert.deepEqual((await readLuks(path)).keyslots[0]?.kdf, passphraseKdf);
    assert.equal(await testPassphrase(path, passphrase("hunter2")), 0);
  });

  it("tries preferred slots first and ignored ones only when asked", async () => {
    const path = blankFile(17 * mebibyte);
    await formatLuks2(path, {
      keyslots: [slot, { ...slot, priority: "prefer" }, { ...slot, slot: 7, priority: "ignore" }],
    });
    assert.equal(await testPassphrase(path, keyPassphrase), 1);
    assert.equal(await testPassphrase(path, keyPassphrase, { slot: 7 }), 7);
    await assert.rejects(
      testPassphrase(path, keyPassphrase, { slot: 5 }),
      luksError("no_such_slot"),
    );
  });

  it("works on an open file handle", async () => {
    const handle = await open(blankFile(17 * mebibyte), "r+");
    await formatLuks2(handle, { keyslots: [slot] });
    assert.equal(await testPassphrase(handle, keyPassphrase), 0);
    await handle.close();
  });

  it("puts a detached header where it is told and leaves the data alone", async () => {
    const header = blankFile(16 * mebibyte);
    const data = blankFile(3 * mebibyte);
    await formatLuks2(header, { keyslots: [slot], detachedFrom: data });
    assert.equal((await readLuks(header)).dataOffset, 0);
    assert.ok(readFileSync(data).every((byte) => byte === 0));
    await assert.rejects(readLuks(data), luksError("not_luks"));
  });
});

describe("formatLuks2 refuses", () => {
  const cases: [string, number, string, string][] = [
    ["a single byte in the first mebibyte", 1000, "x", "unrecognised"],
    ["a byte in the key slots area", 9 * mebibyte, "x", "unrecognised"],
    ["a byte in the last mebibyte", 64 * mebibyte - 1, "x", "unrecognised"],
    ["ext4", 0x438, "\x53\xef", "ext"],
    ["an LVM physical volume", 512, "LABELONE", "lvm"],
    ["a partition table", 512, "EFI PART", "gpt"],
    ["swap", 4086, "SWAPSPACE2", "swap"],
    ["LUKS", 0, "LUKS\xba\xbe", "luks"],
    ["the second header of a LUKS disk whose first is gone", 0x4000, "SKUL\xba\xbe", "luks"],
  ];
  for (const [what, offset, content, kind] of cases) {
    it(`${what}, unless that may be destroyed`, async () => {
      const path = fileWith(64 * mebibyte, offset, content);
      const before = hashOf(path);
      const refused = formatLuks2(path, { keyslots: [slot] });
      await assert.rejects(refused, { code: "holds_data", holds: [kind] });
      const other = { keyslots: [slot], allowDestroyingData: ["xfs"] };
      await assert.rejects(formatLuks2(path, other), luksError("holds_data"));
      assert.equal(hashOf(path), before);
      await formatLuks2(path, { keyslots: [slot], allowDestroyingData: [kind] });
      assert.equal(await testPassphrase(path, keyPassphrase), 0);
    });
  }

  it("a data device with content when the header is detached", async () => {
    const data = fileWith(3 * mebibyte, 77, "x");
    const header = blankFile(16 * mebibyte);
    await assert.rejects(
      formatLuks2(header, { keyslots: [slot], detachedFrom: data }),
      luksError("holds_data"),
    );
  });

  it("a device that is too small", async () => {
    await assert.rejects(
      formatLuks2(blankFile(16 * mebibyte), { keyslots: [slot] }),
      luksError("too_small"),
    );
  });

  it("a device with room for no whole number of sectors, which the kernel would not open", async () => {
    const keyslots = [slot];
    for (const [sectorSize, odd] of [
      [4096, 512],
      [4096, 2048],
      [2048, 512],
      [1024, 512],
    ] as const) {
      const path = blankFile(17 * mebibyte + odd);
      await isRefused(path, formatLuks2(path, { keyslots, sectorSize }), sectorSize);
      const header = blankFile(16 * mebibyte);
      const apart = { keyslots, sectorSize, detachedFrom: path };
      await isRefused(header, formatLuks2(header, apart), sectorSize);
      await formatLuks2(path, { keyslots, sectorSize: 512 });
    }
  });

  it("a symbolic link to a file, and what is neither file nor block device", async () => {
    const link = scratchPath();
    symlinkSync(blankFile(17 * mebibyte), link);
    for (const path of [link, "/dev/null", "/dev/shm/does-not-exist"]) {
      await assert.rejects(formatLuks2(path, { keyslots: [slot] }), luksError("invalid_argument"));
    }
  });

  const badOptions: [string, object, RegExp][] = [
    ["a misspelled option", { lable: "x" }, /did you mean label/],
    ["no slots", { keyslots: [] }, /at least 1/],
    ["an empty passphrase", { keyslots: [{ passphrase: new Uint8Array() }] }, /is empty/],
    [
      "a passphrase that cryptsetup does not read",
      { keyslots: [{ passphrase: new Uint8Array(8 * 1024 * 1024 + 1) }] },
      /at most 8 MiB/,
    ],
    ["more entropy than bits", { keyslots: [{ ...slot, entropyBits: 9999 }] }, /entropyBits/],
    ["a slot twice", { keyslots: [slot, { ...slot, slot: 0 }] }, /given twice/],
    ["a slot above 31", { keyslots: [{ ...slot, slot: 32 }] }, /from 0 to 31/],
    ["odd key lengths", { volumeKeyBitLength: 384 }, /256 or 512/],
    ["odd sector sizes", { sectorSize: 513 }, /sectorSize/],
    ["data inside the header", { dataOffset: 4096, keyslotsSize: 262144 }, /inside the header/],
    ["a label of 48 bytes", { label: "x".repeat(48) }, /47 bytes/],
    ["what is no UUID", { uuid: "x" }, /not a UUID/],
  ];
  for (const [what, options, message] of badOptions) {
    it(what, async () => {
      const path = blankFile(17 * mebibyte);
      await assert.rejects(formatLuks2(path, { keyslots: [slot], ...options }), (error) => {
        assert.match(String(error), message);
        return luksError("invalid_argument")(error);
      });
      assert.ok(readFileSync(path).every((byte) => byte === 0));
    });
  }

  it("more slots than its area holds", async () => {
    const options = { keyslots: [slot, slot], dataOffset: mebibyte, keyslotsSize: 258048 };
    await assert.rejects(formatLuks2(blankFile(2 * mebibyte), options), luksError("no_space"));
  });
});

async function isRefused(
  path: string,
  format: Promise<unknown>,
  sectorSize: number,
): Promise<void> {
  await assert.rejects(format, {
    code: "invalid_argument",
    message: new RegExp(
      `not a multiple of ${sectorSize}, so the kernel would not open it: .* larger or \\d+ smaller$`,
    ),
  });
  const bytes = readFileSync(path);
  assert.ok(bytes.equals(Buffer.alloc(bytes.length)), "it was written to");
}

function fileWith(bytes: number, offset: number, content: string): string {
  const path = blankFile(bytes);
  const file = openSync(path, "r+");
  writeSync(file, Buffer.from(content, "latin1"), 0, content.length, offset);
  closeSync(file);
  return path;
}

function hashOf(path: string): string {
  return createHash("sha256").update(readFileSync(path)).digest("hex");
}
