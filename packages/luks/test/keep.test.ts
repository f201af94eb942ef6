import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { beforeEach, describe, it } from "node:test";
import { backupHeader, restoreHeader } from "../src/header/backup.ts";
import {
  addKeyslot,
  changePassphrase,
  killKeyslot,
  setKeyslotPriority,
} from "../src/header/keyslots.ts";
import { relabel, repairHeader } from "../src/header/maintain.ts";
import { readLuks } from "../src/header/read.ts";
import { addToken, removeToken } from "../src/header/tokens.ts";
import { testPassphrase } from "../src/header/unlock.ts";
import { convertImage, decryptImage } from "../src/image/decrypt.ts";
import { encryptImage } from "../src/image/encrypt.ts";
import { reencryptImage } from "../src/image/reencrypt.ts";
import { resumeImage } from "../src/image/resume.ts";
import { headerText, sayInHeader } from "./header-text.ts";
import { luksError, mebibyte, passphrase, scratchPath } from "./scratch.ts";

const one = { passphrase: passphrase("one key of sixteen bytes"), entropyBits: 128 };
const two = { passphrase: passphrase("two key of sixteen bytes"), entropyBits: 128 };
const three = { passphrase: passphrase("three key of 16 bytes"), entropyBits: 128 };

/** Numbers that JavaScript rounds or spells otherwise, members in no order, escapes, a member that is there twice. */
const foreign = String.raw`{"serial":9007199254740993,"huge":12345678901234567890,"float":1.0,"exp":1E3,"neg":-0,"b":1,"10":2,"2":3,"text":"\u00e9\/\ud83d\ude00","twice":1,"twice":2.50,"__proto__":{"x":1.50},"deep":[[{"y":0.10}], 1 ,2]}`;
const token = `{"type":"clevis","keyslots":["0"],"jwe":${foreign}}`;
const flags = '"flags":["allow-discards","no-read-workqueue","of-tomorrow"]';
const vendor = `"x-vendor":${foreign}`;
const settings = '"x-settings":{"rate":1.0}';
/** What every rewrite keeps. */
const kept = [token, flags, vendor, settings];

async function missing(disk: string): Promise<string[]> {
  const text = await headerText(disk);
  return kept.filter((part) => !text.includes(part));
}

