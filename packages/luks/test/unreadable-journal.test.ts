import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { forgetImage, interruptedOperation, resumeImage } from "../src/index.ts";

const directory = mkdtempSync(join(tmpdir(), "chatelaine-unreadable-journal-"));
after(() => rmSync(directory, { recursive: true }));

describe("a journal that cannot be read", () => {
  const image = join(directory, "image");
  const journal = join(directory, "journal");

  it("is not taken for none, and stays", async () => {
    writeFileSync(image, "data");
    writeFileSync(journal, "no folder");
    const passphrase = Buffer.from("x");
    for (const work of [
      () => interruptedOperation(image, { journal }),
      () => forgetImage(image, { journal }),
      () => resumeImage(image, { journal, passphrase }),
    ]) {
      await assert.rejects(work, { name: "LuksError", code: "io", message: /journal.*ENOTDIR/ });
    }
    assert.equal(readFileSync(journal, "utf8"), "no folder");
    assert.ok(existsSync(image));
  });
});
