import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { beforeEach, describe, it } from "node:test";
import { privateHeader } from "../src/data/private-header.ts";
import { backupHeader, restoreHeader } from "../src/header/backup.ts";
import {
  addKeyslot,
  changePassphrase,
  killKeyslot,
  setKeyslotPriority,
} from "../src/header/keyslots.ts";
import { relabel } from "../src/header/maintain.ts";
import { checkHeader, readLuks } from "../src/header/read.ts";
import { addToken } from "../src/header/tokens.ts";
import { testPassphrase, unlock } from "../src/header/unlock.ts";
import { decryptImage } from "../src/image/decrypt.ts";
import { encryptImage } from "../src/image/encrypt.ts";
import { reencryptImage } from "../src/image/reencrypt.ts";
import { headerText, materialOf, sayInHeader } from "./header-text.ts";
import { luksError, mebibyte, passphrase, scratchPath } from "./scratch.ts";

const one = { passphrase: passphrase("one key of sixteen bytes"), entropyBits: 128 };
const two = { passphrase: passphrase("two key of sixteen bytes"), entropyBits: 128 };
const three = { passphrase: passphrase("three key of 16 bytes"), entropyBits: 128 };

/** A derivation that nobody has heard of, with numbers and texts of its own. */
const kdf = `{"type":"balloon","space":1.0,"salt":"","note":"${"long".repeat(50)}\\u0007"}`;

describe("a key slot whose derivation nobody knows", () => {
  let path: string;
  let raw: Buffer;
  let slotText: string;
  let material: Buffer;
  beforeEach(async () => {
    path = scratchPath();
    raw = randomBytes(mebibyte);
    writeFileSync(path, raw);
    const format = { version: 2, keyslots: [one, two], dataOffset: 2 * mebibyte } as const;
    await encryptImage(path, { format });
    await sayInHeader(path, (json) => {
      const start = json.indexOf('"kdf":', json.indexOf('"1":{"type":"luks2"'));
      return json.slice(0, start) + `"kdf":${kdf}` + json.slice(json.indexOf("}", start) + 1);
    });
    slotText = textOf(await headerText(path));
    material = await materialOf(path, 1);
  });

  const isKept = async () => {
    assert.equal(textOf(await headerText(path)), slotText);
    assert.ok((await materialOf(path, 1)).equals(material));
  };

  it("does not keep the other slots from opening the disk", async () => {
    assert.equal(await testPassphrase(path, one.passphrase), 0);
    assert.deepEqual((await checkHeader(path)).waysIn, [0]);
    await decryptImage(path, { passphrase: one.passphrase });
    assert.ok(readFileSync(path).equals(raw));
  });

  it("is shown, with a warning", async () => {
    const { keyslots, warnings } = await readLuks(path);
    assert.deepEqual(
      keyslots.map(({ kdf: known, kdfType, ignored }) => [known?.type, kdfType, ignored]),
      [
        ["pbkdf2", "pbkdf2", undefined],
        [undefined, "balloon", 'unknown key derivation "balloon"'],
      ],
    );
    assert.deepEqual(warnings, ['key slot 1 is ignored: unknown key derivation "balloon"']);
  });

  it("is no way in: a wrong passphrase is wrong, and the slot itself cannot be asked for", async () => {
    await assert.rejects(testPassphrase(path, two.passphrase), luksError("wrong_passphrase"));
    await assert.rejects(
      testPassphrase(path, two.passphrase, { slot: 1 }),
      (error: Error) =>
        luksError("unsupported")(error) &&
        /key slot 1 is ignored: unknown key deriv/.test(error.message),
    );
    await assert.rejects(killKeyslot(path, 0), luksError("last_slot"));
    await isKept();
  });

  it("is not handed to another program", async () => {
    const { header, volumeKey } = await unlock(path, one.passphrase);
    const { bytes } = await privateHeader(header, volumeKey);
    assert.ok(!Buffer.from(bytes).includes("balloon"));
    assert.ok(!Buffer.from(bytes).includes(material.subarray(0, 512)));
  });

  const changes: Record<string, () => Promise<unknown>> = {
    "a slot is added": async () => {
      assert.equal(await addKeyslot(path, one.passphrase, three), 2);
      assert.equal(await testPassphrase(path, three.passphrase), 2);
    },
    "another slot is killed": async () => {
      await addKeyslot(path, one.passphrase, three);
      await killKeyslot(path, 0);
    },
    "a passphrase is changed": () => changePassphrase(path, one.passphrase, three),
    "another slot's priority is changed": () => setKeyslotPriority(path, 0, "prefer"),
    "a token is added": () => addToken(path, { type: "x", keyslots: ["1"] }),
    "the disk is named": () => relabel(path, { label: "other" }),
    "the header is restored": async () => {
      const backup = scratchPath("header");
      await backupHeader(path, backup);
      await changePassphrase(path, one.passphrase, three);
      await restoreHeader(path, backup);
      assert.equal(await testPassphrase(path, one.passphrase), 0);
    },
  };
  for (const [what, act] of Object.entries(changes)) {
    it(`stays as it is, key material included, when ${what}`, async () => {
      await act();
      await isKept();
    });
  }

  it("is killed where it is asked for by number", async () => {
    await killKeyslot(path, 1);
    assert.equal(await testPassphrase(path, one.passphrase), 0);
    assert.ok(!(await headerText(path)).includes("balloon"));
  });

  it("goes with the old volume key when the disk is encrypted anew", async () => {
    await reencryptImage(path, { passphrase: one.passphrase, keyslots: [one] });
    assert.deepEqual(
      (await readLuks(path)).keyslots.map(({ slot }) => slot),
      [0],
    );
  });

  it("is the only one: the error says what it is", async () => {
    const text = (await headerText(path)).replaceAll(
      '"type":"pbkdf2","hash":"sha256","iterations":1000,"salt"',
      '"type":"argon3","salt"',
    );
    await sayInHeader(path, () => text);
    await assert.rejects(
      testPassphrase(path, one.passphrase),
      (error: Error) => luksError("unsupported")(error) && error.message.includes("argon3"),
    );
  });

  const damaged: [string, (json: string) => string][] = [
    ["splitter", (json) => json.replace('"af":{"type":"luks1"', '"af":{"type":"luks9"')],
    ["area", (json) => json.replace('"area":{"type":"raw"', '"area":{"type":"cooked"')],
  ];
  for (const [what, change] of damaged) {
    it(`is unlike a slot with an unknown kind of ${what}, which is refused as by cryptsetup`, async () => {
      await sayInHeader(path, change);
      await assert.rejects(readLuks(path), luksError("corrupt_header"));
    });
  }
});

/** Of slot 1. */
function textOf(json: string): string {
  const start = json.indexOf('"1":{"type":"luks2"');
  assert.notEqual(start, -1);
  return json.slice(start, json.indexOf("}}", start) + 2);
}
