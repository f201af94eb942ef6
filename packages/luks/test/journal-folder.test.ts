import assert from "node:assert/strict";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { encryptImage } from "../src/image/encrypt.ts";
import { forgetImage, interruptedOperation, resumeImage } from "../src/image/resume.ts";
import { luksError, mebibyte, passphrase, scratchPath } from "./scratch.ts";

const one = { passphrase: passphrase("one key of sixteen bytes"), entropyBits: 128 };
const opening = { passphrase: one.passphrase };
const format = { version: 2, keyslots: [one], dataOffset: 2 * mebibyte } as const;

function rawImage(): string {
  const path = scratchPath("raw");
  writeFileSync(path, Buffer.alloc(mebibyte, "precious"));
  return path;
}

/** A folder of somebody else, named as the journal by mistake. */
function otherFolder(): string {
  const folder = scratchPath("folder");
  mkdirSync(join(folder, "papers"), { recursive: true });
  writeFileSync(join(folder, "thesis"), "precious");
  writeFileSync(join(folder, "batch"), "precious");
  return folder;
}

describe("a folder that is no journal, named by mistake", () => {
  it("stays as it is in resumeImage and forgetImage", async () => {
    const [image, journal] = [rawImage(), otherFolder()];
    assert.equal(await resumeImage(image, { ...opening, journal }), false);
    await forgetImage(image, { journal });
    assert.deepEqual(readdirSync(journal).toSorted(), ["batch", "papers", "thesis"]);
  });

  it("is refused if it has a file of that name which is no record", async () => {
    for (const text of ["{not json", "{}", "null", '{"state":null}']) {
      const [image, journal] = [rawImage(), otherFolder()];
      writeFileSync(join(journal, "state"), text);
      for (const work of [
        () => resumeImage(image, { ...opening, journal }),
        () => forgetImage(image, { journal }),
        () => interruptedOperation(image, { journal }),
      ]) {
        await assert.rejects(work, luksError("corrupt_header"));
      }
      assert.equal(readdirSync(journal).length, 4);
    }
  });

  it("is refused by a new operation, and not called one that waits", async () => {
    const [image, journal] = [rawImage(), otherFolder()];
    await assert.rejects(encryptImage(image, { format, journal }), {
      code: "busy",
      message: `encrypt image ${journal}: it already exists: name a new folder, or remove it if no operation is running`,
    });
    assert.equal(readdirSync(journal).length, 3);
  });

  it("is refused if it is a file", async () => {
    const [image, journal] = [rawImage(), rawImage()];
    await assert.rejects(interruptedOperation(image, { journal }), luksError("io"));
    await assert.rejects(resumeImage(image, { ...opening, journal }), luksError("io"));
    assert.ok(existsSync(journal));
  });
});

describe("the folder of a journal", () => {
  it("is removed with what the operation wrote, and keeps what others put there", async () => {
    const image = rawImage();
    const journal = `${image}.chatelaine`;
    await encryptImage(image, { format, onlyBegin: true });
    writeFileSync(join(journal, "notes"), "precious");
    assert.ok(await resumeImage(image, opening));
    assert.deepEqual(readdirSync(journal), ["notes"]);
    assert.equal(readFileSync(join(journal, "notes"), "utf8"), "precious");
  });

  it("is removed if the operation had not begun its work", async () => {
    const image = rawImage();
    const journal = `${image}.chatelaine`;
    for (const names of [[], ["new-header"], ["old-header", "new-header", "state.new"]]) {
      mkdirSync(journal);
      for (const name of names) writeFileSync(join(journal, name), "");
      assert.equal(await resumeImage(image, opening), false);
      assert.ok(!existsSync(journal));
    }
  });
});
