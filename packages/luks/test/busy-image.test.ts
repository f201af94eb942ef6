import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, linkSync, readFileSync, writeFileSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { describe, it } from "node:test";
import { withOpenDisk } from "../src/data/open-disk.ts";
import { addKeyslot, killKeyslot } from "../src/header/keyslots.ts";
import { convertImage, decryptImage } from "../src/image/decrypt.ts";
import { encryptImage } from "../src/image/encrypt.ts";
import { reencryptImage } from "../src/image/reencrypt.ts";
import { resumeImage } from "../src/image/resume.ts";
import { formatLuks2 } from "../src/luks2/format.ts";
import { during, flockOf, lockingReaderOf, readerOf, writerOf } from "./other-program.ts";
import { blankFile, luksError, mebibyte, passphrase, scratchPath } from "./scratch.ts";

const one = { passphrase: passphrase("one key of sixteen bytes"), entropyBits: 128 };
const two = { passphrase: passphrase("two key of sixteen bytes"), entropyBits: 128 };
const format = { version: 2, keyslots: [one], dataOffset: 2 * mebibyte } as const;

function rawImage(): string {
  const path = scratchPath("raw");
  writeFileSync(path, Buffer.alloc(mebibyte, "precious"));
  return path;
}

async function luksImage(): Promise<string> {
  const path = rawImage();
  await encryptImage(path, { format });
  return path;
}

/** Every operation that may change all of a file. */
const operations: Record<
  string,
  { make: () => Promise<string>; run: (path: string) => Promise<unknown> }
> = {
  "encrypt an image in place": {
    make: async () => rawImage(),
    run: (path) => encryptImage(path, { format }),
  },
  "decrypt an image in place": {
    make: luksImage,
    run: (path) => decryptImage(path, { passphrase: one.passphrase }),
  },
  "re-encrypt an image in place": {
    make: luksImage,
    run: (path) => reencryptImage(path, { passphrase: one.passphrase, keyslots: [one] }),
  },
  "convert an image in place": {
    make: luksImage,
    run: (path) =>
      convertImage(path, { passphrase: one.passphrase, format: { ...format, sectorSize: 4096 } }),
  },
  "resume an operation that was begun": {
    make: async () => {
      const path = rawImage();
      await encryptImage(path, { format, onlyBegin: true });
      return path;
    },
    run: (path) => resumeImage(path, { passphrase: one.passphrase }),
  },
  "format a file": {
    make: async () => blankFile(4 * mebibyte),
    run: (path) => formatLuks2(path, { keyslots: [one], dataOffset: 2 * mebibyte }),
  },
  "open a disk for writing": {
    make: luksImage,
    run: (path) =>
      withOpenDisk(path, one.passphrase, (disk) => disk.write(0, Buffer.alloc(512)), {
        access: "write",
      }),
  },
};

for (const [name, { make, run }] of Object.entries(operations)) {
  it(`refuses to ${name} while another process writes to it, and says which`, async () => {
    const path = await make();
    const before = readFileSync(path);
    const hadJournal = existsSync(`${path}.chatelaine`);
    await during(writerOf(path), async (pid) => {
      await assert.rejects(run(path), {
        code: "busy",
        message: new RegExp(
          `${path}: it is in use: process ${pid} has it open for writing \\(sh\\); first stop process ${pid}$`,
        ),
      });
    });
    assert.ok(before.equals(readFileSync(path)), "the file has changed");
    assert.equal(existsSync(`${path}.chatelaine`), hadJournal);
    await run(path);
    assert.ok(!before.equals(readFileSync(path)));
  });
}

describe("an image that another program has open", () => {
  it("is refused under another name, too", async () => {
    const path = rawImage();
    const link = scratchPath("link");
    linkSync(path, link);
    await during(writerOf(path), () =>
      assert.rejects(encryptImage(link, { format }), luksError("busy")),
    );
    assert.ok(readFileSync(path).every((byte, index) => byte === "precious".charCodeAt(index % 8)));
  });

  it("may be changed while others only read it", async () => {
    const path = rawImage();
    await during(readerOf(path), () => encryptImage(path, { format }));
  });

  it("is refused while a program that only reads has a lock on it, as QEMU has", async () => {
    const path = scratchPath("database");
    const database = new DatabaseSync(path);
    database.exec("CREATE TABLE precious (data)");
    database.close();
    await during(lockingReaderOf(path), (pid) =>
      assert.rejects(encryptImage(path, { format }), {
        code: "busy",
        message: new RegExp(`process ${pid} has a lock on it \\(`),
      }),
    );
    await encryptImage(path, { format });
  });

  it("is refused while another program has the lock that cryptsetup takes", async () => {
    const path = rawImage();
    await during(flockOf(path), () =>
      assert.rejects(encryptImage(path, { format }), {
        code: "busy",
        message: /another program has a lock on it \(flock\); wait until it ends/,
      }),
    );
    await encryptImage(path, { format });
  });

  it("can be given key slots, and lose them, meanwhile", async () => {
    const path = await luksImage();
    await during(writerOf(path), async () => {
      const slot = await addKeyslot(path, one.passphrase, two);
      await killKeyslot(path, slot);
    });
  });
});

describe("an image that is changed in place", () => {
  it("is locked against cryptsetup and other Chatelaine processes until it is done", async () => {
    const path = rawImage();
    const tryLock = () => spawnSync("flock", ["-n", path, "true"]).status;
    const seen: (number | null)[] = [];
    await encryptImage(path, { format, onProgress: () => seen.push(tryLock()) });
    assert.ok(seen.length > 0 && seen.every((status) => status === 1), seen.join());
    assert.equal(tryLock(), 0);
  });

  it("says at once that it is busy, where a header that others change would be waited for", {
    timeout: 20_000,
  }, async () => {
    const path = await luksImage();
    const change = { passphrase: one.passphrase, keyslots: [one], onlyBegin: true };
    await reencryptImage(path, change);
    await during(flockOf(path), () =>
      assert.rejects(addKeyslot(path, one.passphrase, two), luksError("busy")),
    );
  });

  it("is not changed by two operations of one process at a time", async () => {
    const path = await luksImage();
    const write = (work: () => Promise<void>) =>
      withOpenDisk(path, one.passphrase, work, { access: "write" });
    await write(async () => {
      await assert.rejects(
        write(async () => {}),
        luksError("busy"),
      );
      const again = reencryptImage(path, { passphrase: one.passphrase, keyslots: [one] });
      await assert.rejects(again, luksError("busy"));
    });
    await write(async () => {});
  });
});
