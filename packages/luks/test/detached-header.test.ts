import assert from "node:assert/strict";
import { existsSync, linkSync, readFileSync } from "node:fs";
import { open } from "node:fs/promises";
import { describe, it } from "node:test";
import { withOpenDisk } from "../src/data/open-disk.ts";
import type { BlockDevice, DeviceReference } from "../src/device/device.ts";
import { layoutOf } from "../src/format/layout.ts";
import { backupHeader, restoreHeader } from "../src/header/backup.ts";
import { addKeyslot } from "../src/header/keyslots.ts";
import { checkHeader, readLuks } from "../src/header/read.ts";
import { testPassphrase } from "../src/header/unlock.ts";
import { convertImage, decryptImage } from "../src/image/decrypt.ts";
import { reencryptImage } from "../src/image/reencrypt.ts";
import { formatLuks1 } from "../src/luks1/format.ts";
import { formatLuks2 } from "../src/luks2/format.ts";
import { MemoryDevice } from "./memory-device.ts";
import { blankFile, luksError, mebibyte, passphrase, scratchPath } from "./scratch.ts";

const one = { passphrase: passphrase("one key of sixteen bytes"), entropyBits: 128 };
const two = { passphrase: passphrase("two key of sixteen bytes"), entropyBits: 128 };
const hello = Buffer.from("plaintext on the data device");

for (const version of [1, 2] as const) {
  const format = version === 1 ? formatLuks1 : formatLuks2;
  /** Larger than what is in it, so that there would be room for data. */
  const detached = async () => {
    const [header, data] = [blankFile(18 * mebibyte), blankFile(3 * mebibyte)];
    await format(header, { keyslots: [one], detachedFrom: data });
    return { header, data };
  };
  const write = async (disk: BlockDevice) => {
    await disk.write(0, hello);
  };

  describe(`a detached header of LUKS${version}`, () => {
    const alone: [string, (header: string) => Promise<unknown>][] = [
      ["decrypted", (h) => decryptImage(h, { passphrase: one.passphrase })],
      [
        "decrypted into a file",
        (h) => decryptImage(h, { passphrase: one.passphrase, target: scratchPath("raw") }),
      ],
      ["re-encrypted", (h) => reencryptImage(h, { passphrase: one.passphrase, keyslots: [one] })],
      [
        "converted",
        (h) =>
          convertImage(h, { passphrase: one.passphrase, format: { version: 2, keyslots: [one] } }),
      ],
      ["opened for writing", (h) => withOpenDisk(h, one.passphrase, write, { access: "write" })],
      ["mapped", async (h) => layoutOf(await checkHeader(h))],
    ];
    for (const [what, use] of alone) {
      it(`alone is not ${what}`, async () => {
        const { header } = await detached();
        const before = readFileSync(header);
        await assert.rejects(use(header), luksError("unsupported"));
        assert.ok(readFileSync(header).equals(before));
        assert.ok(!existsSync(`${header}.chatelaine`));
        assert.equal(await testPassphrase(header, one.passphrase), 0);
      });
    }

    it("is not taken for its own data under another name", async () => {
      const { header } = await detached();
      const before = readFileSync(header);
      const link = scratchPath();
      linkSync(header, link);
      const handle = await open(header, "r");
      try {
        const names: readonly DeviceReference[] = [header, link, handle];
        for (const name of names) {
          const opened = withOpenDisk(header, one.passphrase, write, {
            access: "write",
            header: name,
          });
          await assert.rejects(opened, luksError("unsupported"));
          const target = scratchPath("raw");
          const decrypted = decryptImage(header, {
            passphrase: one.passphrase,
            target,
            header: name,
          });
          await assert.rejects(decrypted, luksError("unsupported"));
          assert.ok(!existsSync(target));
        }
      } finally {
        await handle.close();
      }
      const disk = new MemoryDevice(before);
      const opened = withOpenDisk(disk, one.passphrase, write, { access: "write", header: disk });
      await assert.rejects(opened, luksError("unsupported"));
      assert.ok(readFileSync(header).equals(before));
    });

    it("is not formatted onto the device that is to hold the data", async () => {
      const disk = new MemoryDevice(new Uint8Array(18 * mebibyte));
      const refused = format(disk, { keyslots: [one], detachedFrom: disk });
      await assert.rejects(refused, luksError("invalid_argument"));
      const path = blankFile(18 * mebibyte);
      const link = scratchPath();
      linkSync(path, link);
      await assert.rejects(format(path, { keyslots: [one], detachedFrom: link }));
      assert.ok(readFileSync(path).every((byte) => byte === 0));
    });

    it("is not restored over the data", async () => {
      const { header } = await detached();
      const backup = scratchPath("backup");
      await backupHeader(header, backup);
      const { uuid } = await readLuks(header);
      const data = new MemoryDevice(new Uint8Array(18 * mebibyte).fill(0x5a));
      const restored = restoreHeader(data, backup, { unprovenUuid: uuid });
      await assert.rejects(restored, luksError("unsupported"));
      assert.ok(data.bytes.every((byte) => byte === 0x5a));
      await restoreHeader(header, backup);
      assert.equal(await testPassphrase(header, one.passphrase), 0);
    });

    it("opens the data beside it, and takes another passphrase", async () => {
      const { header, data } = await detached();
      await addKeyslot(header, one.passphrase, two);
      await withOpenDisk(data, one.passphrase, write, { access: "write", header });
      const found = Buffer.alloc(hello.length);
      await withOpenDisk(data, two.passphrase, (disk) => disk.read(0, found), { header });
      assert.ok(found.equals(hello));
      const target = scratchPath("raw");
      await decryptImage(data, { passphrase: two.passphrase, target, header });
      assert.ok(readFileSync(target).subarray(0, hello.length).equals(hello));
    });
  });
}
