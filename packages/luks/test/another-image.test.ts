import assert from "node:assert/strict";
import { appendFileSync, copyFileSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import { relative } from "node:path";
import { describe, it } from "node:test";
import { withOpenDisk } from "../src/data/open-disk.ts";
import { addKeyslot } from "../src/header/keyslots.ts";
import { decryptImage } from "../src/image/decrypt.ts";
import { encryptImage } from "../src/image/encrypt.ts";
import { ImageJournal } from "../src/image/journal.ts";
import { reencryptImage } from "../src/image/reencrypt.ts";
import { resumeImage } from "../src/image/resume.ts";
import { formatLuks2 } from "../src/luks2/format.ts";
import { luksError, mebibyte, passphrase, scratchPath } from "./scratch.ts";

const one = { passphrase: passphrase("one key of sixteen bytes"), entropyBits: 128 };
const two = { passphrase: passphrase("two key of sixteen bytes"), entropyBits: 128 };
const { passphrase: opening } = one;
const formats = {
  LUKS1: { version: 1, keyslots: [one], dataOffset: 3 * mebibyte },
  LUKS2: { version: 2, keyslots: [one], dataOffset: 2 * mebibyte },
} as const;
const format = formats.LUKS2;

function rawImage(bytes = mebibyte): string {
  const path = scratchPath("raw");
  writeFileSync(path, Buffer.alloc(bytes, "precious"));
  return path;
}

async function luksImage(kind: keyof typeof formats = "LUKS2"): Promise<string> {
  const path = rawImage();
  await encryptImage(path, { format: formats[kind] });
  return path;
}

/** Stops at the first progress. */
async function cut(work: (run: object) => Promise<unknown>): Promise<void> {
  const controller = new AbortController();
  const run = { signal: controller.signal, onProgress: () => controller.abort() };
  await assert.rejects(work(run), luksError("aborted"));
}

/** Refuses, changes nothing, and says which journal is of another image. */
async function isRefused(path: string, reason: RegExp): Promise<void> {
  const before = readFileSync(path);
  await assert.rejects(resumeImage(path, { passphrase: opening }), {
    code: "changed",
    message: new RegExp(
      `${path}: ${reason.source}.*: bring it back as it was left, and resume; ${path}.chatelaine is of no other image$`,
    ),
  });
  assert.ok(before.equals(readFileSync(path)), "the image has changed");
  assert.ok(existsSync(`${path}.chatelaine`));
}

async function holds(path: string, text: string): Promise<void> {
  await withOpenDisk(path, opening, async (disk) => {
    const data = Buffer.alloc(text.length);
    await disk.read(0, data);
    assert.equal(data.toString(), text);
  });
}

describe("an encryption in place that was cut is not resumed", () => {
  it("on an image that has grown, whose end it would cut off", async () => {
    const path = rawImage();
    await encryptImage(path, { format, onlyBegin: true });
    appendFileSync(path, Buffer.alloc(4 * mebibyte, "added"));
    await isRefused(path, /it has 5242880 bytes, and was left with 1048576 or 3145728/);
  });

  it("on a copy from before, of which it would encrypt a part", async () => {
    const path = rawImage(5 * mebibyte);
    const copy = scratchPath("copy");
    copyFileSync(path, copy);
    await cut((run) => encryptImage(path, { format, ...run }));
    copyFileSync(path, `${copy}.cut`);
    copyFileSync(copy, path);
    await isRefused(path, /it has 5242880 bytes, and was left with 7340032/);
    copyFileSync(`${copy}.cut`, path);
    assert.ok(await resumeImage(path, { passphrase: opening }));
    await holds(path, "precious");
  });

  it("on an image that is LUKS by now", async () => {
    const path = rawImage();
    writeFileSync(path, Buffer.alloc(4 * mebibyte));
    await encryptImage(path, { format, onlyBegin: true });
    await formatLuks2(path, { keyslots: [one], dataOffset: 2 * mebibyte });
    await isRefused(path, /it is LUKS now/);
  });
});

describe("a decryption in place that was cut is not resumed", () => {
  it("on an image that has grown, whose end it would cut off", async () => {
    const path = await luksImage();
    await decryptImage(path, { passphrase: opening, onlyBegin: true });
    appendFileSync(path, Buffer.alloc(mebibyte, "added"));
    await isRefused(path, /it has 4194304 bytes, and was left with 3145728/);
  });

  for (const kind of ["LUKS1", "LUKS2"] as const) {
    it(`on an image that has another volume key by now: ${kind}`, async () => {
      const path = await luksImage(kind);
      await decryptImage(path, { passphrase: opening, onlyBegin: true });
      const journal = scratchPath("journal");
      await reencryptImage(path, { passphrase: opening, keyslots: [one], journal });
      await isRefused(path, /it has another volume key than it was left with/);
    });

    it(`and goes on if a slot was added meanwhile: ${kind}`, async () => {
      const path = await luksImage(kind);
      await decryptImage(path, { passphrase: opening, onlyBegin: true });
      await addKeyslot(path, opening, two);
      assert.ok(await resumeImage(path, { passphrase: opening }));
      assert.ok(readFileSync(path).equals(Buffer.alloc(mebibyte, "precious")));
    });

    it(`and goes on where the first batch was cut, whatever the data is: ${kind}`, async () => {
      const inner = readFileSync(await luksImage());
      // The data is a LUKS disk itself; `encryptImage` would refuse it.
      const outer = rawImage(inner.length);
      await encryptImage(outer, { format: formats[kind] });
      await withOpenDisk(outer, opening, (disk) => disk.write(0, inner), { access: "write" });
      await decryptImage(outer, { passphrase: opening, onlyBegin: true });
      const cutImage = readFileSync(outer);
      // As much as a batch writes, and the journal knows nothing of it.
      inner.copy(cutImage, 0, 0, mebibyte);
      writeFileSync(outer, cutImage);
      assert.ok(await resumeImage(outer, { passphrase: opening }));
      assert.ok(readFileSync(outer).equals(inner));
    });
  }
});

describe("a re-encryption that was cut is not resumed", () => {
  for (const kind of ["LUKS1", "LUKS2"] as const) {
    it(`on an image that has another volume key by now: ${kind}`, async () => {
      const path = await luksImage(kind);
      const again = { passphrase: opening, keyslots: [one] };
      await reencryptImage(path, { ...again, onlyBegin: true });
      await reencryptImage(path, { ...again, journal: scratchPath("journal") });
      await isRefused(path, /it has another volume key than it was left with/);
      await holds(path, "precious");
    });
  }
});

describe("a copy that was cut", () => {
  it("goes on with the file that it began with, wherever it is resumed", async () => {
    const source = rawImage();
    const target = scratchPath("target");
    await cut((run) => encryptImage(relative(process.cwd(), source), { format, target, ...run }));
    assert.equal((await new ImageJournal(target).read())?.source, source);
  });

  it("is not resumed on a target of another size", async () => {
    const target = scratchPath("target");
    await cut((run) => encryptImage(rawImage(), { format, target, ...run }));
    appendFileSync(target, "added");
    await isRefused(target, /it has 3145733 bytes, and was left with 3145728/);
  });

  it("does not go on from a source that was written to since it began", async () => {
    const path = rawImage();
    const target = scratchPath("copy");
    await cut((run) => encryptImage(path, { format, target, ...run }));
    writeFileSync(path, Buffer.alloc(mebibyte, "something else"));
    const before = readFileSync(target);
    await assert.rejects(resumeImage(target, { passphrase: opening }), {
      code: "changed",
      message: new RegExp(`${path}: it was written to since the copy began.*remove ${target} and`),
    });
    assert.ok(before.equals(readFileSync(target)), "the copy has changed");
  });
});
