import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { backupHeader, restoreHeader } from "../src/header/backup.ts";
import { readLuks } from "../src/header/read.ts";
import { testPassphrase } from "../src/header/unlock.ts";
import { encryptImage } from "../src/image/encrypt.ts";
import { formatLuks1 } from "../src/luks1/format.ts";
import { formatLuks2 } from "../src/luks2/format.ts";
import { type AnyMetadata, changeMetadata, hostileDisk, owner } from "./hostile-disk.ts";
import { MemoryDevice } from "./memory-device.ts";
import { luksError, mebibyte } from "./scratch.ts";

const folder = mkdtempSync(join(tmpdir(), "luks-reencryption-"));
after(() => rmSync(folder, { recursive: true }));

/** As cryptsetup 2.6 marks a disk. The suite luks has disks that it made. */
function begin(mode: string, direction: string, resilience: string) {
  return (metadata: AnyMetadata) => {
    metadata.config.requirements = { mandatory: ["online-reencrypt-v2"] };
    const area = { type: resilience, offset: "548864", size: "4096" };
    metadata.keyslots["1"] = { type: "reencrypt", key_size: 1, mode, direction, area, priority: 0 };
  };
}

/** All data is as it is to be, and the header does not say that this is the end. */
function end(mode: "encrypt" | "decrypt") {
  return (metadata: AnyMetadata) => {
    begin(mode, "forward", "datashift-checksum")(metadata);
    const { segments, digests } = metadata;
    segments["1"] = { ...segments["0"], flags: ["backup-previous"] };
    if (mode === "decrypt") {
      segments["0"] = { type: "linear", offset: "0", size: "dynamic" };
      digests["0"].segments = ["1"];
    }
    segments["2"] = { ...segments["0"], flags: ["backup-final"] };
    segments["3"] = { ...segments["1"], flags: ["backup-moved-segment"] };
  };
}

async function refusal(change: (metadata: AnyMetadata) => void): Promise<string> {
  const disk = await hostileDisk(change);
  let text = "";
  await assert.rejects(testPassphrase(disk, owner.passphrase), (error: Error) => {
    text = error.message;
    return luksError("in_reencryption")(error);
  });
  assert.ok(text.includes((await readLuks(disk)).warnings.join()), "luks dump says it, too");
  return text;
}

