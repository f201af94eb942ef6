import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import {
  copyFileSync,
  linkSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { withOpenDisk } from "../src/data/open-disk.ts";
import { findSignatures } from "../src/device/data-signatures.ts";
import { withDevice } from "../src/device/device.ts";
import { repairHeader } from "../src/header/maintain.ts";
import { readLuks } from "../src/header/read.ts";
import { decryptImage } from "../src/image/decrypt.ts";
import { encryptImage } from "../src/image/encrypt.ts";
import { ImageJournal } from "../src/image/journal.ts";
import { resumeImage } from "../src/image/resume.ts";
import { formatLuks2 } from "../src/luks2/format.ts";
import { luksError, mebibyte, passphrase, scratchPath } from "./scratch.ts";

const one = { passphrase: passphrase("one key of sixteen bytes"), entropyBits: 128 };
const opening = { passphrase: one.passphrase };
const withheld = 512 * 1024;
const formats = {
  LUKS1: { version: 1, keyslots: [one], dataOffset: 3 * mebibyte },
  LUKS2: { version: 2, keyslots: [one], dataOffset: 2 * mebibyte },
} as const;

/** A swap area, as blkid knows it. */
function content(bytes = 7 * mebibyte): Buffer {
  const data = Buffer.alloc(7 * mebibyte, "precious");
  data.fill(0, 0, 4096);
  data.writeUInt32LE(1, 1024);
  data.writeUInt32LE(1000, 1028);
  data.write("SWAPSPACE2", 4086);
  return data.subarray(0, bytes);
}

async function cut(work: (run: object) => Promise<unknown>): Promise<void> {
  const controller = new AbortController();
  const run = { signal: controller.signal, onProgress: () => controller.abort() };
  await assert.rejects(work(run), luksError("aborted"));
}

async function halfEncrypted(kind: keyof typeof formats = "LUKS2"): Promise<string> {
  const path = scratchPath("half");
  writeFileSync(path, content());
  await cut((run) => encryptImage(path, { format: formats[kind], ...run }));
  return path;
}

async function halfDecrypted(kind: keyof typeof formats = "LUKS2"): Promise<string> {
  const path = scratchPath("half");
  writeFileSync(path, content());
  await encryptImage(path, { format: formats[kind] });
  await cut((run) => decryptImage(path, { ...opening, ...run }));
  return path;
}

const halves = { encrypted: halfEncrypted, decrypted: halfDecrypted };

async function holdsContent(path: string): Promise<void> {
  const wanted = content();
  await withOpenDisk(path, one.passphrase, async (disk) => {
    const data = Buffer.alloc(disk.size);
    await disk.read(0, data);
    assert.ok(data.equals(wanted));
  });
}

/** Rewrites the journal's state. */
async function change(image: string, by: object): Promise<void> {
  const journal = new ImageJournal(image);
  const state = await journal.read();
  assert.ok(state);
  await journal.write({ ...state, ...by });
}

function overwrite(path: string, offset: number, bytes: Uint8Array): void {
  writeSync(openSync(path, "r+"), bytes, 0, bytes.length, offset);
}

async function isChanged(path: string, why: RegExp): Promise<void> {
  const before = readFileSync(path);
  await assert.rejects(resumeImage(path, opening), { code: "changed", message: why });
  assert.ok(before.equals(readFileSync(path)), "the image was written to");
}

const probe = (file: string) => spawnSync("/usr/sbin/blkid", ["-p", file], { encoding: "utf8" });

for (const [half, make] of Object.entries(halves)) {
  for (const kind of ["LUKS1", "LUKS2"] as const) {
    describe(`a half ${half} image, ${kind}`, () => {
      it("is refused under another name, with the command that goes on, and goes on with its journal", async () => {
        const path = await make(kind);
        const renamed = scratchPath("renamed");
        renameSync(path, renamed);
        const before = readFileSync(renamed);
        const refusals = {
          encryptImage: () => encryptImage(renamed, { format: formats[kind] }),
          decryptImage: () => decryptImage(renamed, opening),
          readLuks: () => readLuks(renamed),
          repairHeader: () => repairHeader(renamed),
        };
        for (const [name, refused] of Object.entries(refusals)) {
          await assert.rejects(
            refused(),
            {
              code: "in_reencryption",
              message: new RegExp(`${renamed}: .*has not finished: run "chatelaine luks resume`),
            },
            name,
          );
        }
        await assert.rejects(
          formatLuks2(renamed, { keyslots: [one], dataOffset: 2 * mebibyte }),
          luksError("holds_data"),
        );
        assert.ok(before.equals(readFileSync(renamed)));
        await resumeImage(renamed, { ...opening, journal: `${path}.chatelaine` });
        if (half === "encrypted") await holdsContent(renamed);
        else assert.ok(readFileSync(renamed).equals(content()));
      });

      it("is refused under another link", async () => {
        const path = await make(kind);
        const link = scratchPath("link");
        linkSync(path, link);
        await assert.rejects(
          encryptImage(link, { format: formats[kind] }),
          luksError("in_reencryption"),
        );
      });

      it("is refused when its mark is damaged, too", async () => {
        const path = await make(kind);
        overwrite(path, 100, Buffer.from("x"));
        await assert.rejects(readLuks(path), {
          code: "in_reencryption",
          message: /has begun to encrypt or decrypt it in place/,
        });
      });

      it("has no signature of a file system or of LUKS", async (t) => {
        const path = await make(kind);
        const found = await withDevice("look", path, "read", findSignatures);
        assert.deepEqual(
          found.map((signature) => signature.kind),
          ["chatelaine-in-place"],
        );
        // Of util-linux, which each Debian has; elsewhere the run says that this was not looked at.
        if (probe(path).error) return t.skip("there is no blkid");
        // 2: nothing found; 8 would be several formats.
        assert.equal(probe(path).status, 2);
        const raw = scratchPath("raw");
        writeFileSync(raw, content());
        assert.match(probe(raw).stdout, /TYPE="swap"/);
      });
    });
  }
}

describe("a backup that was written back onto half-done work", () => {
  it("of the raw disk is not taken for the rest of the encryption", async () => {
    const path = await halfEncrypted();
    overwrite(path, 0, content());
    await isChanged(path, /it has not the mark that it was left with: bring it back/);
  });

  it("of the LUKS disk is not taken for the rest of the decryption", async () => {
    const path = scratchPath();
    writeFileSync(path, content());
    await encryptImage(path, { format: formats.LUKS2 });
    const backup = scratchPath("backup");
    copyFileSync(path, backup);
    await cut((run) => decryptImage(path, { ...opening, ...run }));
    copyFileSync(backup, path);
    await isChanged(path, /it has not the mark/);
  });

  it("is not overwritten where only the last step was missing", async () => {
    for (const half of ["encrypted", "decrypted"] as const) {
      const path = await halves[half]();
      const { totalBytes = 0 } = (await new ImageJournal(path).read()) ?? {};
      await change(path, { phase: "header", doneBytes: totalBytes });
      overwrite(path, 0, Buffer.alloc(mebibyte, "a backup"));
      await isChanged(path, /it has not the mark/);
    }
  });
});

describe("work that was cut while the mark was written", () => {
  it("goes on if not a byte of it was", async () => {
    const path = scratchPath();
    const before = scratchPath("before");
    writeFileSync(path, content());
    copyFileSync(path, before);
    await cut((run) => encryptImage(path, { format: formats.LUKS2, ...run }));
    copyFileSync(before, path);
    await change(path, { doneBytes: 0 });
    await resumeImage(path, opening);
    await holdsContent(path);

    copyFileSync(path, before);
    await cut((run) => decryptImage(path, { ...opening, ...run }));
    copyFileSync(before, path);
    await change(path, { doneBytes: 0 });
    // It is LUKS still, and somebody uses it.
    const since = { access: "write" } as const;
    const text = Buffer.alloc(512, "written since");
    await withOpenDisk(path, one.passphrase, (disk) => disk.write(512 * 200, text), since);
    await resumeImage(path, opening);
    const wanted = content();
    text.copy(wanted, 512 * 200);
    assert.ok(readFileSync(path).equals(wanted));
  });

  it("goes on with what was written to the image since, before the mark was on it", async () => {
    const half = await halfEncrypted();
    // As after a cut between the record in the journal and the mark: the image is raw, and somebody uses it.
    overwrite(half, 0, content().subarray(0, withheld));
    await change(half, { doneBytes: 0 });
    overwrite(half, 100_000, Buffer.from("written since"));
    await resumeImage(half, opening);
    await withOpenDisk(half, one.passphrase, async (disk) => {
      const data = Buffer.alloc(13);
      await disk.read(100_000, data);
      assert.equal(data.toString(), "written since");
    });
  });

  it("keeps no plaintext in the journal, and none of its files afterwards", async () => {
    const path = await halfEncrypted();
    const start = readFileSync(join(`${path}.chatelaine`, "start"));
    assert.equal(start.length, withheld);
    assert.ok(!start.includes("precious"));
    await resumeImage(path, opening);
    assert.throws(() => readFileSync(join(`${path}.chatelaine`, "start")), { code: "ENOENT" });
  });

  it("says that its journal is damaged when the first bytes in it are, and changes nothing", async () => {
    const path = await halfEncrypted();
    overwrite(join(`${path}.chatelaine`, "start"), 7, Buffer.from("x"));
    const before = readFileSync(path);
    await assert.rejects(resumeImage(path, opening), {
      code: "corrupt_header",
      message: /start is damaged/,
    });
    assert.ok(before.equals(readFileSync(path)));
  });
});

describe("work that a version without marks has begun", () => {
  it("goes on, encrypting", async () => {
    const path = await halfEncrypted();
    overwrite(path, 0, content().subarray(0, withheld));
    await change(path, { mark: undefined });
    rmSync(join(`${path}.chatelaine`, "start"));
    await resumeImage(path, opening);
    await holdsContent(path);
  });

  it("goes on, decrypting", async () => {
    const path = await halfDecrypted();
    overwrite(path, 0, content().subarray(0, withheld));
    const { doneBytes = 0 } = (await new ImageJournal(path).read()) ?? {};
    await change(path, { mark: undefined, doneBytes: doneBytes + withheld });
    rmSync(join(`${path}.chatelaine`, "start"));
    await resumeImage(path, opening);
    assert.ok(readFileSync(path).equals(content()));
  });
});

describe("an image that is smaller than what is withheld", () => {
  for (const bytes of [512, 4096, 4608, 500 * 1024]) {
    it(`of ${bytes} bytes is encrypted and decrypted in place`, async () => {
      const path = scratchPath();
      writeFileSync(path, content(bytes));
      const before = readFileSync(path);
      await encryptImage(path, { format: formats.LUKS2 });
      await decryptImage(path, opening);
      assert.ok(before.equals(readFileSync(path)));
    });
  }
});
