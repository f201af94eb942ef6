import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { LuksError } from "../src/errors.ts";
import { checkHeader, readLuks } from "../src/header/read.ts";
import { testPassphrase } from "../src/header/unlock.ts";
import { renderHeader } from "../src/luks2/binary-header.ts";
import { formatLuks2 } from "../src/luks2/format.ts";
import { loadLuks2 } from "../src/luks2/load.ts";
import { fuzzHeaders } from "./header-fuzzer.ts";
import { MemoryDevice } from "./memory-device.ts";
import { luksError, mebibyte, passphrase } from "./scratch.ts";

const key = { passphrase: passphrase("key of sixteen bytes"), entropyBits: 128 };

/** A disk whose JSON areas say something else, with valid checksums. */
async function diskSaying(change: (json: string) => string): Promise<MemoryDevice> {
  const disk = new MemoryDevice(new Uint8Array(2 * mebibyte));
  await formatLuks2(disk, { keyslots: [key], dataOffset: mebibyte });
  const { binary, metadata } = await loadLuks2("test", disk);
  const json = Buffer.from(change(JSON.stringify(metadata)));
  for (const offset of [0, 0x4000])
    disk.bytes.set(renderHeader({ ...binary, offset }, json), offset);
  return disk;
}

describe("hostile LUKS2 metadata", () => {
  const corrupt: [string, (json: string) => string][] = [
    ["is no JSON", () => "{"],
    ["is an array", () => "[]"],
    ["is nested too deeply", () => `{"a":${"[".repeat(40)}${"]".repeat(40)}}`],
    [
      "has an area behind the key slots area",
      (json) => json.replace('"offset":"32768"', '"offset":"1048576"'),
    ],
    ["has an area on the header", (json) => json.replace('"offset":"32768"', '"offset":"4096"')],
    ["has a number that no double holds", (json) => json.replace('"32768"', '"9007199254740993"')],
    ["has a negative offset", (json) => json.replace('"32768"', '"-1"')],
    ["has an area smaller than its material", (json) => json.replace('"258048"', '"4096"')],
    [
      "asks for a billion stripes",
      (json) => json.replace('"stripes":4000', '"stripes":1000000000'),
    ],
    [
      "has a digest of a slot that is not there",
      (json) => json.replace('"keyslots":["0"]', '"keyslots":["7"]'),
    ],
    ["has data inside the header", (json) => json.replace('"offset":"1048576"', '"offset":"8192"')],
    ["has a slot 32", (json) => json.replace('"keyslots":{"0"', '"keyslots":{"32"')],
    ["has sectors of 513 bytes", (json) => json.replace('"sector_size":512', '"sector_size":513')],
    ["has bytes behind the JSON object", (json) => `${json}x`],
    ["has a blank behind the JSON object", (json) => `${json} `],
    ["has bytes behind the JSON object's end", (json) => `${json}\0x`],
    ["has a blank before the JSON object", (json) => ` ${json}`],
    ["has no NUL at the end", (json) => json + "\0".repeat(12_287 - json.length) + "x"],
    ["lies about the JSON area's size", (json) => json.replace('"12288"', '"4096"')],
  ];
  for (const [what, change] of corrupt) {
    it(`is refused if it ${what}`, async () => {
      const disk = await diskSaying(change);
      const before = Uint8Array.from(disk.bytes);
      await assert.rejects(readLuks(disk), luksError("corrupt_header"));
      assert.equal(Buffer.compare(before, disk.bytes), 0);
    });
  }

  const textsInErrors: [string, (json: string, text: string) => string][] = [
    ["slot's number", (json, text) => json.replace('"keyslots":{', `"keyslots":{"${text}":1,`)],
    ["cipher", (json, text) => json.replace('"0","encryption":"', `"0","encryption":"${text}`)],
    [
      "requirement",
      (json, text) => json.replace(/}}$/, `,"requirements":{"mandatory":["${text}"]}}}`),
    ],
  ];
  for (const [what, change] of textsInErrors) {
    it(`cannot write lines or a terminal's commands into an error by a ${what}`, async () => {
      for (const text of ["1\\n", "\\u001b[2J", "\\u202e", "\\u200b", "\\u2028"]) {
        const disk = await diskSaying((json) => {
          const changed = change(json, text);
          assert.notEqual(changed, json);
          return changed;
        });
        await assert.rejects(
          checkHeader(disk),
          (error: Error) =>
            error instanceof LuksError && !/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u.test(error.message),
        );
      }
    });
  }

  it("may not make us derive for hours", async () => {
    const disk = await diskSaying((json) =>
      json.replace('"iterations":1000', '"iterations":4294967295'),
    );
    await readLuks(disk);
    await assert.rejects(testPassphrase(disk, key.passphrase), (error: Error) => {
      assert.match(error.message, /^test passphrase memory: key slot 0: derive key: 4294967295 /);
      return luksError("too_costly")(error);
    });
  });

  it("of an unknown kind of slot or cipher is read, and not opened", async () => {
    const disk = await diskSaying((json) => json.replace("aes-xts-plain64", "serpent-xts-plain64"));
    assert.equal((await readLuks(disk)).keyslots[0]?.areaCipher, "serpent-xts-plain64");
    await assert.rejects(testPassphrase(disk, key.passphrase), luksError("unsupported"));
  });

  it("with a digest of an unknown hash is read, and not opened", async () => {
    const digest = /"hash":"sha256","iterations":1000,"salt":"[^"]*","digest"/;
    const disk = await diskSaying((json) =>
      json.replace(digest, (found) => found.replace("sha256", "sha3")),
    );
    assert.equal((await readLuks(disk)).digests[0]?.hash, "sha3");
    await assert.rejects(testPassphrase(disk, key.passphrase), luksError("unsupported"));
  });

  it("with a digest of an unknown type, which has neither salt nor digest, is read, and not opened", async () => {
    const disk = await diskSaying((json) => {
      const metadata = JSON.parse(json) as { readonly digests: Record<string, object> };
      for (const id of Object.keys(metadata.digests)) {
        metadata.digests[id] = { type: "of-tomorrow", keyslots: ["0"], segments: ["0"] };
      }
      return JSON.stringify(metadata);
    });
    assert.equal((await readLuks(disk)).digests[0]?.type, "of-tomorrow");
    await assert.rejects(testPassphrase(disk, key.passphrase), luksError("unsupported"));
  });

  it("with an unknown requirement is read, and not touched", async () => {
    const disk = await diskSaying((json) =>
      json.replace('"config":{', '"config":{"requirements":{"mandatory":["time-travel"]},'),
    );
    assert.deepEqual((await readLuks(disk)).requirements, ["time-travel"]);
    await assert.rejects(testPassphrase(disk, key.passphrase), luksError("unsupported"));
  });

  it("on a device that ends inside of it is refused", async () => {
    const { bytes } = await diskSaying((json) => json);
    for (const length of [0, 1, 7, 8, 591, 4095, 4096, 16_383]) {
      const disk = new MemoryDevice(bytes.subarray(0, length));
      await assert.rejects(readLuks(disk), (error) => error instanceof LuksError);
    }
  });
});

describe("the header fuzzer", () => {
  it("finds nothing but typed errors in 20,000 mutations, quickly and in little memory", async (t) => {
    const summary = await fuzzHeaders(20_000, 1);
    t.diagnostic(JSON.stringify(summary));
    assert.ok(summary.accepted > 100 && summary.accepted < 19_000);
    assert.ok((summary.refused["corrupt_header"] ?? 0) > 1000);
    assert.ok(summary.largestGrowthBytes < 64 * mebibyte);
  });
});
