import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { beforeEach, describe, it } from "node:test";
import { VolumeKey } from "../src/crypto/volume-key.ts";
import { withOpenDisk } from "../src/data/open-disk.ts";
import { backupHeader, restoreHeader } from "../src/header/backup.ts";
import { addKeyslot, changePassphrase, killKeyslot } from "../src/header/keyslots.ts";
import { readLuks } from "../src/header/read.ts";
import { testPassphrase, unlock } from "../src/header/unlock.ts";
import { convertImage, decryptImage } from "../src/image/decrypt.ts";
import { encryptImage } from "../src/image/encrypt.ts";
import { reencryptImage } from "../src/image/reencrypt.ts";
import { forgetImage, resumeImage } from "../src/image/resume.ts";
import { addUnboundSlot, headerText, materialOf } from "./header-text.ts";
import { luksError, mebibyte, passphrase, scratchPath } from "./scratch.ts";

const owner = { passphrase: passphrase("the owner's key of bytes"), entropyBits: 128 };
const spare = { passphrase: passphrase("opens another key"), entropyBits: 128 };
const third = { passphrase: passphrase("a third key of bytes"), entropyBits: 128 };
const spareKey = Buffer.alloc(64, "of another disk");

function hashOf(path: string): string {
  return createHash("sha256").update(readFileSync(path)).digest("hex");
}

