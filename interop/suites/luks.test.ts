import assert from "node:assert/strict";
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { addToken, chatelaineToken, formatLuks2, readLuks, testPassphrase } from "@chatelaine/luks";
import { runTool } from "../host/run-tool.ts";

const folder = mkdtempSync(join(tmpdir(), "luks-interop-"));
after(() => rmSync(folder, { recursive: true, force: true }));
const mebibyte = 1024 * 1024;
const passphrase = "00112233445566778899aabbccddeeff";
const slot = { passphrase: Buffer.from(passphrase), entropyBits: 128 };
let files = 0;

function blankFile(bytes: number): string {
  const path = join(folder, `${files++}.img`);
  writeFileSync(path, "");
  truncateSync(path, bytes);
  return path;
}

function cryptsetup(args: readonly string[], input?: string): string {
  return runTool("cryptsetup", args, input === undefined ? {} : { input });
}

/** The slot that cryptsetup opens. */
function slotOpenedByCryptsetup(path: string, text: string): number {
  const args = ["open", "--test-passphrase", "--verbose", "--key-file=-", path];
  return Number(/Key slot (\d+) unlocked/.exec(cryptsetup(args, text))?.[1]);
}

describe("cryptsetup on what we write", () => {
  for (const volumeKeyBitLength of [256, 512] as const) {
    for (const sectorSize of [512, 1024, 2048, 4096] as const) {
      it(`opens LUKS2 with a key of ${volumeKeyBitLength} bits and sectors of ${sectorSize}`, async () => {
        const path = blankFile(17 * mebibyte);
        const { uuid } = await formatLuks2(path, {
          keyslots: [slot],
          volumeKeyBitLength,
          sectorSize,
        });
        const dump = cryptsetup(["luksDump", path]);
        assert.match(dump, new RegExp(`UUID:\\s+${uuid}`));
        assert.match(dump, new RegExp(`sector: ${sectorSize} `));
        assert.equal(slotOpenedByCryptsetup(path, passphrase), 0);
        assert.match(cryptsetup(["repair", "-v", path]), /No known problems/);
      });
    }
  }

  it("exports our token, and our readers see the one it imports", async () => {
    const path = blankFile(17 * mebibyte);
    await formatLuks2(path, { keyslots: [slot] });
    const token = chatelaineToken({ keyslots: [0], object: "key-1", created: new Date() });
    assert.equal(await addToken(path, token), 0);
    assert.deepEqual(JSON.parse(cryptsetup(["token", "export", "--token-id", "0", path])), token);
    cryptsetup(
      ["token", "import", "--token-id", "5", "--json-file", "-", path],
      JSON.stringify(token),
    );
    assert.deepEqual((await readLuks(path)).tokens[1], { id: 5, token });
  });
});

describe("we on what cryptsetup writes", () => {
  for (const kdf of ["pbkdf2", "argon2i", "argon2id"]) {
    it(`open LUKS2 with ${kdf}`, async () => {
      const path = blankFile(32 * mebibyte);
      const cost = kdf === "pbkdf2" ? [] : ["--pbkdf-memory", "65536", "--pbkdf-parallel", "2"];
      const iterations = ["--pbkdf-force-iterations", kdf === "pbkdf2" ? "1000" : "4"];
      cryptsetup(
        [
          "luksFormat",
          "-q",
          "--type",
          "luks2",
          "--sector-size",
          "512",
          "--pbkdf",
          kdf,
          ...cost,
          ...iterations,
          "--key-file=-",
          path,
        ],
        passphrase,
      );
      assert.equal(await testPassphrase(path, slot.passphrase), 0);
      await assert.rejects(testPassphrase(path, Buffer.from("wrong")), {
        code: "wrong_passphrase",
      });
    });
  }
});
