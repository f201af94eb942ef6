import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { existsSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { pipeline } from "node:stream/promises";
import { describe, it } from "node:test";
import fc from "fast-check";
import { holds } from "../../../scripts/random-runs.ts";
import { withOpenDisk } from "../src/data/open-disk.ts";
import { readLuks } from "../src/header/read.ts";
import { testPassphrase, unlock } from "../src/header/unlock.ts";
import { convertImage, decryptImage } from "../src/image/decrypt.ts";
import { encryptImage } from "../src/image/encrypt.ts";
import type { ImageFormat } from "../src/image/new-header.ts";
import { reencryptImage } from "../src/image/reencrypt.ts";
import { forgetImage, interruptedOperation, resumeImage } from "../src/image/resume.ts";
import { formatLuks2 } from "../src/luks2/format.ts";
import { MemoryDevice } from "./memory-device.ts";
import { luksError, mebibyte, passphrase, scratchPath } from "./scratch.ts";

const one = { passphrase: passphrase("one key of sixteen bytes"), entropyBits: 128 };
const two = { passphrase: passphrase("two key of sixteen bytes"), entropyBits: 128 };

const formats: [string, ImageFormat][] = [
  ["LUKS2", { version: 2, keyslots: [one] }],
  ["LUKS2 with sectors of 4096", { version: 2, keyslots: [one], sectorSize: 4096 }],
  ["LUKS1", { version: 1, keyslots: [one] }],
  ["LUKS1 with cbc-essiv", { version: 1, keyslots: [one], cipher: "aes-cbc-essiv:sha256" }],
];

/** Data with holes, one chunk and a bit more than three long. */
function rawImage(bytes = 3 * mebibyte + 8192): { path: string; hash: string } {
  const content = randomBytes(bytes);
  content.fill(0, 100_000, 600_000);
  const path = scratchPath("raw");
  writeFileSync(path, content);
  return { path, hash: hashOf(path) };
}

function hashOf(path: string): string {
  return createHash("sha256").update(readFileSync(path)).digest("hex");
}

for (const [name, format] of formats) {
  describe(`images and ${name}`, () => {
    it("encrypt and decrypt in place", async () => {
      const { path, hash } = rawImage();
      await encryptImage(path, { format });
      assert.equal(await testPassphrase(path, one.passphrase), 0);
      assert.equal((await readLuks(path)).version, format.version);
      assert.ok(!existsSync(`${path}.chatelaine`));
      await decryptImage(path, { passphrase: one.passphrase });
      assert.equal(hashOf(path), hash);
    });

    it("encrypt and decrypt into new files, on several threads", async () => {
      const { path, hash } = rawImage();
      const luks = scratchPath("luks");
      let last = { doneBytes: 0, totalBytes: 0 };
      await encryptImage(path, {
        format,
        target: luks,
        threads: 2,
        onProgress: (now) => (last = now),
      });
      assert.deepEqual(last, { doneBytes: statSync(path).size, totalBytes: statSync(path).size });
      assert.equal(statSync(luks).mode & 0o777, 0o600);
      for (const threads of [1, 2]) {
        const target = scratchPath("raw");
        await decryptImage(luks, { passphrase: one.passphrase, target, threads });
        assert.equal(hashOf(target), hash);
      }
      assert.equal(hashOf(path), hash);
    });

    it("re-encrypt with a new volume key", async () => {
      const { path, hash } = rawImage();
      await encryptImage(path, { format });
      const before = await unlock(path, one.passphrase);
      const ciphertext = hashOf(path);
      await reencryptImage(path, { passphrase: one.passphrase, keyslots: [two] });
      const after = await unlock(path, two.passphrase);
      assert.ok(
        before.volumeKey.use((a) => after.volumeKey.use((b) => Buffer.compare(a, b) !== 0)),
      );
      await assert.rejects(unlock(path, one.passphrase), luksError("wrong_passphrase"));
      assert.notEqual(hashOf(path), ciphertext);
      await decryptImage(path, { passphrase: two.passphrase });
      assert.equal(hashOf(path), hash);
    });

    it("convert to other formats", async () => {
      const { path, hash } = rawImage();
      await encryptImage(path, { format });
      for (const [, other] of formats) {
        const [target, raw] = [scratchPath("luks"), scratchPath("raw")];
        await convertImage(path, { passphrase: one.passphrase, target, format: other });
        await decryptImage(target, { passphrase: one.passphrase, target: raw });
        assert.equal(hashOf(raw), hash);
      }
    });

    it("convert to other formats in place", async () => {
      const { path, hash } = rawImage();
      await encryptImage(path, { format });
      const { uuid, dataOffset } = await readLuks(path);
      const bytes = statSync(path).size;
      let by = one;
      for (const [, other] of formats) {
        const next = by === one ? two : one;
        const changed = { ...other, keyslots: [next] };
        await convertImage(path, { passphrase: by.passphrase, format: changed });
        by = next;
        const now = await readLuks(path);
        assert.deepEqual([now.uuid, now.dataOffset], [uuid, dataOffset]);
        assert.equal(now.version, other.version);
        assert.equal(statSync(path).size, bytes);
        assert.ok(!existsSync(`${path}.chatelaine`));
      }
      await decryptImage(path, { passphrase: by.passphrase });
      assert.equal(hashOf(path), hash);
    });

    it("are aborted and resumed in the middle of a conversion, in place and not", async () => {
      const { path, hash } = rawImage(17 * mebibyte);
      await encryptImage(path, { format });
      for (const target of [scratchPath("luks"), undefined]) {
        const abort = new AbortController();
        const convert = () =>
          convertImage(path, {
            passphrase: one.passphrase,
            format: { version: 2, keyslots: [two], sectorSize: 1024 },
            signal: abort.signal,
            onProgress: () => abort.abort(),
            ...(target === undefined ? {} : { target }),
          });
        await assert.rejects(convert, luksError("aborted"));
        const passphrases = { passphrase: one.passphrase, newPassphrase: two.passphrase };
        assert.equal(await resumeImage(target ?? path, passphrases), true);
        const raw = scratchPath("raw");
        await decryptImage(target ?? path, { passphrase: two.passphrase, target: raw });
        assert.equal(hashOf(raw), hash);
      }
    });

    it("are aborted and resumed", async () => {
      const { path, hash } = rawImage(40 * mebibyte);
      await abortAndResume(
        path,
        two.passphrase,
        (run) => encryptImage(path, { format, ...run }),
        one,
      );
      const change = { passphrase: one.passphrase, keyslots: [two] };
      await abortAndResume(
        path,
        one.passphrase,
        (run) => reencryptImage(path, { ...change, ...run }),
        two,
      );
      const decrypt = { passphrase: two.passphrase };
      await abortAndResume(
        path,
        one.passphrase,
        (run) => decryptImage(path, { ...decrypt, ...run }),
        two,
      );
      assert.equal(hashOf(path), hash);
    });
  });
}

async function abortAndResume(
  path: string,
  wrong: Uint8Array,
  start: (run: { signal: AbortSignal; onProgress: () => void }) => Promise<void>,
  right: { passphrase: Uint8Array },
): Promise<void> {
  const abort = new AbortController();
  const run = { signal: abort.signal, onProgress: () => abort.abort() };
  await assert.rejects(start(run), luksError("aborted"));
  const waiting = await interruptedOperation(path);
  assert.ok(waiting && waiting.doneBytes > 0 && waiting.doneBytes < waiting.totalBytes);
  await assert.rejects(start({ ...run, signal: new AbortController().signal }));
  if (waiting.operation !== "reencrypt") {
    await assert.rejects(resumeImage(path, { passphrase: wrong }), luksError("wrong_passphrase"));
  }
  const passphrases =
    waiting.operation === "reencrypt"
      ? { passphrase: one.passphrase, newPassphrase: right.passphrase }
      : { passphrase: right.passphrase };
  assert.equal(await resumeImage(path, passphrases), true);
  assert.equal(await interruptedOperation(path), undefined);
  assert.equal(await resumeImage(path, { passphrase: right.passphrase }), false);
}

describe("encryptImage", () => {
  it("refuses what is LUKS already, odd sizes, and existing targets", async () => {
    const { path } = rawImage();
    const format = { version: 2, keyslots: [one] } as const;
    await assert.rejects(
      encryptImage(path, { format, target: path }),
      luksError("invalid_argument"),
    );
    await encryptImage(path, { format });
    await assert.rejects(encryptImage(path, { format }), luksError("holds_data"));
    const odd = scratchPath("raw");
    writeFileSync(odd, "x".repeat(513));
    await assert.rejects(encryptImage(odd, { format }), luksError("invalid_argument"));
    assert.equal(readFileSync(odd, "utf8"), "x".repeat(513));
  });

  it("keeps its journal where it is told to", async () => {
    const { path, hash } = rawImage();
    const journal = scratchPath("journal");
    const abort = new AbortController();
    const run = { journal, signal: abort.signal, onProgress: () => abort.abort() };
    const format = { version: 2, keyslots: [one], dataOffset: 2 * mebibyte } as const;
    await assert.rejects(() => encryptImage(path, { format, ...run }), luksError("aborted"));
    assert.ok(!existsSync(`${path}.chatelaine`));
    assert.equal((await interruptedOperation(path, { journal }))?.operation, "encrypt");
    assert.equal(await resumeImage(path, { passphrase: one.passphrase, journal }), true);
    await decryptImage(path, { passphrase: one.passphrase, journal });
    assert.ok(!existsSync(journal));
    assert.equal(hashOf(path), hash);
  });

  it("keeps holes where asked to", async () => {
    const { path, hash } = rawImage();
    const [luks, raw] = [scratchPath("luks"), scratchPath("raw")];
    const format = { version: 2, keyslots: [one] } as const;
    await encryptImage(path, { format, target: luks, keepHoles: true });
    await decryptImage(luks, { passphrase: one.passphrase, target: raw, keepHoles: true });
    assert.equal(hashOf(raw), hash);
    const [dense, sparse] = [statSync(path).blocks, statSync(raw).blocks];
    assert.ok(sparse < dense, `${sparse} blocks of ${dense}`);
  });
});

describe("an image whose change is only begun", () => {
  const begin: Record<string, (path: string) => Promise<void>> = {
    encryption: (path) =>
      encryptImage(path, { format: { version: 2, keyslots: [one] }, onlyBegin: true }),
    decryption: (path) => decryptImage(path, { passphrase: one.passphrase, onlyBegin: true }),
    "re-encryption": (path) =>
      reencryptImage(path, { passphrase: one.passphrase, keyslots: [one], onlyBegin: true }),
  };
  for (const [name, only] of Object.entries(begin)) {
    it(`is as it was; its ${name} is forgotten, or resumed`, async () => {
      const { path, hash } = rawImage();
      if (name !== "encryption") {
        await encryptImage(path, { format: { version: 2, keyslots: [one] } });
      }
      const before = hashOf(path);
      await only(path);
      assert.equal(hashOf(path), before);
      assert.equal((await interruptedOperation(path))?.doneBytes, 0);
      await forgetImage(path);
      await forgetImage(path);
      assert.ok(!existsSync(`${path}.chatelaine`));
      await only(path);
      assert.equal(await resumeImage(path, { passphrase: one.passphrase }), true);
      if (name !== "decryption") await decryptImage(path, { passphrase: one.passphrase });
      assert.equal(hashOf(path), hash);
    });
  }

  it("cannot be forgotten once it has been changed, nor begun as a copy", async () => {
    const { path } = rawImage(20 * mebibyte);
    const signal = new AbortController();
    const format = { version: 2, keyslots: [one] } as const;
    const stop = encryptImage(path, {
      format,
      signal: signal.signal,
      onProgress: () => signal.abort(),
    });
    await assert.rejects(stop, luksError("aborted"));
    await assert.rejects(forgetImage(path), luksError("busy"));
    const target = scratchPath("luks");
    await assert.rejects(
      encryptImage(path, { format, target, onlyBegin: true }),
      luksError("invalid_argument"),
    );
  });
});

describe("an open disk", () => {
  it("reads what it wrote, at any place and of any length", async (t) => {
    const device = new MemoryDevice(new Uint8Array(4 * mebibyte));
    await formatLuks2(device, { keyslots: [one], dataOffset: mebibyte, sectorSize: 1024 });
    const model = new Uint8Array(3 * mebibyte);
    const options = { access: "write" } as const;
    await withOpenDisk(
      device,
      one.passphrase,
      async (disk) => {
        await disk.write(0, model);
        const ranges = fc.tuple(fc.nat(3 * mebibyte - 1), fc.integer({ min: 1, max: 1_200_000 }));
        const isAsModel = async ([offset, wanted]: [number, number]) => {
          const bytes = randomBytes(Math.min(wanted, model.length - offset));
          await disk.write(offset, bytes);
          model.set(bytes, offset);
          const around = Math.max(0, offset - 5000);
          const found = new Uint8Array(Math.min(model.length - around, bytes.length + 10_000));
          await disk.read(around, found);
          assert.ok(Buffer.compare(found, model.subarray(around, around + found.length)) === 0);
        };
        await holds(t, fc.asyncProperty(ranges, isAsModel), { numRuns: 30 });
        await assert.rejects(
          disk.read(disk.size, new Uint8Array(1)),
          luksError("invalid_argument"),
        );
      },
      options,
    );
    const { volumeKey } = await unlock(device, one.passphrase);
    await withOpenDisk(device, volumeKey, async (disk) => {
      const found = new Uint8Array(model.length);
      await disk.read(0, found);
      assert.ok(Buffer.compare(found, model) === 0);
    });
  });

  it("streams", async () => {
    const device = new MemoryDevice(new Uint8Array(4 * mebibyte));
    await formatLuks2(device, { keyslots: [one], dataOffset: mebibyte });
    const content = randomBytes(1_234_567);
    await withOpenDisk(
      device,
      one.passphrase,
      async (disk) => {
        await pipeline(
          [content.subarray(0, 700_001), content.subarray(700_001)],
          disk.writable(512),
        );
        const parts: Buffer[] = [];
        for await (const part of disk.readable(512, 512 + content.length))
          parts.push(part as Buffer);
        assert.ok(Buffer.concat(parts).equals(content));
      },
      { access: "write" },
    );
  });
});
