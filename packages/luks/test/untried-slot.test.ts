import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { it } from "node:test";
import { setKeyslotPriority } from "../src/header/keyslots.ts";
import { testPassphrase } from "../src/header/unlock.ts";
import { decryptImage } from "../src/image/decrypt.ts";
import { formatLuks2 } from "../src/luks2/format.ts";
import { blankFile, mebibyte, passphrase } from "./scratch.ts";

const [one, two] = ["one", "two"].map((text) => ({
  passphrase: passphrase(`${text} key of sixteen bytes`),
  entropyBits: 128,
})) as [Slot, Slot];
interface Slot {
  readonly passphrase: Uint8Array;
  readonly entropyBits: number;
}

async function disk(): Promise<string> {
  const path = blankFile(3 * mebibyte);
  await formatLuks2(path, { keyslots: [one, two], dataOffset: 2 * mebibyte });
  return path;
}

it("says which slot was not tried, when a passphrase opens nothing", async () => {
  const path = await disk();
  await setKeyslotPriority(path, 1, "ignore");
  await assert.rejects(testPassphrase(path, two.passphrase), {
    code: "wrong_passphrase",
    message:
      /no key slot opens with this passphrase; key slot 1 is not tried, because its priority is "ignore"$/,
  });
  assert.equal(await testPassphrase(path, two.passphrase, { slot: 1 }), 1);
});

it("names the image whose data is cut off, not its UUID", async () => {
  const path = await disk();
  writeFileSync(path, readFileSync(path).subarray(0, 2 * mebibyte));
  await assert.rejects(decryptImage(path, { passphrase: one.passphrase }), {
    code: "too_small",
    message: `decrypt image ${path}: the device ends before its data`,
  });
});
