import assert from "node:assert/strict";
import { createCipheriv, createHash, randomBytes } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { describe, it } from "node:test";
import { sectorCipher } from "../src/crypto/choose-cipher.ts";
import { parseCipher } from "../src/crypto/cipher-spec.ts";
import { deriveKey } from "../src/crypto/kdf.ts";
import { withOpenDisk } from "../src/data/open-disk.ts";
import { addKeyslot, changePassphrase } from "../src/header/keyslots.ts";
import { checkHeader, readLuks } from "../src/header/read.ts";
import { testPassphrase, unlock } from "../src/header/unlock.ts";
import { convertImage, decryptImage } from "../src/image/decrypt.ts";
import { encryptImage } from "../src/image/encrypt.ts";
import { reencryptImage } from "../src/image/reencrypt.ts";
import { formatLuks1 } from "../src/luks1/format.ts";
import { formatLuks2 } from "../src/luks2/format.ts";
import { sayInHeader } from "./header-text.ts";
import { hostileDisk, owner } from "./hostile-disk.ts";
import { MemoryDevice } from "./memory-device.ts";
import { luksError, mebibyte, passphrase, scratchPath } from "./scratch.ts";
import { luks1Digests } from "./vectors/luks1-digests.ts";

const one = { passphrase: passphrase("one key of sixteen bytes"), entropyBits: 128 };
const two = { passphrase: passphrase("two key of sixteen bytes"), entropyBits: 128 };

/** LUKS1 has texts of 32 bytes: the cipher's name at 8, its mode at 40, the hash at 72. */
function say(bytes: Uint8Array, at: number, text: string): void {
  bytes.fill(0, at, at + 32);
  bytes.set(Buffer.from(text), at);
}

async function luks1Disk(): Promise<MemoryDevice> {
  const disk = new MemoryDevice(new Uint8Array(4 * mebibyte));
  await formatLuks1(disk, { keyslots: [one] });
  return disk;
}

/** For `assert.rejects`: names the command that opens the disk. */
function namesCommand(type: "luks1" | "luks2", path: string, uuid: string) {
  return (error: Error) => {
    luksError("unsupported")(error);
    const command = `open it with "cryptsetup open --type ${type} ${path} luks-${uuid}"`;
    assert.ok(error.message.endsWith(command), error.message);
    return true;
  };
}

describe("a disk as Tomb makes it, with aes-xts-plain64:sha256", () => {
  it("opens, and takes slots, in LUKS1", async () => {
    const path = scratchPath();
    const raw = randomBytes(mebibyte);
    writeFileSync(path, raw);
    const cipher = "aes-xts-plain64:sha256";
    await encryptImage(path, { format: { version: 1, keyslots: [one], cipher } });
    assert.equal((await readLuks(path)).cipher, cipher);
    assert.equal(await testPassphrase(path, one.passphrase), 0);
    assert.equal(await addKeyslot(path, one.passphrase, two), 1);
    await reencryptImage(path, { passphrase: two.passphrase, keyslots: [two] });
    assert.equal((await readLuks(path)).cipher, cipher);
    await decryptImage(path, { passphrase: two.passphrase });
    assert.ok(readFileSync(path).equals(raw));
  });

  it("opens in LUKS2, slots of that cipher included, and stays so through a re-encryption", async () => {
    const path = scratchPath();
    const raw = randomBytes(mebibyte);
    writeFileSync(path, raw);
    const format = { version: 2, keyslots: [one], dataOffset: 2 * mebibyte } as const;
    await encryptImage(path, { format });
    await sayInHeader(path, (json) =>
      json.replaceAll('"aes-xts-plain64"', '"aes-xts-plain64:sha256"'),
    );
    assert.equal(await testPassphrase(path, one.passphrase), 0);
    await reencryptImage(path, { passphrase: one.passphrase, keyslots: [two] });
    assert.equal((await readLuks(path)).cipher, "aes-xts-plain64:sha256");
    await decryptImage(path, { passphrase: two.passphrase });
    assert.ok(readFileSync(path).equals(raw));
  });
});

describe("a LUKS1 disk with another hash", () => {
  for (const hash of ["whirlpool", "of-tomorrow", ""]) {
    it(`is shown, though "${hash}" is not known`, async () => {
      const disk = await luks1Disk();
      say(disk.bytes, 72, hash);
      const { digests, keyslots, warnings } = await readLuks(disk);
      assert.equal(digests[0]?.hash, hash);
      assert.deepEqual([keyslots[0]?.kdfType, keyslots[0]?.afHash], ["pbkdf2", hash]);
      // Whirlpool is there where OpenSSL's legacy provider is loaded.
      if (keyslots[0]?.kdf === undefined) {
        assert.deepEqual(warnings, [`its key slots are ignored: unsupported hash "${hash}"`]);
      }
    });
  }

  it("that OpenSSL does not have names the command that opens it", async () => {
    const disk = await luks1Disk();
    say(disk.bytes, 72, "stribog512");
    const { uuid } = await readLuks(disk);
    for (const act of [
      () => checkHeader(disk),
      () => testPassphrase(disk, one.passphrase),
      () => addKeyslot(disk, one.passphrase, two),
    ]) {
      await assert.rejects(act, namesCommand("luks1", "memory", uuid));
    }
  });

  for (const { hash, volumeKey, salt, iterations, digest } of luks1Digests) {
    it(`has the digest of its volume key that cryptsetup wrote, with ${hash}`, async () => {
      const spec = { type: "pbkdf2", hash, iterations } as const;
      const derived = await deriveKey(spec, volumeKey, salt, 20);
      assert.equal(Buffer.from(derived).toString("hex"), Buffer.from(digest).toString("hex"));
    });

    it(`opens, changes and is encrypted anew with ${hash}`, async () => {
      const path = scratchPath();
      const raw = randomBytes(mebibyte);
      writeFileSync(path, raw);
      await encryptImage(path, { format: { version: 1, keyslots: [one], hash } });
      assert.equal((await readLuks(path)).digests[0]?.hash, hash);
      assert.equal(await addKeyslot(path, one.passphrase, two), 1);
      await changePassphrase(path, one.passphrase, two);
      await reencryptImage(path, { passphrase: two.passphrase, keyslots: [one] });
      assert.equal((await readLuks(path)).digests[0]?.hash, hash);
      await decryptImage(path, { passphrase: one.passphrase });
      assert.ok(readFileSync(path).equals(raw));
    });
  }

  it("is known in capital letters, too", async () => {
    const disk = await luks1Disk();
    say(disk.bytes, 72, "SHA256");
    assert.equal(await testPassphrase(disk, one.passphrase), 0);
    assert.equal(await addKeyslot(disk, one.passphrase, two), 1);
  });
});