describe("a disk that cryptsetup re-encrypts and has not finished", () => {
  for (const [mode, doing, ours] of [
    ["reencrypt", "re-encrypting", true],
    ["encrypt", "encrypting", false],
    ["decrypt", "decrypting", false],
  ] as const) {
    it(`says that it is in mode ${mode}, in which direction, and which command finishes it`, async () => {
      const text = await refusal(begin(mode, "backward", "journal"));
      const expected = `cryptsetup is ${doing} it (direction backward, resilience journal) and has not finished: run "cryptsetup reencrypt --resume-only `;
      assert.ok(text.includes(expected), text);
      assert.equal(text.includes("chatelaine recover"), ours);
    });
  }

  it("says that it must be repaired first if cryptsetup was cut off while it wrote", async () => {
    const text = await refusal((metadata) => {
      begin("reencrypt", "forward", "checksum")(metadata);
      metadata.segments["0"].flags = ["in-reencryption"];
    });
    assert.match(text, /run "cryptsetup repair \S+", then "cryptsetup reencrypt --resume-only/);
  });

  it("says that we finish what cryptsetup cannot, because it was killed at the end", async () => {
    const text = await refusal((metadata) => {
      begin("reencrypt", "forward", "checksum")(metadata);
      const { segments, digests } = metadata;
      segments["1"] = { ...segments["0"], flags: ["backup-previous"] };
      segments["2"] = { ...segments["0"], flags: ["backup-final"] };
      digests["1"] = { ...digests["0"], keyslots: [], segments: ["1"] };
      digests["2"] = { ...digests["0"], keyslots: ["1"], segments: [] };
      digests["0"] = { ...digests["0"], segments: ["0", "2"] };
    });
    assert.doesNotMatch(text, /--resume-only/);
    assert.match(
      text,
      /run "chatelaine luks resume \S+", or "chatelaine recover" .* no older header/,
    );
  });

  for (const [mode, says] of [
    [
      "encrypt",
      /all data is encrypted: if .* fails, "cryptsetup open" opens it; make it another header/,
    ],
    ["decrypt", /all data is plain: use it without this header, and do not run .*--resume-only/],
  ] as const) {
    it(`names no resumption that fails or destroys data where all is done in mode ${mode}`, async () => {
      assert.match(await refusal(end(mode)), says);
      const notDone = await refusal((metadata) => {
        end(mode)(metadata);
        metadata.segments["0"].size = "4096";
      });
      assert.match(notDone, /and has not finished: run "cryptsetup reencrypt --resume-only/);
    });
  }

  it("warns of a resumption where nothing says how far cryptsetup came", async () => {
    const risk = /encrypts a second time .*: copy the disk first/;
    assert.match(await refusal(begin("reencrypt", "forward", "none")), risk);
    assert.doesNotMatch(await refusal(begin("reencrypt", "forward", "checksum")), risk);
  });

  it("says that its header is detached", async () => {
    const text = await refusal((metadata) => {
      begin("decrypt", "backward", "checksum")(metadata);
      metadata.segments["0"].offset = "0";
    });
    assert.match(text, /--resume-only --header \S+ DATA-DEVICE"/);
  });

  it("names the old program that alone finishes what it has begun", async () => {
    const text = await refusal(({ config }) => {
      config.requirements = { mandatory: ["offline-reencrypt"] };
    });
    assert.match(text, /run "cryptsetup-reencrypt \S+"/);
  });

  it("is told apart from one that we have not finished", async () => {
    const text = await refusal(({ config }) => {
      config.requirements = { mandatory: ["chatelaine-reencrypt-v1"] };
    });
    assert.match(text, /chatelaine is re-encrypting it .* run "chatelaine luks resume \S+"/);
  });

  it("is not described in the words of somebody who wrote the header by hand", async () => {
    const text = await refusal(begin("\u001b[2J", 'x"; rm -rf /', "\u001b[31m"));
    assert.match(text, /re-encrypting it \(direction unknown, resilience unknown\)/);
  });

  it("does not take back a header from before, without which its new data would be lost", async () => {
    const disk = await hostileDisk(() => {});
    const file = join(folder, "before");
    await backupHeader(disk, file);
    await changeMetadata(disk, begin("reencrypt", "forward", "checksum"));
    const before = Uint8Array.from(disk.bytes);
    await assert.rejects(restoreHeader(disk, file), luksError("in_reencryption"));
    assert.deepEqual(disk.bytes, before);
  });
});

async function claim(change: (metadata: AnyMetadata) => void) {
  const disk = await hostileDisk(() => {});
  const file = join(folder, randomUUID());
  await backupHeader(disk, file);
  await changeMetadata(disk, change);
  await assert.rejects(testPassphrase(disk, owner.passphrase), luksError("in_reencryption"));
  return { disk, file };
}

describe("a disk that only claims to be re-encrypted", () => {
  for (const requirement of ["online-reencrypt", "online-reencrypt-v2", "online-reencrypt-v3"]) {
    it(`takes its backup back, and opens again (${requirement})`, async () => {
      const { disk, file } = await claim(({ config }) => {
        config.requirements = { mandatory: [requirement] };
      });
      await restoreHeader(disk, file);
      assert.equal(await testPassphrase(disk, owner.passphrase), 0);
    });
  }

  for (const [what, change] of [
    [
      "another tool keeps what its data needs in files of its own",
      ({ config }) => {
        config.requirements = { mandatory: ["offline-reencrypt"] };
      },
    ],
    [
      "chatelaine has begun it",
      ({ config }) => {
        config.requirements = { mandatory: ["online-reencrypt-v2", "chatelaine-reencrypt-v1"] };
      },
    ],
    [
      "its data has another key by now",
      ({ config, digests }) => {
        config.requirements = { mandatory: ["online-reencrypt-v2"] };
        digests["0"].digest = Buffer.alloc(32, 7).toString("base64");
      },
    ],
    [
      "its data has another cipher by now",
      ({ config, segments }) => {
        config.requirements = { mandatory: ["online-reencrypt-v2"] };
        segments["0"].encryption = "aes-xts-plain";
      },
    ],
  ] satisfies readonly [string, (metadata: AnyMetadata) => void][]) {
    it(`does not take it back if ${what}`, async () => {
      const { disk, file } = await claim(change);
      const before = Uint8Array.from(disk.bytes);
      await assert.rejects(restoreHeader(disk, file), luksError("in_reencryption"));
      assert.deepEqual(disk.bytes, before);
    });
  }
});

async function unfinishedLuks1(): Promise<MemoryDevice> {
  const made = new MemoryDevice(new Uint8Array(4 * mebibyte));
  await formatLuks1(made, { keyslots: [owner], dataOffset: 3 * mebibyte });
  made.bytes.set([0xde, 0xad], 4);
  return made;
}

describe("a LUKS1 disk that cryptsetup re-encrypts and has not finished", () => {
  it("says so, and which command finishes it", async () => {
    const made = await unfinishedLuks1();
    await assert.rejects(readLuks(made), (error: Error) => {
      assert.match(
        error.message,
        /run "chatelaine luks resume \S+" if .* or "cryptsetup reencrypt \S+" in the folder/,
      );
      return luksError("in_reencryption")(error);
    });
  });

  it("is neither formatted nor restored, as if it were blank or lost", async () => {
    const made = await unfinishedLuks1();
    const file = join(folder, "luks1");
    const whole = new MemoryDevice(Uint8Array.from(made.bytes));
    whole.bytes.set([0xba, 0xbe], 4);
    await backupHeader(whole, file);
    const { uuid } = await readLuks(whole);
    const before = Uint8Array.from(made.bytes);
    await assert.rejects(
      restoreHeader(made, file, { unprovenUuid: uuid }),
      luksError("in_reencryption"),
    );
    const allowed = {
      keyslots: [owner],
      dataOffset: mebibyte,
      allowDestroyingData: ["unrecognised"],
    };
    await assert.rejects(formatLuks2(made, allowed), luksError("holds_data"));
    assert.deepEqual(made.bytes, before);
  });

  it("is not encrypted, as if it were a raw image", async () => {
    const { bytes } = await unfinishedLuks1();
    const path = join(folder, "raw");
    await writeFile(path, bytes);
    const format = { version: 2, keyslots: [owner] } as const;
    await assert.rejects(encryptImage(path, { format }), luksError("in_reencryption"));
    assert.ok((await readFile(path)).equals(bytes));
  });
});
