import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import {
  closeSync,
  copyFileSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import {
  addKeyslot,
  addToken,
  backupHeader,
  changePassphrase,
  chatelaineToken,
  convertImage,
  decryptImage,
  encryptImage,
  finishReencryption,
  formatLuks1,
  formatLuks2,
  type ImageFormat,
  isReencryptionDone,
  type KdfSpec,
  killKeyslot,
  LuksError,
  readLuks,
  reencryptImage,
  relabel,
  repairHeader,
  restoreHeader,
  resumeImage,
  setKeyslotPriority,
  testPassphrase,
  unlock,
  withOpenDisk,
} from "@chatelaine/luks";
import { forgeText, headerText } from "../guest/forged-header.ts";
import { runTool } from "../host/run-tool.ts";
import { LuksMatrix } from "../luks-matrix.ts";

const folder = mkdtempSync(join(tmpdir(), "luks-interop-"));
after(() => rmSync(folder, { recursive: true, force: true }));
const mebibyte = 1024 * 1024;
const one = "00112233445566778899aabbccddeeff";
const two = "ffeeddccbbaa99887766554433221100";
const slot = { passphrase: Buffer.from(one), entropyBits: 128 };
const otherSlot = { passphrase: Buffer.from(two), entropyBits: 128 };
const keyFiles = { one: join(folder, "one"), two: join(folder, "two") };
writeFileSync(keyFiles.one, one);
writeFileSync(keyFiles.two, two);
const minimal = ["--pbkdf", "pbkdf2", "--pbkdf-force-iterations", "1000"];
let files = 0;

const matrix = new LuksMatrix();
after(() => matrix.print());

function blankFile(bytes: number): string {
  const path = join(folder, `${files++}.img`);
  writeFileSync(path, "");
  truncateSync(path, bytes);
  return path;
}

function cryptsetup(args: readonly string[], input?: string): string {
  return runTool("cryptsetup", args, input === undefined ? {} : { input });
}

function formatByCryptsetup(path: string, options: readonly string[]): void {
  const sectors = options.includes("luks2") ? ["--sector-size", "512"] : [];
  const all = ["luksFormat", "-q", ...options, ...sectors, ...minimal];
  cryptsetup([...all, "--key-file", keyFiles.one, path]);
}

/** The slot that cryptsetup opens. */
function slotOpenedByCryptsetup(path: string, text = one): number {
  const args = ["open", "--test-passphrase", "--verbose", "--key-file=-", path];
  return Number(/Key slot (\d+) unlocked/.exec(cryptsetup(args, text))?.[1]);
}

/** cryptsetup and we agree on the volume key. */
async function agreeOnVolumeKey(path: string): Promise<void> {
  const file = join(folder, `${files++}.key`);
  const args = ["luksDump", "-q", "--dump-volume-key", "--volume-key-file", file];
  cryptsetup([...args, "--key-file", keyFiles.one, path]);
  const { volumeKey } = await unlock(path, slot.passphrase);
  assert.ok(volumeKey.use((bytes) => Buffer.compare(bytes, readFileSync(file)) === 0));
}

function fileOf(content: Uint8Array | string): string {
  const path = join(folder, `${files++}.keyfile`);
  writeFileSync(path, content);
  return path;
}

function hashOf(path: string): string {
  return createHash("sha256").update(readFileSync(path)).digest("hex");
}

function changeFile(path: string, change: (bytes: Buffer) => void): void {
  const bytes = readFileSync(path);
  change(bytes);
  writeFileSync(path, bytes);
}

function writeDevice(device: string, bytes: Uint8Array, position = 0): void {
  const fd = openSync(device, "r+");
  try {
    writeSync(fd, bytes, 0, bytes.length, position);
  } finally {
    closeSync(fd);
  }
}

function kdfName(kdf: KdfSpec): string {
  return kdf.type === "pbkdf2" ? `pbkdf2-${kdf.hash}` : kdf.type;
}

const pbkdf2 = (hash: "sha1" | "sha256" | "sha512") =>
  ({ type: "pbkdf2", hash, iterations: 1000 }) as const;
const argon2 = (type: "argon2i" | "argon2id") =>
  ({ type, passes: 4, memoryKiB: 4096, lanes: 2 }) as const;

describe("cryptsetup opens what we write", () => {
  for (const volumeKeyBitLength of [256, 512] as const) {
    for (const sectorSize of [512, 1024, 2048, 4096] as const) {
      for (const kdf of [pbkdf2("sha256"), argon2("argon2id")]) {
        const names = [
          "2",
          "aes-xts-plain64",
          `${volumeKeyBitLength}`,
          `${sectorSize}`,
          kdfName(kdf),
        ];
        it(`LUKS${names.join(" ")}`, async () => {
          const path = blankFile(17 * mebibyte);
          const keyslots = [{ passphrase: slot.passphrase, kdf }];
          const { uuid } = await formatLuks2(path, { keyslots, volumeKeyBitLength, sectorSize });
          const dump = cryptsetup(["luksDump", path]);
          assert.match(dump, new RegExp(`UUID:\\s+${uuid}`));
          assert.match(dump, new RegExp(`sector: ${sectorSize} `));
          assert.equal(slotOpenedByCryptsetup(path), 0);
          assert.match(cryptsetup(["repair", "-v", path]), /No known problems/);
          await agreeOnVolumeKey(path);
          matrix.add("chatelaine", "cryptsetup", ...names);
        });
      }
    }
  }

  for (const kdf of [pbkdf2("sha1"), pbkdf2("sha512"), argon2("argon2i")]) {
    it(`LUKS2 with ${kdfName(kdf)}, all of the header sizes`, async () => {
      for (let headerSize = 0x4000; headerSize <= 0x400000; headerSize *= 2) {
        const path = blankFile(17 * mebibyte);
        await formatLuks2(path, { keyslots: [{ passphrase: slot.passphrase, kdf }], headerSize });
        assert.equal(slotOpenedByCryptsetup(path), 0);
        assert.match(cryptsetup(["repair", "-v", path]), /No known problems/);
      }
      matrix.add("chatelaine", "cryptsetup", "2", "aes-xts-plain64", "512", "512", kdfName(kdf));
    });
  }

  for (const [cipher, bits] of [
    ["aes-xts-plain64", 512],
    ["aes-xts-plain64", 256],
    ["aes-cbc-essiv:sha256", 256],
    ["aes-cbc-plain", 128],
  ] as const) {
    for (const hash of ["sha1", "sha256", "sha512"] as const) {
      const names = ["1", cipher, `${bits}`, "512", kdfName(pbkdf2(hash))];
      it(`LUKS${names.join(" ")}`, async () => {
        const path = blankFile(4 * mebibyte);
        const keyslots = [{ passphrase: slot.passphrase, kdf: pbkdf2(hash) }];
        await formatLuks1(path, { keyslots, cipher, volumeKeyBitLength: bits, hash });
        cryptsetup(["luksDump", path]);
        assert.equal(slotOpenedByCryptsetup(path), 0);
        assert.match(cryptsetup(["repair", "-v", path]), /No known problems/);
        await agreeOnVolumeKey(path);
        matrix.add("chatelaine", "cryptsetup", ...names);
      });
    }
  }

  it("a detached header, and a custom data offset", async () => {
    const [header, data] = [blankFile(16 * mebibyte), blankFile(mebibyte)];
    await formatLuks2(header, { keyslots: [slot], detachedFrom: data });
    const args = ["open", "--test-passphrase", "-v", "--key-file", keyFiles.one];
    assert.match(cryptsetup([...args, "--header", header, data]), /Key slot 0 unlocked/);
    const path = blankFile(4 * mebibyte);
    await formatLuks2(path, { keyslots: [slot], dataOffset: 3 * mebibyte });
    assert.match(cryptsetup(["luksDump", path]), /offset: 3145728 /);
    assert.equal(slotOpenedByCryptsetup(path), 0);
  });

  it("and changes slots, tokens and headers, back and forth", async () => {
    for (const version of [1, 2] as const) {
      const path = blankFile(17 * mebibyte);
      await (version === 1 ? formatLuks1 : formatLuks2)(path, { keyslots: [slot] });
      cryptsetup(["luksAddKey", "-q", ...minimal, "--key-file", keyFiles.one, path, keyFiles.two]);
      assert.equal(await testPassphrase(path, otherSlot.passphrase), 1);
      await killKeyslot(path, 1);
      assert.throws(() => slotOpenedByCryptsetup(path, two));
      assert.equal(await addKeyslot(path, slot.passphrase, { ...otherSlot, slot: 3 }), 3);
      assert.equal(slotOpenedByCryptsetup(path, two), 3);
      cryptsetup(["luksKillSlot", "-q", "--key-file", keyFiles.one, path, "3"]);
      await assert.rejects(testPassphrase(path, otherSlot.passphrase), {
        code: "wrong_passphrase",
      });
      const changed = await changePassphrase(path, slot.passphrase, otherSlot);
      assert.equal(slotOpenedByCryptsetup(path, two), changed);
      cryptsetup([
        "luksChangeKey",
        "-q",
        ...minimal,
        "--key-file",
        keyFiles.two,
        path,
        keyFiles.one,
      ]);
      await testPassphrase(path, slot.passphrase);
      assert.match(cryptsetup(["repair", "-v", path]), /No known problems/);
    }
  });

  it("exports our token, and our readers see the one it imports", async () => {
    const path = blankFile(17 * mebibyte);
    await formatLuks2(path, { keyslots: [slot] });
    const token = chatelaineToken({ keyslots: [0], object: "key-1", created: new Date() });
    assert.equal(await addToken(path, token), 0);
    assert.deepEqual(JSON.parse(cryptsetup(["token", "export", "--token-id", "0", path])), token);
    const args = ["token", "import", "--token-id", "5", "--json-file", "-", path];
    cryptsetup(args, JSON.stringify(token));
    assert.deepEqual((await readLuks(path)).tokens[1], { id: 5, token });
  });

  it("header backups go both ways", async () => {
    for (const version of [1, 2] as const) {
      const path = blankFile(17 * mebibyte);
      await (version === 1 ? formatLuks1 : formatLuks2)(path, { keyslots: [slot] });
      const [ours, theirs] = [join(folder, `${files++}.backup`), join(folder, `${files++}.backup`)];
      await backupHeader(path, ours);
      cryptsetup(["luksHeaderBackup", path, "--header-backup-file", theirs]);
      await changePassphrase(path, slot.passphrase, otherSlot);
      cryptsetup(["luksHeaderRestore", "-q", path, "--header-backup-file", ours]);
      assert.equal(await testPassphrase(path, slot.passphrase), 0);
      await changePassphrase(path, slot.passphrase, otherSlot);
      await restoreHeader(path, theirs);
      assert.equal(slotOpenedByCryptsetup(path), 0);
    }
  });

  it("a slot that it is told to ignore, and one to prefer", async () => {
    const path = blankFile(17 * mebibyte);
    await formatLuks2(path, { keyslots: [slot, slot, slot] });
    await setKeyslotPriority(path, 0, "ignore");
    await setKeyslotPriority(path, 2, "prefer");
    assert.equal(slotOpenedByCryptsetup(path), 2);
    const dump = cryptsetup(["luksDump", path]);
    assert.deepEqual(
      dump.match(/Priority: +\w+/g)?.map((line) => line.split(/ +/)[1]),
      ["ignored", "normal", "preferred"],
    );
  });

  it("each kind that we make of a LUKS image where it lies", async () => {
    const raw = blankFile(mebibyte);
    writeFileSync(raw, randomBytes(mebibyte));
    const image = join(folder, `${files++}.img`);
    copyFileSync(raw, image);
    await encryptImage(image, { format: { version: 2, keyslots: [slot] } });
    const formats: readonly ImageFormat[] = [
      { version: 2, keyslots: [slot], sectorSize: 4096 },
      { version: 1, keyslots: [slot], cipher: "aes-cbc-essiv:sha256" },
      { version: 1, keyslots: [slot] },
      { version: 2, keyslots: [slot], volumeKeyBitLength: 256 },
    ];
    for (const format of formats) {
      await convertImage(image, { passphrase: slot.passphrase, format });
      assert.match(cryptsetup(["luksDump", image]), new RegExp(`Version: +\\t*${format.version}`));
      assert.equal(slotOpenedByCryptsetup(image), 0);
      assert.match(cryptsetup(["repair", "-v", image]), /No known problems/);
      await agreeOnVolumeKey(image);
    }
    await decryptImage(image, { passphrase: slot.passphrase });
    assert.equal(hashOf(image), hashOf(raw));
  });

  it("a block device that we encrypt in place, cut and resumed", async () => {
    const path = blankFile(24 * mebibyte);
    const content = randomBytes(8 * mebibyte);
    const device = runTool("losetup", ["--find", "--show", path]).trim();
    try {
      writeDevice(device, content);
      const journal = join(folder, `${files++}.journal`);
      const passphrase = { passphrase: slot.passphrase, journal };
      const abort = new AbortController();
      const cut = { journal, signal: abort.signal, onProgress: () => abort.abort() };
      const format = { version: 2, keyslots: [slot], dataOffset: 2 * mebibyte } as const;
      await assert.rejects(() => encryptImage(device, { format, ...cut }), { code: "aborted" });
      assert.equal(await resumeImage(device, passphrase), true);
      assert.equal(slotOpenedByCryptsetup(device), 0);
      assert.match(cryptsetup(["repair", "-v", device]), /No known problems/);
      await decryptImage(device, passphrase);
      assert.ok(readFileSync(device).subarray(0, content.length).equals(content));
      writeDevice(device, Buffer.from("behind the data"), 24 * mebibyte - 100);
      await assert.rejects(() => encryptImage(device, { format, journal }), { code: "holds_data" });
    } finally {
      runTool("losetup", ["--detach", device]);
    }
  });

  it("a header that we repaired", async () => {
    const path = blankFile(17 * mebibyte);
    await formatLuks2(path, { keyslots: [slot] });
    const bytes = readFileSync(path);
    bytes.fill(0, 0, 4096);
    writeFileSync(path, bytes);
    assert.equal(await repairHeader(path), true);
    assert.equal(slotOpenedByCryptsetup(path), 0);
  });
});

describe("cryptsetup and we agree on a disk", () => {
  const secondary = 0x400000;
  const formatted = async (bytes = 32 * mebibyte) => {
    const path = blankFile(bytes);
    await formatLuks2(path, { keyslots: [slot], headerSize: secondary });
    return path;
  };

  const makers: [kind: string, make: (path: string) => void][] = [
    ["ext", (p) => runTool("mke2fs", ["-q", "-F", "-E", "nodiscard", "-b", "4096", "-N", "64", p])],
    ["swap", (p) => runTool("mkswap", [p])],
  ];
  for (const [kind, make] of makers) {
    it(`that was LUKS2 once and is ${kind} now: neither reads it until one reading is chosen`, async () => {
      const path = await formatted();
      make(path);
      // Some tools erase this magic, and older ones do not know it.
      changeFile(path, (bytes) => bytes.write("SKUL\xba\xbe", secondary, "latin1"));
      const before = hashOf(path);
      assert.throws(() => cryptsetup(["luksDump", path]));
      assert.throws(() => slotOpenedByCryptsetup(path));
      await assert.rejects(readLuks(path), { code: "ambiguous", holds: [kind] });
      await assert.rejects(addKeyslot(path, slot.passphrase, otherSlot), { code: "ambiguous" });
      await assert.rejects(repairHeader(path), { code: "ambiguous" });
      assert.equal(hashOf(path), before);
      const other = blankFile(0);
      copyFileSync(path, other);
      assert.equal(await repairHeader(path, { over: [kind] }), true);
      assert.equal(slotOpenedByCryptsetup(path), 0);
      assert.match(cryptsetup(["repair", "-v", path]), /No known problems/);
      assert.equal(await repairHeader(other, { over: ["luks"] }), true);
      assert.throws(() => cryptsetup(["isLuks", other]));
      assert.match(runTool("blkid", ["-p", other]), new RegExp(`TYPE="${kind}`));
    });
  }

  it("whose first header is damaged, or its size: both read the second", async () => {
    const damages: ((bytes: Buffer) => void)[] = [
      (bytes) => bytes.fill(0, 0, 4096),
      (bytes) => bytes.writeBigUInt64BE(0x8000n, 8),
      (bytes) => bytes.writeBigUInt64BE(0x100000n, 8),
    ];
    for (const damage of damages) {
      const path = await formatted();
      changeFile(path, damage);
      assert.equal((await readLuks(path)).copies.primary, "damaged");
      const other = blankFile(0);
      copyFileSync(path, other);
      assert.equal(slotOpenedByCryptsetup(other), 0);
      assert.equal(await repairHeader(path), true);
      assert.equal(slotOpenedByCryptsetup(path), 0);
      assert.match(cryptsetup(["repair", "-v", path]), /No known problems/);
    }
  });

  it("on which a LUKS image is stored: it is not LUKS", async () => {
    const image = readFileSync(await formatted());
    const path = blankFile(0);
    writeFileSync(path, Buffer.alloc(16 * mebibyte, "plain data"));
    changeFile(path, (bytes) => image.copy(bytes, secondary, secondary, secondary + 4096));
    assert.throws(() => cryptsetup(["isLuks", path]));
    await assert.rejects(readLuks(path), { code: "not_luks" });
  });
});

describe("we open what cryptsetup writes", () => {
  const formats: { type: string; options: string[]; names: string[] }[] = [];
  for (const sector of ["512", "1024", "2048", "4096"]) {
    for (const kdf of ["pbkdf2", "argon2i", "argon2id"]) {
      const cost =
        kdf === "pbkdf2"
          ? minimal
          : [
              "--pbkdf",
              kdf,
              "--pbkdf-force-iterations",
              "4",
              "--pbkdf-memory",
              "4096",
              "--pbkdf-parallel",
              "2",
            ];
      const options = ["--sector-size", sector, ...cost];
      formats.push({ type: "luks2", options, names: ["aes-xts-plain64", "512", sector, kdf] });
    }
  }
  for (const type of ["luks1", "luks2"]) {
    for (const [cipher, bits] of [
      ["aes-xts-plain64", "256"],
      ["aes-cbc-essiv:sha256", "256"],
      ["aes-cbc-plain", "128"],
    ] as const) {
      for (const hash of ["sha1", "sha256", "sha512"]) {
        const options = ["--cipher", cipher, "--key-size", bits, "--hash", hash, ...minimal];
        if (type === "luks2") options.push("--sector-size", "512");
        formats.push({ type, options, names: [cipher, bits, "512", `pbkdf2-${hash}`] });
      }
    }
  }
  for (const { type, options, names } of formats) {
    const version = type.slice(-1);
    it(`LUKS${version} ${names.join(" ")}`, async () => {
      const path = blankFile(20 * mebibyte);
      cryptsetup([
        "luksFormat",
        "-q",
        "--type",
        type,
        ...options,
        "--key-file",
        keyFiles.one,
        path,
      ]);
      const header = await readLuks(path);
      assert.deepEqual(
        [header.cipher, `${header.volumeKeyBitLength}`, `${header.sectorSize}`],
        names.slice(0, 3),
      );
      assert.equal(await testPassphrase(path, slot.passphrase), 0);
      await assert.rejects(testPassphrase(path, otherSlot.passphrase), {
        code: "wrong_passphrase",
      });
      await agreeOnVolumeKey(path);
      matrix.add("cryptsetup", "chatelaine", version, ...names);
    });
  }

  it("with every size of the JSON area", async () => {
    for (const size of ["16k", "32k", "64k", "128k", "256k", "512k", "1m", "2m", "4m"]) {
      const path = blankFile(32 * mebibyte);
      const layout = ["--luks2-metadata-size", size, "--sector-size", "512"];
      const args = ["luksFormat", "-q", "--type", "luks2", ...layout, ...minimal];
      cryptsetup([...args, "--key-file", keyFiles.one, path]);
      assert.equal(await testPassphrase(path, slot.passphrase), 0);
      assert.equal(await addKeyslot(path, slot.passphrase, otherSlot), 1);
      assert.equal(slotOpenedByCryptsetup(path, two), 1);
    }
  });
});

describe("cryptsetup convert and luks convert take turns", () => {
  const format = { keyslots: [slot], sectorSize: 512 } as const;
  const makers: Record<string, (path: string, version: 1 | 2) => Promise<unknown>> = {
    cryptsetup: async (path, version) => formatByCryptsetup(path, ["--type", `luks${version}`]),
    chatelaine: (path, version) =>
      version === 1 ? formatLuks1(path, { keyslots: [slot] }) : formatLuks2(path, format),
  };
  for (const [maker, make] of Object.entries(makers)) {
    for (const first of [1, 2] as const) {
      it(`on a LUKS${first} disk that ${maker} made`, async () => {
        const path = blankFile(40 * mebibyte);
        await make(path, first);
        const { passphrase } = slot;
        const content = randomBytes(mebibyte);
        await withOpenDisk(path, passphrase, (disk) => disk.write(0, content), { access: "write" });
        const second = first === 1 ? 2 : 1;
        const isWhole = async (version: number) => {
          assert.equal((await readLuks(path)).version, version);
          assert.equal(slotOpenedByCryptsetup(path), await testPassphrase(path, passphrase));
          const found = Buffer.alloc(content.length);
          await withOpenDisk(path, passphrase, (disk) => disk.read(0, found));
          assert.ok(found.equals(content));
        };
        for (const ours of [false, true, false]) {
          for (const version of [second, first] as const) {
            if (ours) {
              const target: ImageFormat =
                version === 1 ? { version, keyslots: [slot] } : { version, ...format };
              await convertImage(path, { passphrase, format: target });
            } else cryptsetup(["convert", "-q", "--type", `luks${version}`, path]);
            await isWhole(version);
          }
        }
        assert.equal(await addKeyslot(path, passphrase, otherSlot), 1);
        assert.equal(slotOpenedByCryptsetup(path, two), 1);
      });
    }
  }
});

/** A re-encryption that cryptsetup begins; `HEADER` and `DATA` stand for files. */
interface BegunReencryption {
  readonly what: string;
  readonly formats?: readonly string[];
  readonly begins: readonly string[];
  /** How we describe it. */
  readonly says: string;
  /** Killed at which system call; absent if it is only begun. */
  readonly killedAt?: string | undefined;
}

/** Sizes that make the header small, so that a detached one that cryptsetup exports is small, too. */
const smallHeader = ["--luks2-metadata-size", "16k", "--luks2-keyslots-size", "1m"];
const formatsData = ["luksFormat", "--type", "luks2", "--sector-size", "512", ...smallHeader];
const encrypts = ["--encrypt", "--type", "luks2", "--sector-size", "512"];

const begunReencryptions: readonly BegunReencryption[] = [false, true].flatMap((isCut) => {
  const how = isCut ? "killed" : "begun";
  return [
    ...["checksum", "journal", "none"].map((resilience) => ({
      what: `re-encryption, ${resilience}, ${how}`,
      formats: [...formatsData, "DATA"],
      begins: ["--resilience", resilience, "DATA"],
      says: `re-encrypting it (direction forward, resilience ${resilience})`,
      killedAt: isCut ? (resilience === "none" ? "write:200" : "fsync:31") : undefined,
    })),
    {
      what: `encryption, ${how}`,
      begins: [...encrypts, "--reduce-device-size", "8m", "DATA"],
      says: "encrypting it (direction backward, resilience datashift)",
      killedAt: isCut ? "fsync:20" : undefined,
    },
    {
      what: `encryption with a detached header, ${how}`,
      begins: [...encrypts, "--header", "HEADER", "DATA"],
      says: "encrypting it (direction forward, resilience checksum)",
      killedAt: isCut ? "fsync:31" : undefined,
    },
    {
      what: `decryption, ${how}`,
      formats: [...formatsData, "DATA"],
      begins: ["--decrypt", "--header", "HEADER", "DATA"],
      says: "decrypting it (direction forward, resilience datashift-checksum)",
      killedAt: isCut ? "fsync:40" : undefined,
    },
  ];
});

describe("a disk that cryptsetup re-encrypts and has not finished", () => {
  for (const { what, formats, begins, says, killedAt } of begunReencryptions) {
    it(`${what}: nothing changes it, and the command that we name finishes it`, async () => {
      const data = join(folder, `${files++}.img`);
      writeFileSync(data, randomBytes(24 * mebibyte));
      const headerFile = join(folder, `${files++}.header`);
      const fill = (words: readonly string[]) =>
        words.map((word) => (word === "DATA" ? data : word === "HEADER" ? headerFile : word));
      const by = ["--key-file", keyFiles.one];
      if (formats) cryptsetup([...fill(formats), "-q", ...minimal, ...by]);
      const begin = ["reencrypt", "-q", "--force-offline-reencrypt", ...minimal, ...by];
      if (killedAt !== undefined)
        killWhileItWrites(killedAt, [...begin, "--hotzone-size", "64k", ...fill(begins)]);
      else cryptsetup([...begin, "--init-only", ...fill(begins)]);
      const path = begins.includes("HEADER") ? headerFile : data;
      const before = [hashOf(path), hashOf(data)];
      const [warning = "", ...others] = (await readLuks(path)).warnings;
      assert.deepEqual(others, []);
      assert.ok(warning.startsWith(`cryptsetup is ${says} and has not finished: run "`), warning);
      const { passphrase } = slot;
      const format = { version: 2, keyslots: [slot] } as const;
      for (const [refused, code] of [
        [() => unlock(path, passphrase), "in_reencryption"],
        [() => withOpenDisk(data, passphrase, async () => {}, { header: path }), "in_reencryption"],
        [() => addKeyslot(path, passphrase, otherSlot), "in_reencryption"],
        [() => changePassphrase(path, passphrase, otherSlot), "in_reencryption"],
        [() => killKeyslot(path, 0), "in_reencryption"],
        [() => setKeyslotPriority(path, 0, "prefer"), "in_reencryption"],
        [() => addToken(path, { type: "x", keyslots: [] }), "in_reencryption"],
        [() => relabel(path, { label: "x" }), "in_reencryption"],
        [() => decryptImage(path, { passphrase }), "in_reencryption"],
        [() => reencryptImage(path, { passphrase, keyslots: [slot] }), "in_reencryption"],
        [() => convertImage(path, { passphrase, format }), "in_reencryption"],
        [() => encryptImage(path, { format }), "holds_data"],
      ] as const) {
        await assert.rejects(refused, { code });
      }
      await repairHeader(path).then(
        (isRepaired) => assert.equal(isRepaired, false),
        (error: unknown) =>
          assert.ok(error instanceof LuksError && error.code === "in_reencryption"),
      );
      assert.deepEqual([hashOf(path), hashOf(data)], before);

      const commands = [...warning.matchAll(/"cryptsetup ([^"]+)"/g)];
      for (const [, command = ""] of commands) {
        const offline = command.startsWith("reencrypt") ? ["--force-offline-reencrypt"] : [];
        const words = command.replace("DATA-DEVICE", data).split(" ");
        cryptsetup([...words, "-q", ...offline, ...by]);
      }
      if (says.startsWith("decrypting")) return;
      assert.deepEqual((await readLuks(path)).requirements, []);
      await testPassphrase(path, passphrase);
    });
  }

  it("takes no header from before back, without which what is re-encrypted already would be lost", async () => {
    const path = blankFile(24 * mebibyte);
    const by = ["--key-file", keyFiles.one];
    cryptsetup([...formatsData, "-q", ...minimal, ...by, path]);
    const backup = join(folder, `${files++}.backup`);
    await backupHeader(path, backup);
    killWhileItWrites("fsync:31", [
      "reencrypt",
      "-q",
      "--force-offline-reencrypt",
      ...minimal,
      ...by,
      "--hotzone-size",
      "64k",
      path,
    ]);
    const before = hashOf(path);
    await assert.rejects(restoreHeader(path, backup), { code: "in_reencryption" });
    assert.equal(hashOf(path), before);
  });
});

describe("a re-encryption that cryptsetup is killed at the end of", () => {
  for (const resilience of ["none", "checksum", "journal"]) {
    it(`${resilience}: luks resume finishes it where all data has the new key, whatever was written of the end`, async () => {
      const path = blankFile(18 * mebibyte);
      formatByCryptsetup(path, ["--type", "luks2"]);
      const content = randomBytes(2 * mebibyte);
      const { passphrase } = slot;
      await withOpenDisk(path, passphrase, (disk) => disk.write(0, content), { access: "write" });
      const whole = readFileSync(path);
      const how = ["-q", "--force-offline-reencrypt", ...minimal, "--key-file", keyFiles.one];
      let finished = 0;
      for (let call = 15, isKilled = true; isKilled; call++) {
        writeFileSync(path, whole);
        const args = ["reencrypt", ...how, "--resilience", resilience, path];
        isKilled = killAtCall(`write:${call}`, args);
        const isDone = await isReencryptionDone(path);
        assert.equal(await finishReencryption(path, passphrase), isDone);
        if (!isDone) continue;
        finished++;
        const found = Buffer.alloc(content.length);
        await withOpenDisk(path, passphrase, (disk) => disk.read(0, found));
        assert.ok(found.equals(content), `write ${call}`);
        slotOpenedByCryptsetup(path, one);
      }
      assert.ok(finished >= 10, `only ${finished} were at the end`);
    });
  }
});

describe("a decryption or encryption that cryptsetup is killed at the end of", () => {
  it("is called plain where all its data is plain", async () => {
    const path = blankFile(18 * mebibyte);
    const header = join(folder, `${files++}.header`);
    formatByCryptsetup(path, ["--type", "luks2"]);
    const content = randomBytes(2 * mebibyte);
    const { passphrase } = slot;
    await withOpenDisk(path, passphrase, (disk) => disk.write(0, content), { access: "write" });
    const whole = readFileSync(path);
    const make = () => {
      writeFileSync(path, whole);
      rmSync(header, { force: true });
      return { header, args: ["--decrypt", "--header", header, path] };
    };
    const look = () => assert.ok(readFileSync(path).subarray(0, content.length).equals(content));
    const said = await killHereAndThere(/but all data is plain/, make, look);
    assert.ok(said >= 3, `said ${said} times`);
  });

  it("is called encrypted where cryptsetup opens it", async () => {
    const path = blankFile(0);
    const content = randomBytes(4 * mebibyte);
    const make = () => {
      writeFileSync(path, content);
      truncateSync(path, 12 * mebibyte);
      const to = ["--encrypt", "--type", "luks2", "--reduce-device-size", "8m", ...minimal];
      return { header: path, args: [...to, path] };
    };
    const look = () =>
      void cryptsetup(["open", "--test-passphrase", "--key-file", keyFiles.one, path]);
    const said = await killHereAndThere(/but all data is encrypted/, make, look);
    assert.ok(said >= 3, `said ${said} times`);
  });
});

/** Kills it at every third of its writes, and looks at what is said then. @returns how often `says` was said */
async function killHereAndThere(
  says: RegExp,
  make: () => { readonly header: string; readonly args: readonly string[] },
  look: () => void,
): Promise<number> {
  let said = 0;
  for (let call = 5, isKilled = true; isKilled; call += 3) {
    const { header, args } = make();
    const how = ["-q", "--force-offline-reencrypt", "--key-file", keyFiles.one];
    isKilled = killAtCall(`write:${call}`, ["reencrypt", ...how, ...args]);
    const warnings = await readLuks(header).then(
      (found) => found.warnings,
      () => [],
    );
    if (!says.test(warnings.join())) continue;
    said++;
    look();
  }
  return said;
}

/** Runs cryptsetup and kills it at one of its system calls, when it has begun to move data and not finished. */
function killWhileItWrites(call: string, args: readonly string[]): void {
  assert.ok(killAtCall(call, args));
}

/** @returns false if it came to its end */
function killAtCall(call: string, args: readonly string[]): boolean {
  const [name, count] = call.split(":");
  const inject = ["-e", `trace=${name}`, "-e", `inject=${name}:signal=SIGKILL:when=${count}`];
  const traced = ["-f", "-o", "/dev/null", ...inject, "cryptsetup", ...args];
  // A killed encryption leaves a temporary header where it was started.
  const { signal } = spawnSync("strace", traced, { cwd: folder });
  return signal === "SIGKILL";
}

/** A disk of cryptsetup's, whose slot 1 holds a key of its own, and the content of which is known. */
async function diskWithUnboundSlot(): Promise<{ path: string; content: Buffer }> {
  const path = blankFile(17 * mebibyte);
  formatByCryptsetup(path, ["--type", "luks2"]);
  const unbound = ["--unbound", "--key-size", "512", ...minimal];
  cryptsetup(["luksAddKey", "-q", ...unbound, "--key-file", keyFiles.one, path, keyFiles.two]);
  const content = randomBytes(mebibyte);
  const { passphrase } = slot;
  await withOpenDisk(path, passphrase, (disk) => disk.write(0, content), { access: "write" });
  return { path, content };
}

function unboundKeyOf(path: string): Buffer {
  const file = join(folder, `${files++}.key`);
  const args = ["luksDump", "-q", "--unbound", "--key-slot", "1", "--volume-key-file", file];
  cryptsetup([...args, "--key-file", keyFiles.two, path]);
  return readFileSync(file);
}

describe("a slot that cryptsetup did not bind to the data", () => {
  const by = otherSlot.passphrase;

  const refused: Record<string, (path: string) => Promise<unknown>> = {
    "luks slots test": (path) => testPassphrase(path, by),
    "luks slots add": (path) => addKeyslot(path, by, slot),
    "luks slots change": (path) => changePassphrase(path, by, slot),
    "luks decrypt": (path) => decryptImage(path, { passphrase: by }),
    "luks reencrypt": (path) => reencryptImage(path, { passphrase: by, keyslots: [otherSlot] }),
    "luks convert": (path) =>
      convertImage(path, { passphrase: by, format: { version: 2, keyslots: [otherSlot] } }),
    "luks convert to LUKS1": (path) =>
      convertImage(path, {
        passphrase: by,
        format: { version: 1, keyslots: [otherSlot] },
        allowLosing: ["slots"],
      }),
  };
  for (const [what, act] of Object.entries(refused)) {
    it(`is refused by ${what}, as by cryptsetup`, async () => {
      const { path } = await diskWithUnboundSlot();
      const before = hashOf(path);
      await assert.rejects(act(path), { code: "wrong_passphrase" });
      assert.equal(hashOf(path), before);
      assert.throws(() => slotOpenedByCryptsetup(path, two), /No usable keyslot|No key available/);
    });
  }

  it("does not let luks slots kill take the only slot that opens the data", async () => {
    const { path } = await diskWithUnboundSlot();
    await assert.rejects(killKeyslot(path, 0), { code: "last_slot" });
    await killKeyslot(path, 1);
    assert.equal(slotOpenedByCryptsetup(path), 0);
    assert.match(cryptsetup(["repair", "-v", path]), /No known problems/);
  });

  it("keeps its key through slot operations, re-encryption and conversion, as cryptsetup reads it", async () => {
    const { path, content } = await diskWithUnboundSlot();
    const key = unboundKeyOf(path);
    const third = { passphrase: Buffer.from("third passphrase"), entropyBits: 128 };
    assert.equal(await addKeyslot(path, slot.passphrase, third), 2);
    await changePassphrase(path, third.passphrase, { ...third, passphrase: randomBytes(16) });
    await killKeyslot(path, 2);
    const { passphrase } = slot;
    await reencryptImage(path, { passphrase, keyslots: [slot] });
    await convertImage(path, {
      passphrase,
      format: { version: 2, keyslots: [slot], sectorSize: 4096 },
    });
    assert.match(cryptsetup(["luksDump", path]), /1: luks2 \(unbound\)/);
    assert.ok(unboundKeyOf(path).equals(key));
    assert.equal(slotOpenedByCryptsetup(path), 0);
    assert.match(cryptsetup(["repair", "-v", path]), /No known problems/);
    await agreeOnVolumeKey(path);
    await decryptImage(path, { passphrase });
    assert.ok(readFileSync(path).subarray(0, content.length).equals(content));
  });
});

describe("what others wrote into a header", () => {
  const numbers = '"serial":9007199254740993,"float":1.0,"z":1,"10":2,"2":3,"text":"\\u00e9"';
  const token = `{"type":"of-another","keyslots":["0"],${numbers}}`;
  const flags = ["allow-discards", "no-read-workqueue", "no-write-workqueue"];

  it("stays byte for byte, and cryptsetup reads it, after each of our changes", async () => {
    const path = blankFile(17 * mebibyte);
    formatByCryptsetup(path, ["--type", "luks2"]);
    const content = randomBytes(mebibyte);
    const { passphrase } = slot;
    await withOpenDisk(path, passphrase, (disk) => disk.write(0, content), { access: "write" });
    cryptsetup(["token", "import", "--token-id", "4", "--json-file", "-", path], token);
    const written = /"4":(\{.*?\})/.exec(headerText(path))?.[1] ?? "";
    assert.match(written, /9007199254740993.*1\.0/);
    const settings = '"x-settings":{"rate":1.0}';
    forgeText(path, (json) =>
      json.replace('"config":{', `"config":{"flags":${JSON.stringify(flags)},${settings},`),
    );
    assert.match(cryptsetup(["luksDump", path]), /Flags: +\t*allow-discards no-read/);
    const changes: (() => Promise<unknown>)[] = [
      () => addKeyslot(path, passphrase, otherSlot),
      () => changePassphrase(path, otherSlot.passphrase, { ...otherSlot, kdf: pbkdf2("sha512") }),
      () => setKeyslotPriority(path, 1, "prefer"),
      () => addToken(path, { type: "x", keyslots: ["1"] }),
      () => killKeyslot(path, 1),
      () => relabel(path, { label: "other" }),
      () => reencryptImage(path, { passphrase, keyslots: [slot] }),
      () =>
        convertImage(path, {
          passphrase,
          format: { version: 2, keyslots: [slot], sectorSize: 4096 },
        }),
    ];
    for (const change of changes) {
      await change();
      const text = headerText(path);
      for (const part of [written, settings, JSON.stringify(flags)]) {
        assert.ok(text.includes(part), `${part}\n${text}`);
      }
      assert.match(cryptsetup(["luksDump", path]), /Flags: +\t*allow-discards no-read/);
      assert.equal(slotOpenedByCryptsetup(path), 0);
      assert.match(cryptsetup(["repair", "-v", path]), /No known problems/);
    }
    assert.equal(
      cryptsetup(["token", "export", "--token-id", "4", path]).replaceAll(/\s/g, ""),
      written,
    );
    await agreeOnVolumeKey(path);
    await decryptImage(path, { passphrase });
    assert.ok(readFileSync(path).subarray(0, content.length).equals(content));
  });

  it("a slot of an unknown derivation is ignored by both, and kept", async () => {
    const path = blankFile(17 * mebibyte);
    formatByCryptsetup(path, ["--type", "luks2"]);
    cryptsetup(["luksAddKey", "-q", ...minimal, "--key-file", keyFiles.one, path, keyFiles.two]);
    const kdf = '"kdf":{"type":"balloon","space":1.0}';
    forgeText(path, (json) => {
      const start = json.indexOf('"kdf":', json.indexOf('"1":{"type":"luks2"'));
      return json.slice(0, start) + kdf + json.slice(json.indexOf("}", start) + 1);
    });
    assert.equal(slotOpenedByCryptsetup(path), 0);
    assert.equal(await testPassphrase(path, slot.passphrase), 0);
    assert.match((await readLuks(path)).warnings.join(), /key slot 1 is ignored/);
    await assert.rejects(testPassphrase(path, otherSlot.passphrase), { code: "wrong_passphrase" });
    assert.throws(() => slotOpenedByCryptsetup(path, two));
    assert.equal(await addKeyslot(path, slot.passphrase, otherSlot), 2);
    // Of several slots, cryptsetup 2.6.1 tries none after the one that it does not know.
    const args = ["open", "--test-passphrase", "--key-slot", "2", "--key-file", keyFiles.two, path];
    cryptsetup(args);
    assert.ok(headerText(path).includes(kdf));
    for (const change of ['"luks1","', '"raw","']) {
      const other = blankFile(17 * mebibyte);
      copyFileSync(path, other);
      forgeText(other, (json) => json.replace(change, '"unknown","'));
      assert.throws(() => cryptsetup(["luksDump", other]));
      await assert.rejects(readLuks(other), { code: "corrupt_header" });
    }
  });
});

/** The command in an error opens the disk, as far as that can be tried without the kernel. */
function openCommandOf(path: string, type: string) {
  return (error: Error) => {
    const found = /open it with "(cryptsetup open .*) luks-[\da-f-]+"$/.exec(error.message);
    const command = found?.[1] ?? error.message;
    assert.equal(command, `cryptsetup open --type ${type} ${path}`);
    const test = ["--test-passphrase", "--key-file", keyFiles.one];
    cryptsetup([...command.split(" ").slice(1), ...test]);
    return true;
  };
}

describe("disks of other makers that cryptsetup opens", () => {
  const sha = ["sha1", "sha224", "sha256", "sha384", "sha512"];
  const sha3 = ["sha3-224", "sha3-256", "sha3-384", "sha3-512"];
  const others = ["blake2b-512", "blake2s-256", "ripemd160", "sm3", "whirlpool"];
  for (const type of ["luks1", "luks2"]) {
    for (const hash of [...sha, ...sha3, ...others]) {
      it(`${type} with ${hash}: is shown, and opens where OpenSSL has the hash`, async () => {
        const path = blankFile(20 * mebibyte);
        formatByCryptsetup(path, ["--type", type, "--hash", hash]);
        const header = await readLuks(path);
        assert.equal(header.digests[0]?.hash, hash);
        // Whirlpool needs OpenSSL's legacy provider.
        assert.equal(header.keyslots[0]?.ignored === undefined, hash !== "whirlpool");
        if (hash === "whirlpool") {
          await assert.rejects(testPassphrase(path, slot.passphrase), openCommandOf(path, type));
          return;
        }
        assert.equal(await testPassphrase(path, slot.passphrase), 0);
        await agreeOnVolumeKey(path);
        assert.equal(await addKeyslot(path, slot.passphrase, otherSlot), 1);
        assert.equal(slotOpenedByCryptsetup(path, two), 1);
      });
    }

    for (const cipher of ["aes-xts-plain64:sha256", "aes-xts-essiv:sha256", "aes-cbc-plain64"]) {
      // Without the kernel, cryptsetup formats no plain64:sha256: suite kernel has LUKS1 as Tomb makes it.
      const isTombs = cipher === "aes-xts-plain64:sha256";
      if (isTombs && type === "luks1") continue;
      it(`${type} with ${cipher}`, async () => {
        const path = blankFile(20 * mebibyte);
        const bits = cipher.includes("xts") ? "512" : "256";
        const written = isTombs ? "aes-xts-plain64" : cipher;
        formatByCryptsetup(path, ["--type", type, "--cipher", written, "--key-size", bits]);
        if (isTombs) forgeText(path, (json) => json.replaceAll(written, cipher));
        assert.equal(await testPassphrase(path, slot.passphrase), 0);
        const { passphrase } = slot;
        const content = randomBytes(mebibyte);
        await withOpenDisk(path, passphrase, (disk) => disk.write(0, content), { access: "write" });
        await reencryptImage(path, { passphrase, keyslots: [slot] });
        assert.match(cryptsetup(["luksDump", path]), new RegExp(cipher.replace("aes-", "")));
        assert.equal(slotOpenedByCryptsetup(path), 0);
        await agreeOnVolumeKey(path);
        await decryptImage(path, { passphrase });
        assert.ok(readFileSync(path).subarray(0, content.length).equals(content));
      });
    }

    it(`${type} with aes-ecb: the error names the command that opens it`, async () => {
      const path = blankFile(20 * mebibyte);
      formatByCryptsetup(path, ["--type", type, "--cipher", "aes-ecb", "--key-size", "256"]);
      await readLuks(path);
      await assert.rejects(unlock(path, slot.passphrase), openCommandOf(path, type));
    });
  }

  for (const cipher of ["serpent-xts-plain64", "twofish-cbc-essiv:sha256", "cast5-cbc-plain64"]) {
    it(`luks2 with ${cipher}: the error names the command that opens it`, async () => {
      const path = blankFile(20 * mebibyte);
      formatByCryptsetup(path, ["--type", "luks2", "--key-size", "256"]);
      const segment = '"encryption":"aes-xts-plain64","sector_size"';
      forgeText(path, (json) => json.replace(segment, segment.replace("aes-xts-plain64", cipher)));
      assert.match(cryptsetup(["luksDump", path]), new RegExp(`cipher: ${cipher}`));
      assert.equal((await readLuks(path)).cipher, cipher);
      await assert.rejects(
        withOpenDisk(path, slot.passphrase, (disk) => disk.sync()),
        openCommandOf(path, "luks2"),
      );
    });
  }
});

describe("qemu-img", () => {
  const raw = join(folder, "raw");
  const content = randomBytes(3 * mebibyte);
  content.fill(0, 100_000, 900_000);
  writeFileSync(raw, content);
  const secret = ["--object", `secret,id=key,file=${keyFiles.one}`];

  for (const [cipher, bits] of [
    ["aes-xts-plain64", 512],
    ["aes-xts-plain64", 256],
    ["aes-cbc-essiv:sha256", 256],
  ] as const) {
    it(`reads the LUKS1 image that we encrypt: ${cipher}, ${bits}`, async () => {
      const [luks, back] = [join(folder, `${files++}.luks`), join(folder, `${files++}.raw`)];
      const format: ImageFormat = {
        version: 1,
        keyslots: [slot],
        cipher,
        volumeKeyBitLength: bits,
      };
      await encryptImage(raw, { format, target: luks });
      runTool("qemu-img", [
        "convert",
        ...secret,
        "--image-opts",
        `driver=luks,key-secret=key,file.filename=${luks}`,
        "-O",
        "raw",
        back,
      ]);
      assert.equal(hashOf(back), hashOf(raw));
      matrix.add("chatelaine", "qemu-img", "1", cipher, `${bits}`, "512", "pbkdf2-sha256");
    });
  }

  it("serves our LUKS1 image with qemu-nbd, and writes to it", async () => {
    const [luks, back] = [join(folder, `${files++}.luks`), join(folder, `${files++}.raw`)];
    await encryptImage(raw, { format: { version: 1, keyslots: [slot] }, target: luks });
    serve(luks, (url) => runTool("qemu-img", ["convert", "-f", "raw", url, "-O", "raw", back]));
    assert.equal(hashOf(back), hashOf(raw));
    const other = blankFile(3 * mebibyte);
    writeFileSync(other, randomBytes(3 * mebibyte));
    serve(luks, (url) =>
      runTool("qemu-img", ["convert", "-n", "-f", "raw", other, "-O", "raw", url]),
    );
    rmSync(back);
    await decryptImage(luks, { passphrase: slot.passphrase, target: back });
    assert.equal(hashOf(back), hashOf(other));
    matrix.add("chatelaine", "qemu-nbd", "1", "aes-xts-plain64", "512", "512", "pbkdf2-sha256");
    matrix.add("qemu-nbd", "chatelaine", "1", "aes-xts-plain64", "512", "512", "pbkdf2-sha256");
  });

  /** Lends the plaintext of an image as an NBD export to one client, with whom the server ends. */
  function serve(luks: string, use: (url: string) => void): void {
    const [socket, pidFile] = [join(folder, `${files++}.socket`), join(folder, `${files++}.pid`)];
    const image = `driver=luks,key-secret=key,file.driver=file,file.filename=${luks}`;
    const serving = ["--fork", "--pid-file", pidFile, "--socket", socket];
    runTool("qemu-nbd", [...serving, ...secret, "--image-opts", image]);
    const pid = Number(readFileSync(pidFile, "ascii"));
    try {
      use(`nbd+unix:///?socket=${socket}`);
    } finally {
      try {
        process.kill(pid);
      } catch {
        // It has ended by itself, as it should.
      }
    }
  }

  it("writes a LUKS1 image that we decrypt, and whose slots we change", async () => {
    const [luks, back] = [join(folder, `${files++}.luks`), join(folder, `${files++}.raw`)];
    const options = ["-O", "luks", "-o", "key-secret=key,iter-time=10"];
    const convert = ["convert", ...secret, "-f", "raw", raw, ...options, luks];
    // Where the system counts a thread's time in ticks, it may see none pass, the likelier the busier the machine is.
    for (let left = 100; ; left--) {
      try {
        runTool("qemu-img", convert);
        break;
      } catch (error) {
        if (left === 0 || !/accurate CPU usage/.test(String(error))) throw error;
      }
    }
    assert.equal(await addKeyslot(luks, slot.passphrase, otherSlot), 1);
    await killKeyslot(luks, 0);
    await decryptImage(luks, { passphrase: otherSlot.passphrase, target: back });
    assert.equal(hashOf(back), hashOf(raw));
    matrix.add("qemu-img", "chatelaine", "1", "aes-xts-plain64", "512", "512", "pbkdf2-sha256");
  });
});

describe("key files and passphrases open by cryptsetup's rules", () => {
  const main = fileURLToPath(new URL("../../packages/cli/dist/main.js", import.meta.url));
  const environment = { PATH: process.env["PATH"], NODE_OPTIONS: process.env["NODE_OPTIONS"] };
  /** Both programs get their standard input through a true pipe. */
  const run = (line: readonly string[], input: string) =>
    spawnSync("sh", ["-c", 'cat "$0" | "$@"', fileOf(input), ...line], {
      encoding: "utf8",
      env: environment,
    });
  const ours = (path: string, words: readonly string[], input = "") =>
    run([process.execPath, main, "luks", "slots", "test", path, ...words], input);
  const theirs = (path: string, words: readonly string[], input = "") =>
    run(["cryptsetup", "open", "--test-passphrase", "--batch-mode", path, ...words], input);
  const argon2id = ["--pbkdf-memory", "65536", "--pbkdf-force-iterations", "4"];

  for (const size of [0, 1, 512, 513, 2048, 4096, 1 << 20, 8 << 20]) {
    for (const type of ["luks1", "luks2"]) {
      it(`${type}, a key file of ${size} bytes`, async () => {
        const content = Buffer.alloc(size, "newlines\n and \0 are bytes");
        const key = fileOf(content);
        const made = blankFile(17 * mebibyte);
        const format = ["luksFormat", "-q", "--type", type, ...minimal, "--key-file", key, made];
        cryptsetup(format);
        const test = ours(made, ["--passphrase-file", key]);
        assert.equal(test.stdout, "key slot 0 opens\n", test.stderr);
        const own = blankFile(17 * mebibyte);
        const keyslots = [
          { passphrase: content, kdf: pbkdf2("sha256"), allowEmptyPassphrase: true },
        ];
        await (type === "luks1" ? formatLuks1 : formatLuks2)(own, { keyslots });
        assert.equal(theirs(own, ["--key-file", key]).status, 0);
      });
    }
  }

  for (const [kdf, words] of [
    ["argon2id", argon2id],
    ["argon2i", ["--pbkdf", "argon2i", ...argon2id]],
    ["pbkdf2", minimal],
  ] as const) {
    it(`an empty passphrase with ${kdf}`, async () => {
      const made = blankFile(17 * mebibyte);
      const empty = fileOf("");
      cryptsetup(["luksFormat", "-q", ...words, "--key-file", empty, made]);
      assert.equal(await testPassphrase(made, new Uint8Array()), 0);
      const changed = { passphrase: Buffer.from(one), kdf: pbkdf2("sha256") };
      assert.equal(await changePassphrase(made, new Uint8Array(), changed), 0);
      assert.equal(slotOpenedByCryptsetup(made), 0);
      const own = blankFile(17 * mebibyte);
      const spec = { passphrase: new Uint8Array(), allowEmptyPassphrase: true };
      const slots = [{ ...spec, kdf: kdf === "pbkdf2" ? pbkdf2("sha256") : argon2(kdf) }];
      await formatLuks2(own, { keyslots: slots });
      assert.equal(theirs(own, ["--key-file", empty]).status, 0);
    });
  }

  it("both accept and refuse the same", async () => {
    const made = blankFile(17 * mebibyte);
    await formatLuks2(made, {
      keyslots: [{ passphrase: Buffer.from("secret"), kdf: pbkdf2("sha256") }],
    });
    const around = fileOf("12345secret678");
    const [secret, big] = [fileOf("secret"), fileOf(Buffer.alloc((8 << 20) + 1))];
    const opened: string[] = [];
    const cases: readonly (readonly [string, string, string?, number?, number?])[] = [
      ["a line", "secret\nmore"],
      ["no newline at the end", "secret"],
      ["a carriage return", "secret\r\n"],
      ["an empty line", "\nsecret"],
      ["nothing", ""],
      ["all of a pipe", "secret", "-"],
      ["a newline in a pipe", "secret\n", "-"],
      ["an empty pipe", "", "-"],
      ["a part of a pipe", "12345secret678", "-", 5, 6],
      ["a file", "", secret],
      ["a part of a file", "", around, 5, 6],
      ["too much of a file", "", around, 5, 7],
      ["more than there is", "", around, 5, 10],
      ["from behind the end", "", around, 15, 6],
      ["more than 8 MiB", "", big],
    ];
    for (const [what, input, name, offset, size] of cases) {
      const words = (flag: string, prefix: string) => [
        ...(name === undefined ? [] : [flag, name]),
        ...(offset === undefined ? [] : [`${prefix}-offset`, String(offset)]),
        ...(size === undefined ? [] : [`${prefix}-size`, String(size)]),
      ];
      const [we, they] = [
        ours(made, words("--passphrase-file", "--passphrase"), input),
        theirs(made, words("--key-file", "--keyfile"), input),
      ];
      assert.equal(we.status === 0, they.status === 0, `${what}: ${we.stderr}; ${they.stderr}`);
      if (we.status === 0) opened.push(what);
      if (offset === undefined) continue;
      const alias = ours(made, words("--passphrase-file", "--keyfile"), input);
      assert.equal(alias.status, we.status, what);
    }
    assert.deepEqual(opened, [
      "a line",
      "no newline at the end",
      "all of a pipe",
      "a part of a pipe",
      "a file",
      "a part of a file",
    ]);
  });
});
