import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { it } from "node:test";
import { decryptImage } from "../src/image/decrypt.ts";
import { encryptImage } from "../src/image/encrypt.ts";
import { reencryptImage } from "../src/image/reencrypt.ts";
import { forgetImage, resumeImage } from "../src/image/resume.ts";
import { luksError, mebibyte, passphrase, scratchPath } from "./scratch.ts";

const one = { passphrase: passphrase("one key of sixteen bytes"), entropyBits: 128 };
const opening = { passphrase: one.passphrase };
const format = { version: 2, keyslots: [one], dataOffset: 2 * mebibyte } as const;
const raw = Buffer.alloc(mebibyte, "precious");

function rawImage(): string {
  const path = scratchPath("raw");
  writeFileSync(path, raw);
  return path;
}

async function luksImage(): Promise<string> {
  const path = rawImage();
  await encryptImage(path, { format });
  return path;
}

function onProgress(): never {
  throw new Error("cut");
}

const operations = {
  encryption: {
    make: async () => rawImage(),
    run: (path: string, run: object) => encryptImage(path, { format, ...run }),
  },
  decryption: {
    make: luksImage,
    run: (path: string, run: object) => decryptImage(path, { ...opening, ...run }),
  },
  "re-encryption": {
    make: luksImage,
    run: (path: string, run: object) =>
      reencryptImage(path, { ...opening, keyslots: [one], ...run }),
  },
};

for (const [name, { make, run }] of Object.entries(operations)) {
  it(`keeps the journal where the ${name} was cut in its first batch`, async () => {
    const path = await make();
    await assert.rejects(run(path, { onProgress }), /cut/);
    await assert.rejects(forgetImage(path), luksError("busy"));
    assert.ok(await resumeImage(path, opening));
    if (name !== "decryption") await decryptImage(path, opening);
    assert.ok(readFileSync(path).equals(raw));
  });

  it(`forgets where the ${name} was only begun`, async () => {
    const path = await make();
    const before = readFileSync(path);
    await run(path, { onlyBegin: true });
    await forgetImage(path);
    assert.ok(readFileSync(path).equals(before));
    await run(path, {});
  });
}

it("forgets a re-encryption that was refused before its first change, as the image is another now", async () => {
  const [path, other] = [await luksImage(), await luksImage()];
  await reencryptImage(path, { ...opening, keyslots: [one], onlyBegin: true });
  const bytes = readFileSync(other);
  writeFileSync(path, bytes);
  await assert.rejects(resumeImage(path, opening), luksError("changed"));
  await forgetImage(path);
  assert.ok(readFileSync(path).equals(bytes));
});