describe("a key slot that is not bound to the data", () => {
  let path: string;
  let raw: Buffer;
  let before: string;
  beforeEach(async () => {
    path = scratchPath();
    raw = randomBytes(mebibyte);
    writeFileSync(path, raw);
    const format = { version: 2, keyslots: [owner], dataOffset: 2 * mebibyte } as const;
    await encryptImage(path, { format });
    assert.equal(await addUnboundSlot(path, spare.passphrase, spareKey), 1);
    before = hashOf(path);
  });

  /** The disk is as it was, and nothing waits to be resumed. */
  const isUntouched = () => {
    assert.equal(hashOf(path), before);
    assert.ok(!existsSync(`${path}.chatelaine`));
  };

  const by = spare.passphrase;
  const refused: Record<string, () => Promise<unknown>> = {
    "is no way to test a passphrase": () => testPassphrase(path, by),
    "gives no volume key": () => unlock(path, by),
    "shows no data": () => withOpenDisk(path, by, async () => undefined),
    "does not make noise of the data by decrypting it in place": () =>
      decryptImage(path, { passphrase: by }),
    "does not make a file of noise by decrypting it": () =>
      decryptImage(path, { passphrase: by, target: scratchPath("raw") }),
    "does not make noise of the data by encrypting it anew": () =>
      reencryptImage(path, { passphrase: by, keyslots: [spare] }),
    "does not make noise of the data by a conversion to LUKS1 in place": () =>
      convertImage(path, {
        passphrase: by,
        format: { version: 1, keyslots: [spare] },
        allowLosing: ["slots"],
      }),
    "does not make noise of the data by a conversion to other sectors in place": () =>
      convertImage(path, {
        passphrase: by,
        format: { version: 2, keyslots: [spare], sectorSize: 4096 },
      }),
    "does not make a file of noise by a conversion": () =>
      convertImage(path, {
        passphrase: by,
        target: scratchPath("luks"),
        format: { version: 1, keyslots: [spare] },
      }),
    "lets nobody add a slot by its passphrase": () => addKeyslot(path, by, third),
    "lets nobody add a slot by its key": () => addKeyslot(path, new VolumeKey(spareKey), third),
    "lets nobody change a passphrase": () => changePassphrase(path, by, third),
  };
  for (const [what, act] of Object.entries(refused)) {
    it(what, async () => {
      await assert.rejects(act, luksError("wrong_passphrase"));
      isUntouched();
    });
  }

  it("is not opened if it is asked for by number", async () => {
    await assert.rejects(testPassphrase(path, by, { slot: 1 }), luksError("no_such_slot"));
    await assert.rejects(changePassphrase(path, by, third, { slot: 1 }), luksError("no_such_slot"));
    isUntouched();
  });

  it("does not finish what was begun with another passphrase", async () => {
    const begin: (() => Promise<unknown>)[] = [
      () =>
        reencryptImage(path, { passphrase: owner.passphrase, keyslots: [owner], onlyBegin: true }),
      () => decryptImage(path, { passphrase: owner.passphrase, onlyBegin: true }),
    ];
    for (const act of begin) {
      await act();
      await assert.rejects(resumeImage(path, { passphrase: by }), luksError("wrong_passphrase"));
      await forgetImage(path);
      isUntouched();
    }
  });

  it("does not count as another way in when the only one is to be killed", async () => {
    await assert.rejects(killKeyslot(path, 0), luksError("last_slot"));
    isUntouched();
  });

  it("can be killed itself, and the disk opens as before", async () => {
    await killKeyslot(path, 1);
    assert.equal(await testPassphrase(path, owner.passphrase), 0);
    assert.equal(await addKeyslot(path, owner.passphrase, third), 1);
    assert.equal(await testPassphrase(path, third.passphrase), 1);
  });

  it("is shown as not bound", async () => {
    const { keyslots } = await readLuks(path);
    assert.deepEqual(
      keyslots.map(({ isBound }) => isBound),
      [true, false],
    );
  });

  it("keeps its key while slots are added, changed and killed, and the header is restored", async () => {
    const material = await materialOf(path, 1);
    const text = textOf(await headerText(path));
    await addKeyslot(path, owner.passphrase, third);
    await changePassphrase(path, third.passphrase, {
      passphrase: passphrase("a fourth key of bytes"),
      entropyBits: 128,
    });
    const backup = scratchPath("header");
    await backupHeader(path, backup);
    await killKeyslot(path, 2);
    await restoreHeader(path, backup);
    assert.ok((await materialOf(path, 1)).equals(material));
    assert.ok((await headerText(path)).includes(text));
  });

  const rewrites: Record<string, () => Promise<unknown>> = {
    "a re-encryption": () =>
      reencryptImage(path, { passphrase: owner.passphrase, keyslots: [third] }),
    "a conversion to other sectors": () =>
      convertImage(path, {
        passphrase: owner.passphrase,
        format: { version: 2, keyslots: [third], sectorSize: 4096 },
      }),
  };
  for (const [what, act] of Object.entries(rewrites)) {
    it(`keeps its key through ${what}`, async () => {
      const material = await materialOf(path, 1);
      const text = textOf(await headerText(path));
      await act();
      assert.ok((await materialOf(path, 1)).equals(material));
      assert.ok((await headerText(path)).includes(text));
      assert.equal(await testPassphrase(path, third.passphrase), 0);
      await assert.rejects(testPassphrase(path, by), luksError("wrong_passphrase"));
      await decryptImage(path, { passphrase: third.passphrase });
      assert.ok(readFileSync(path).equals(raw));
    });
  }

  it("keeps its number: a new slot gets another, and cannot ask for it", async () => {
    const passphrases = { passphrase: owner.passphrase };
    const asked = [{ ...third, slot: 1 }];
    await assert.rejects(
      reencryptImage(path, { ...passphrases, keyslots: asked }),
      luksError("slot_in_use"),
    );
    isUntouched();
    await reencryptImage(path, { ...passphrases, keyslots: [owner, third] });
    assert.equal(await testPassphrase(path, owner.passphrase), 0);
    assert.equal(await testPassphrase(path, third.passphrase), 2);
  });

  it("is not lost by a conversion to LUKS1, unless it may be", async () => {
    const convert = (allowLosing: readonly "slots"[]) =>
      convertImage(path, {
        passphrase: owner.passphrase,
        format: { version: 1, keyslots: [third] },
        allowLosing,
      });
    await assert.rejects(convert([]), luksError("unsupported"));
    isUntouched();
    await convert(["slots"]);
    await assert.rejects(testPassphrase(path, by), luksError("wrong_passphrase"));
    await convertImage(path, {
      passphrase: third.passphrase,
      format: { version: 2, keyslots: [owner] },
    });
    await decryptImage(path, { passphrase: owner.passphrase });
    assert.ok(readFileSync(path).equals(raw));
  });
});

/** Of slot 1, up to the last member. */
function textOf(json: string): string {
  const start = json.indexOf('"1":{"type":"luks2"');
  assert.notEqual(start, -1);
  return json.slice(start, json.indexOf("}}", start));
}