describe("what another program wrote into a LUKS2 header", () => {
  let path: string;
  let raw: Buffer;
  beforeEach(async () => {
    path = scratchPath();
    raw = randomBytes(mebibyte);
    writeFileSync(path, raw);
    const format = { version: 2, keyslots: [one, two], dataOffset: 2 * mebibyte } as const;
    await encryptImage(path, { format });
    await sayInHeader(path, (json) =>
      json
        .replace('"tokens":{}', `"tokens":{"7":${token},"3":{"type":"x","keyslots":["1"],"n":1.0}}`)
        .replace(/"config":\{/, `"config":{${settings},${flags},`)
        .replace(/\}$/, `,${vendor}}`),
    );
    assert.deepEqual(await missing(path), []);
  });

  const changes: Record<string, () => Promise<unknown>> = {
    "a slot is added": () => addKeyslot(path, one.passphrase, three),
    "a passphrase is changed": () => changePassphrase(path, one.passphrase, three),
    "another slot is killed": () => killKeyslot(path, 1),
    "a slot's priority is changed": () => setKeyslotPriority(path, 0, "prefer"),
    "a token is added": () => addToken(path, { type: "y", keyslots: [] }),
    "another token is removed": () => removeToken(path, 3),
    "the disk is named": () => relabel(path, { label: "other" }),
    "the primary header is repaired": async () => {
      const bytes = readFileSync(path);
      bytes.fill(0, 0, 4096);
      writeFileSync(path, bytes);
      assert.equal(await repairHeader(path), true);
    },
    "the header is restored": async () => {
      const backup = scratchPath("header");
      await backupHeader(path, backup);
      await changePassphrase(path, two.passphrase, three);
      await sayInHeader(path, (json) => json.replace(token, '{"type":"z","keyslots":[]}'));
      await restoreHeader(path, backup);
    },
    "the disk is encrypted anew": () =>
      reencryptImage(path, { passphrase: one.passphrase, keyslots: [one] }),
    "the disk is encrypted anew, cut and resumed": async () => {
      const abort = new AbortController();
      const run = { signal: abort.signal, onProgress: () => abort.abort() };
      const options = { passphrase: one.passphrase, keyslots: [one], ...run };
      await reencryptImage(path, options).catch(luksError("aborted"));
      await resumeImage(path, { passphrase: one.passphrase });
    },
    "the disk is converted to other sectors": () =>
      convertImage(path, {
        passphrase: one.passphrase,
        format: { version: 2, keyslots: [one], sectorSize: 4096 },
      }),
  };
  for (const [what, act] of Object.entries(changes)) {
    it(`stays byte for byte when ${what}`, async () => {
      await act();
      assert.deepEqual(await missing(path), []);
      assert.deepEqual((await readLuks(path)).copies, { primary: "ok", secondary: "ok" });
    });
  }

  it("stays byte for byte in a converted copy", async () => {
    const target = scratchPath("luks");
    await convertImage(path, {
      passphrase: one.passphrase,
      target,
      format: { version: 2, keyslots: [one], sectorSize: 1024 },
    });
    assert.deepEqual(await missing(target), []);
    assert.notEqual((await readLuks(target)).uuid, (await readLuks(path)).uuid);
  });

  it("keeps its text but for the slot that is killed under its token", async () => {
    await killKeyslot(path, 0);
    const text = await headerText(path);
    assert.ok(text.includes(`{"type":"clevis","keyslots":[],"jwe":${foreign}}`), text);
    assert.ok(text.includes('{"type":"x","keyslots":["1"],"n":1.0}'));
  });

  it("keeps its text but for the slots that a re-encryption takes away", async () => {
    await reencryptImage(path, { passphrase: two.passphrase, keyslots: [two] });
    const text = await headerText(path);
    assert.ok(text.includes(`{"type":"clevis","keyslots":[],"jwe":${foreign}}`), text);
    assert.ok(text.includes('{"type":"x","keyslots":["1"],"n":1.0}'));
    // The passphrase opens the slot that it opened before, which the token names.
    assert.equal(await testPassphrase(path, two.passphrase), 1);
    await decryptImage(path, { passphrase: two.passphrase });
    assert.ok(readFileSync(path).equals(raw));
  });

  it("is not lost by a conversion to LUKS1, unless it may be", async () => {
    const convert = (allowLosing: readonly ("flags" | "tokens" | "unknown")[]) =>
      convertImage(path, {
        passphrase: one.passphrase,
        format: { version: 1, keyslots: [one] },
        allowLosing,
      });
    const before = readFileSync(path);
    await assert.rejects(convert([]), /flags, tokens, unknown/);
    await assert.rejects(convert(["flags", "tokens"]), luksError("unsupported"));
    assert.ok(readFileSync(path).equals(before));
    await convert(["flags", "tokens", "unknown"]);
    assert.equal((await readLuks(path)).version, 1);
    await decryptImage(path, { passphrase: one.passphrase });
    assert.ok(readFileSync(path).equals(raw));
  });

  it("may be a label that is not UTF-8", async () => {
    const label = Buffer.from("gr\xfcn", "latin1");
    await sayInHeader(path, (json) => json, label);
    await addKeyslot(path, one.passphrase, three);
    assert.ok(
      readFileSync(path)
        .subarray(24, 29)
        .equals(Buffer.concat([label, Buffer.alloc(1)])),
    );
    await reencryptImage(path, { passphrase: one.passphrase, keyslots: [one] });
    assert.ok(
      readFileSync(path)
        .subarray(24, 29)
        .equals(Buffer.concat([label, Buffer.alloc(1)])),
    );
  });
});

describe("a token of another program", () => {
  let path: string;
  beforeEach(async () => {
    path = scratchPath();
    writeFileSync(path, Buffer.alloc(4 * mebibyte));
    const format = { version: 2, keyslots: [one], dataOffset: 2 * mebibyte } as const;
    await encryptImage(path, { format });
  });

  it("is stored as it is written", async () => {
    assert.equal(await addToken(path, `\n ${token} `), 0);
    assert.ok((await headerText(path)).includes(`"tokens":{"0":${token}}`));
    await addToken(path, { type: "y", keyslots: [] });
    assert.ok((await headerText(path)).includes(`"tokens":{"0":${token},`));
  });

  it("is refused if it is no token, and if no program could read the header afterwards", async () => {
    const deep = `{"type":"x","keyslots":[],"a":${"[".repeat(40)}${"]".repeat(40)}}`;
    const wide = `{"type":"x","keyslots":[],"a":[${"0,".repeat(70_000)}0]}`;
    const before = readFileSync(path);
    for (const text of ["", "{", "[]", "{}", '{"type":"x"}', '{"type":"","keyslots":[]}', deep]) {
      await assert.rejects(addToken(path, text), luksError("invalid_argument"), text);
    }
    await assert.rejects(addToken(path, JSON.parse(deep) as never), luksError("invalid_argument"));
    await assert.rejects(addToken(path, wide), luksError("no_space"));
    await assert.rejects(
      addToken(path, '{"type":"x","keyslots":["5"]}'),
      luksError("no_such_slot"),
    );
    assert.ok(readFileSync(path).equals(before));
  });
});
