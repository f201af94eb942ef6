import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { open } from "node:fs/promises";
import { it } from "node:test";
import { FdDevice } from "../src/device/fd-device.ts";
import { encryptImage } from "../src/image/encrypt.ts";
import { blankFile, mebibyte, passphrase, scratchPath } from "./scratch.ts";

const one = { passphrase: passphrase("one key of sixteen bytes"), entropyBits: 128 };
const format = { version: 2, keyslots: [one], dataOffset: 2 * mebibyte } as const;

it("names the image that a thread could not write, not its file descriptor", async () => {
  const full = await open("/dev/full", "r+");
  try {
    const writing = new FdDevice(full.fd, "disk.img").write(0, new Uint8Array(512));
    await assert.rejects(writing, { code: "io", message: /^write disk\.img: ENOSPC, / });
  } finally {
    await full.close();
  }
});

it("makes no LUKS image without data, which nobody opens, of an empty file", async () => {
  const empty = blankFile(0);
  const target = scratchPath("target");
  for (const run of [{}, { target }]) {
    await assert.rejects(encryptImage(empty, { format, ...run }), {
      code: "too_small",
      message: `encrypt image ${empty}: it is empty: give it a size first`,
    });
  }
  assert.ok(!existsSync(target) && !existsSync(`${empty}.chatelaine`));
});
