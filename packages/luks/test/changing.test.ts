import assert from "node:assert/strict";
import { existsSync, readFileSync, symlinkSync, truncateSync, writeFileSync } from "node:fs";
import { describe, it } from "node:test";
import type { BlockDevice } from "../src/device/device.ts";
import { LuksError } from "../src/errors.ts";
import { addKeyslot } from "../src/header/keyslots.ts";
import { readLuks } from "../src/header/read.ts";
import { addToken } from "../src/header/tokens.ts";
import { decryptImage } from "../src/image/decrypt.ts";
import { encryptImage } from "../src/image/encrypt.ts";
import { resumeImage } from "../src/image/resume.ts";
import { formatLuks1 } from "../src/luks1/format.ts";
import { formatLuks2 } from "../src/luks2/format.ts";
import { MemoryDevice } from "./memory-device.ts";
import { luksError, mebibyte, passphrase, scratchPath } from "./scratch.ts";

const one = { passphrase: passphrase("one key of sixteen bytes"), entropyBits: 128 };
const two = { passphrase: passphrase("two key of sixteen bytes"), entropyBits: 128 };

/** A disk on which somebody else does something just before its beginning is read for the nth time. */
function contested(disk: MemoryDevice, nth: number, rival: () => Promise<unknown>): BlockDevice {
  let reads = 0;
  return {
    name: disk.name,
    size: disk.size,
    read: async (offset, into) => {
      if (offset === 0 && reads++ === nth) await rival();
      await disk.read(offset, into);
    },
    write: (offset, bytes) => disk.write(offset, bytes),
    sync: () => disk.sync(),
  };
}

/** `changed` is false, anything else than success an error. */
async function succeeds(work: Promise<unknown>): Promise<boolean> {
  try {
    await work;
    return true;
  } catch (error) {
    assert.ok(error instanceof LuksError && error.code === "changed", String(error));
    return false;
  }
}

describe("a header that somebody else changes meanwhile", () => {
  it("LUKS2: keeps the other's change, and ours only if nothing is refused", async () => {
    const seen = { refused: 0, accepted: 0 };
    for (let nth = 0; nth < 10; nth++) {
      const disk = new MemoryDevice(new Uint8Array(2 * mebibyte));
      await formatLuks2(disk, { keyslots: [one], dataOffset: mebibyte });
      let hasRival = false;
      const device = contested(disk, nth, async () => {
        hasRival = true;
        await addToken(disk, { type: "theirs", keyslots: [] });
      });
      const succeeded = await succeeds(addToken(device, { type: "ours", keyslots: [] }));
      seen[succeeded ? "accepted" : "refused"]++;
      const types = (await readLuks(disk)).tokens.map(({ token }) => token.type);
      assert.deepEqual(types, [...(hasRival ? ["theirs"] : []), ...(succeeded ? ["ours"] : [])]);
    }
    assert.ok(seen.refused > 0 && seen.accepted > 0, JSON.stringify(seen));
  });

  it("LUKS1: keeps the other's slot, and ours only if nothing is refused", async () => {
    const seen = { refused: 0, accepted: 0 };
    for (let nth = 0; nth < 6; nth++) {
      const disk = new MemoryDevice(new Uint8Array(3 * mebibyte));
      await formatLuks1(disk, { keyslots: [one] });
      let hasRival = false;
      const device = contested(disk, nth, async () => {
        hasRival = true;
        await addKeyslot(disk, one.passphrase, { ...two, slot: 5 });
      });
      const ours = addKeyslot(device, one.passphrase, { ...two, slot: 6 });
      const succeeded = await succeeds(ours);
      seen[succeeded ? "accepted" : "refused"]++;
      const slots = (await readLuks(disk)).keyslots.map(({ slot }) => slot);
      assert.deepEqual(slots, [0, ...(hasRival ? [5] : []), ...(succeeded ? [6] : [])]);
    }
    assert.ok(seen.refused > 0 && seen.accepted > 0, JSON.stringify(seen));
  });
});

describe("an image that somebody else changes meanwhile", () => {
  const format = { version: 2, keyslots: [one], dataOffset: 2 * mebibyte } as const;

  it("is refused when it shrinks, and its copy is not resumed", async () => {
    const [path, target] = [scratchPath("raw"), scratchPath("luks")];
    writeFileSync(path, Buffer.alloc(16 * mebibyte, "content"));
    const onProgress = () => truncateSync(path, mebibyte);
    const encrypt = () => encryptImage(path, { format, target, onProgress });
    await assert.rejects(encrypt, luksError("too_small"));
    const resume = () => resumeImage(target, { passphrase: one.passphrase });
    await assert.rejects(resume, luksError("changed"));
  });

  it("is refused where a symbolic link names it", async () => {
    const [path, link] = [scratchPath("raw"), scratchPath("link")];
    const content = Buffer.alloc(mebibyte, "content");
    writeFileSync(path, content);
    symlinkSync(path, link);
    await assert.rejects(() => encryptImage(link, { format }), luksError("invalid_argument"));
    assert.ok(readFileSync(path).equals(content));
    assert.ok(!existsSync(`${link}.chatelaine`));
    await encryptImage(path, { format });
    const decrypt = () => decryptImage(link, { passphrase: one.passphrase });
    await assert.rejects(decrypt, luksError("invalid_argument"));
  });
});