describe("a disk whose cipher Node.js does not have", () => {
  const ciphers: [string, string][] = [
    ["serpent", "xts-plain64"],
    ["twofish", "cbc-essiv:sha256"],
    ["cast5", "cbc-plain64"],
    ["aes", "ecb"],
  ];
  for (const [name, mode] of ciphers) {
    it(`names the command that opens it: LUKS1 with ${name}-${mode}`, async () => {
      const disk = await luks1Disk();
      say(disk.bytes, 8, name);
      say(disk.bytes, 40, mode);
      if (mode.startsWith("cbc")) Buffer.from(disk.bytes.buffer).writeUInt32BE(32, 108);
      const { uuid, cipher } = await readLuks(disk);
      assert.equal(cipher, `${name}-${mode}`);
      for (const act of [
        () => testPassphrase(disk, one.passphrase),
        () => unlock(disk, one.passphrase),
        () => withOpenDisk(disk, one.passphrase, async () => undefined),
      ]) {
        await assert.rejects(act, namesCommand("luks1", "memory", uuid));
      }
    });

    it(`names the command that opens it: LUKS2 with ${name}-${mode}, and changes nothing`, async () => {
      const path = `${scratchPath("a disk")}'s`;
      writeFileSync(path, Buffer.alloc(4 * mebibyte));
      await formatLuks2(path, { keyslots: [one], dataOffset: mebibyte, volumeKeyBitLength: 256 });
      await sayInHeader(path, (json) =>
        json.replace('"0","encryption":"aes-xts-plain64"', `"0","encryption":"${name}-${mode}"`),
      );
      const { uuid } = await readLuks(path);
      const quoted = `'${path.replaceAll("'", "'\\''")}'`;
      const before = readFileSync(path);
      const format = { version: 2, keyslots: [one] } as const;
      for (const act of [
        () => withOpenDisk(path, one.passphrase, async () => undefined),
        () => decryptImage(path, { passphrase: one.passphrase }),
        () => reencryptImage(path, { passphrase: one.passphrase, keyslots: [one] }),
        () => convertImage(path, { passphrase: one.passphrase, format }),
      ]) {
        await assert.rejects(act, namesCommand("luks2", quoted, uuid));
      }
      assert.ok(readFileSync(path).equals(before));
      assert.ok(!existsSync(`${path}.chatelaine`));
    });
  }

  for (const encryption of ["aes-gcm-random", "chacha20-random", "aes-hctr2-plain64"]) {
    it(`names the command that opens it: LUKS2 with ${encryption}`, async () => {
      const disk = await hostileDisk(({ segments }) => {
        segments["0"].encryption = encryption;
      });
      await assert.rejects(testPassphrase(disk, owner.passphrase), (error: Error) => {
        assert.match(error.message, /: open it with "cryptsetup open --type luks2 /);
        return luksError("unsupported")(error);
      });
    });
  }

  it("names no command for a cipher that somebody made up", async () => {
    const disk = await luks1Disk();
    say(disk.bytes, 40, "xts-plain64 0 8:0 0");
    await assert.rejects(
      testPassphrase(disk, one.passphrase),
      (error: Error) => luksError("unsupported")(error) && !error.message.includes("cryptsetup"),
    );
  });

  it("names the command if only its key slot has such a cipher", async () => {
    const path = scratchPath();
    writeFileSync(path, Buffer.alloc(4 * mebibyte));
    await formatLuks2(path, { keyslots: [one], dataOffset: mebibyte });
    await sayInHeader(path, (json) =>
      json.replace(
        '"encryption":"aes-xts-plain64","key_size"',
        '"encryption":"twofish-xts-plain64","key_size"',
      ),
    );
    const { uuid } = await readLuks(path);
    await assert.rejects(testPassphrase(path, one.passphrase), namesCommand("luks2", path, uuid));
  });
});

describe("ESSIV with another hash", () => {
  for (const [iv, hash] of [
    ["sha3-256", "sha3-256"],
    ["blake2s-256", "blake2s256"],
    ["sm3", "sm3"],
  ] as const) {
    it(`${iv} encrypts the sector number with that hash of the key`, () => {
      const key = randomBytes(32);
      const numbers = Buffer.alloc(16);
      numbers[0] = 7;
      const salt = createHash(hash).update(key).digest();
      const vector = createCipheriv("aes-256-ecb", salt, null).update(numbers);
      const data = randomBytes(512);
      const expected = createCipheriv("aes-256-cbc", key, vector)
        .setAutoPadding(false)
        .update(data);
      const name = `aes-cbc-essiv:${iv}`;
      const ciphertext = Buffer.from(data);
      sectorCipher(parseCipher("test", name), key, 512).encrypt(ciphertext, 7);
      assert.ok(ciphertext.equals(expected));
    });
  }
});
