import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { minimalKdf } from "../src/crypto/kdf.ts";
import { VolumeKey } from "../src/crypto/volume-key.ts";
import { withOpenDisk } from "../src/data/open-disk.ts";
import { privateHeader } from "../src/data/private-header.ts";
import type { LuksError } from "../src/errors.ts";
import { type Layout, layoutOf } from "../src/format/layout.ts";
import { addKeyslot, killKeyslot } from "../src/header/keyslots.ts";
import { checkHeader, readLuks } from "../src/header/read.ts";
import { testPassphrase, unlock } from "../src/header/unlock.ts";
import { formatLuks1 } from "../src/luks1/format.ts";
import { makeDigest } from "../src/luks2/digest.ts";
import { formatLuks2 } from "../src/luks2/format.ts";
import { sealKeyslot } from "../src/luks2/keyslot.ts";
import { loadLuks2 } from "../src/luks2/load.ts";
import { type AnyMetadata, changeMetadata, hostileDisk, owner } from "./hostile-disk.ts";
import { MemoryDevice } from "./memory-device.ts";
import { luksError, mebibyte, passphrase } from "./scratch.ts";

const second = { passphrase: passphrase("another key of bytes"), entropyBits: 128 };

/** Everything that acts by a header, and would show or write data. */
async function refusesToUse(disk: MemoryDevice, code: LuksError["code"]): Promise<void> {
  await assert.rejects(checkHeader(disk), luksError(code));
  await assert.rejects(testPassphrase(disk, owner.passphrase), luksError(code));
  await assert.rejects(unlock(disk, owner.passphrase), luksError(code));
  await assert.rejects(
    withOpenDisk(disk, owner.passphrase, async () => undefined),
    luksError(code),
  );
  await assert.rejects(addKeyslot(disk, owner.passphrase, second), luksError(code));
  await assert.rejects(killKeyslot(disk, 0), luksError(code));
}

type Change = (metadata: AnyMetadata) => void;

describe("a LUKS2 header with a valid checksum", () => {
  const injection = "cipher_null-ecb - 0 259:0 0,16384 8 crypt aes-xts-plain64";
  const refused: [string, LuksError["code"], Change][] = [
    [
      "shows another disk of the host through its cipher",
      "untrusted_header",
      ({ segments }) => (segments[0].encryption = injection),
    ],
    [
      "makes further devices through a semicolon in its cipher",
      "unsupported",
      ({ segments }) => (segments[0].encryption = "aes-xts-plain64;a,b,,rw,0 8 linear 8:0 0"),
    ],
    [
      "leaves what the tenant writes in clear",
      "untrusted_header",
      ({ segments }) => (segments[0].encryption = "cipher_null-ecb"),
    ],
    [
      "leaves what the tenant writes in clear, in the kernel's own spelling",
      "untrusted_header",
      ({ segments }) => (segments[0].encryption = "capi:ecb(cipher_null)-plain64"),
    ],
    [
      "names a cipher of the kernel's crypto API",
      "unsupported",
      ({ segments }) => (segments[0].encryption = "capi:xts(aes)-plain64"),
    ],
    [
      "encrypts equal sectors alike",
      "unsupported",
      ({ segments }) => (segments[0].encryption = "aes-ecb"),
    ],
    [
      "has the same IV for all sectors",
      "unsupported",
      ({ segments }) => (segments[0].encryption = "aes-cbc-null"),
    ],
    [
      "leaves what the tenant writes in clear, with an IV",
      "untrusted_header",
      ({ segments }) => (segments[0].encryption = "cipher_null-ecb-null"),
    ],
    ["has an empty cipher", "corrupt_header", ({ segments }) => (segments[0].encryption = "")],
    [
      "has a key slot in clear, in which anyone can choose the key",
      "untrusted_header",
      ({ keyslots }) => (keyslots[0].area.encryption = "cipher_null-ecb"),
    ],
    [
      "has a key slot in clear of a type that nobody knows",
      "untrusted_header",
      (metadata) => {
        const area = { ...metadata.keyslots[0].area, offset: "1015808", size: "4096" };
        metadata.keyslots[1] = { type: "x", key_size: 64, area };
        metadata.keyslots[1].area.encryption = "cipher_null-ecb";
      },
    ],
    [
      "has no digest over its data",
      "untrusted_header",
      ({ digests }) => (digests[0].segments = []),
    ],
    [
      "has two digests over its data",
      "untrusted_header",
      ({ digests }) => (digests[1] = { ...digests[0], keyslots: [] }),
    ],
    [
      "has a slot of two digests",
      "corrupt_header",
      ({ digests }) => (digests[1] = { ...digests[0], segments: [] }),
    ],
    ["has a slot of no digest", "corrupt_header", ({ digests }) => (digests[0].keyslots = [])],
    [
      "has a second data segment",
      "unsupported",
      ({ segments, digests }) => {
        segments[0].size = "4096";
        segments[1] = { ...segments[0], offset: "1052672" };
        digests[0].segments = ["0", "1"];
      },
    ],
    [
      "hides its data segment behind a flag",
      "unsupported",
      ({ segments }) => (segments[0].flags = ["backup-final"]),
    ],
    [
      "has plain data beside the encrypted",
      "unsupported",
      ({ segments }) => (segments[0].type = "linear"),
    ],
    [
      "has integrity of an unknown kind",
      "unsupported",
      ({ segments }) => (segments[0].integrity = { type: "none" }),
    ],
    [
      "has a volume key too short for its cipher",
      "untrusted_header",
      ({ keyslots }) => (keyslots[0].key_size = 16),
    ],
    [
      "has a data offset inside a sector",
      "untrusted_header",
      ({ segments }) => (segments[0].offset = "1048577"),
    ],
    [
      "has an IV tweak that the kernel refuses",
      "untrusted_header",
      ({ segments }) => {
        segments[0].sector_size = 4096;
        segments[0].iv_tweak = "1";
      },
    ],
    [
      "has an IV tweak beyond every device",
      "untrusted_header",
      ({ segments }) => (segments[0].iv_tweak = "9007199254740991"),
    ],
    [
      "asks for a requirement that nobody knows",
      "unsupported",
      ({ config }) => (config.requirements = { mandatory: ["of-tomorrow"] }),
    ],
    [
      "writes to the terminal through a flag",
      "untrusted_header",
      ({ config }) => (config.flags = ["\u001b]0;owned\u0007"]),
    ],
    [
      "has a digest hash of a thousand letters",
      "untrusted_header",
      ({ digests }) => (digests[0].hash = "a".repeat(1000)),
    ],
    [
      "writes to the terminal through a token's type",
      "untrusted_header",
      ({ tokens }) => (tokens[0] = { type: "a\nb", keyslots: [] }),
    ],
  ];
  for (const [what, code, change] of refused) {
    it(`is refused if it ${what}`, async () => {
      await refusesToUse(await hostileDisk(change), code);
    });
  }

  const hostileUuids = [
    "x' uuid='y",
    "../../etc/passwd",
    "a;b,,rw,0 8 linear 8:0 0",
    "--all",
    "AAAAAAAA-BBBB-4CCC-8DDD-EEEEEEEEEEEE",
    "",
  ];
  for (const uuid of hostileUuids) {
    it(`is refused if its UUID is ${JSON.stringify(uuid)}`, async () => {
      await refusesToUse(await hostileDisk(() => undefined, { uuid }), "untrusted_header");
    });
  }

  it("is refused if it writes to the terminal through its label", async () => {
    await refusesToUse(
      await hostileDisk(() => undefined, { label: "\u001b[2J" }),
      "untrusted_header",
    );
  });

  it("that is refused may still be looked at", async () => {
    const disk = await hostileDisk(({ segments }) => (segments[0].encryption = injection));
    assert.equal((await readLuks(disk)).cipher, injection);
  });

  it("does not encrypt with a key that the attacker chose in a slot in clear (CVE-2025-59054)", async () => {
    const disk = await hostileDisk(() => undefined);
    await addSlot(disk, ["0"], ({ digests, keyslots }) => {
      digests[0].segments = [];
      keyslots[1].priority = 2;
      keyslots[1].area.encryption = "cipher_null-ecb";
    });
    await refusesToUse(disk, "untrusted_header");
  });

  it("does not encrypt with the attacker's key through a second digest over the data", async () => {
    const disk = await hostileDisk(() => undefined);
    await addSlot(disk, ["0"], () => undefined);
    await refusesToUse(disk, "untrusted_header");
  });

  it("does not open by the owner's slot if the data is bound to the attacker's digest", async () => {
    const disk = await hostileDisk(() => undefined);
    await addSlot(disk, ["0"], ({ digests }) => (digests[0].segments = []));
    await assert.rejects(unlock(disk, owner.passphrase), luksError("wrong_passphrase"));
    await assert.rejects(unlock(disk, owner.passphrase, { slot: 0 }), luksError("no_such_slot"));
  });

  it("does not take a slot that opens no data for a way in", async () => {
    const disk = await hostileDisk(() => undefined);
    await addSlot(disk, [], () => undefined);
    await assert.rejects(testPassphrase(disk, second.passphrase), luksError("wrong_passphrase"));
    await assert.rejects(
      testPassphrase(disk, second.passphrase, { slot: 1 }),
      luksError("no_such_slot"),
    );
    assert.equal(await testPassphrase(disk, owner.passphrase), 0);
    assert.deepEqual((await checkHeader(disk)).waysIn, [0]);
    // The only way in stays.
    await assert.rejects(killKeyslot(disk, 0), luksError("last_slot"));
  });

  const unknownKinds: [string, Change][] = [
    ["cipher", ({ keyslots }) => (keyslots[1].area.encryption = "serpent-xts-plain64")],
    ["key derivation", ({ keyslots }) => (keyslots[1].kdf = { type: "scrypt" })],
    ["splitter hash", ({ keyslots }) => (keyslots[1].af.hash = "stribog512")],
  ];
  for (const [what, change] of unknownKinds) {
    it(`opens by its other slot if one has an unknown ${what}, and keeps that one`, async () => {
      const disk = await hostileDisk(() => undefined);
      await addKeyslot(disk, owner.passphrase, second);
      await changeMetadata(disk, change);
      assert.equal(await testPassphrase(disk, owner.passphrase), 0);
      await assert.rejects(
        testPassphrase(disk, second.passphrase, { slot: 1 }),
        luksError("unsupported"),
      );
      assert.deepEqual((await checkHeader(disk)).waysIn, [0]);
      assert.equal(await addKeyslot(disk, owner.passphrase, second), 2);
      assert.deepEqual(
        (await readLuks(disk)).keyslots.map(({ slot }) => slot),
        [0, 1, 2],
      );
    });
  }

  it("that changed between check and use is not read again", async () => {
    const disk = await hostileDisk(() => undefined);
    const header = await checkHeader(disk);
    await changeMetadata(disk, ({ segments }) => (segments[0].iv_tweak = "8"));
    const unlocked = await unlock(disk, owner.passphrase, { header });
    assert.equal(unlocked.header, header);
    assert.equal(unlocked.header.segment.ivTweak, 0);
    await withOpenDisk(
      disk,
      owner.passphrase,
      (opened) => opened.write(0, Buffer.from("plaintext")),
      { checked: header },
    );
    const bytes = Buffer.alloc(9);
    await withOpenDisk(disk, unlocked.volumeKey, (opened) => opened.read(0, bytes), {
      checked: header,
    });
    assert.equal(bytes.toString(), "plaintext");
    await withOpenDisk(disk, owner.passphrase, (opened) => opened.read(0, bytes));
    assert.notEqual(bytes.toString(), "plaintext");
  });

  it("that no check has seen opens nothing, whatever its type says", async () => {
    const disk = await hostileDisk(() => undefined);
    const header = { ...(await checkHeader(disk)) };
    await assert.rejects(unlock(disk, owner.passphrase, { header }), luksError("invalid_argument"));
  });
});

function text(field: number, value: string) {
  return (disk: MemoryDevice) => {
    disk.bytes.fill(0, field, field + 32);
    disk.bytes.set(Buffer.from(value), field);
  };
}

async function layout(disk: MemoryDevice, deviceBytes?: number): Promise<Layout> {
  return layoutOf(await checkHeader(disk), deviceBytes);
}

describe("a header that is handed to another program", () => {
  for (const version of [1, 2] as const) {
    it(`has nothing of the disk's own LUKS${version} header but what was checked`, async () => {
      const disk = new MemoryDevice(new Uint8Array(4 * mebibyte));
      const more = { keyslots: [owner, second] };
      if (version === 1) await formatLuks1(disk, more);
      else {
        await formatLuks2(disk, { ...more, dataOffset: 2 * mebibyte, label: "of the attacker" });
        await changeMetadata(disk, (metadata) => {
          metadata.config.flags = ["allow-discards", "of-tomorrow"];
          metadata.tokens[0] = { type: "x", keyslots: [] };
          // As after a re-encryption by cryptsetup.
          metadata.digests = { 1: metadata.digests[0] };
        });
      }
      const { header, volumeKey } = await unlock(disk, owner.passphrase);
      const { bytes, passphrase: once } = await privateHeader(header, volumeKey);
      const copy = new MemoryDevice(bytes);
      const found = await checkHeader(copy);
      assert.deepEqual(found.segment, header.segment);
      assert.equal(found.uuid, header.uuid);
      assert.deepEqual(
        [found.label, found.flags, found.tokens, found.waysIn, found.digests.length],
        ["", version === 1 ? [] : ["allow-discards"], [], [0], 1],
      );
      assert.equal(found.digest.number, version === 1 ? 0 : 1);
      assert.notEqual(found.digest.salt, header.digest.salt);
      // Neither the disk's passphrase opens it, nor what opens it the disk.
      await assert.rejects(unlock(copy, owner.passphrase), luksError("wrong_passphrase"));
      await assert.rejects(unlock(disk, once), luksError("wrong_passphrase"));
      const opened = await unlock(copy, once);
      assert.deepEqual(opened.volumeKey.use(String), volumeKey.use(String));
      // With a detached header the data is on another device.
      await assert.rejects(
        withOpenDisk(copy, once, async () => undefined),
        luksError("too_small"),
      );
    });
  }

  it("is not made for another volume key", async () => {
    const { header } = await unlock(await hostileDisk(() => undefined), owner.passphrase);
    await assert.rejects(
      privateHeader(header, new VolumeKey(new Uint8Array(32))),
      luksError("invalid_argument"),
    );
  });
});

describe("a LUKS1 header", () => {
  const refused: [string, LuksError["code"], (disk: MemoryDevice) => void][] = [
    [
      "leaves what the tenant writes in clear",
      "untrusted_header",
      (disk) => {
        text(8, "cipher_null")(disk);
        text(40, "ecb")(disk);
      },
    ],
    ["shows another disk through its mode", "unsupported", text(40, "xts-plain64 0 8:0 0")],
    ["has an unknown cipher", "unsupported", text(8, "rot13")],
    ["has a UUID that is not one", "untrusted_header", text(168, "' or '")],
    [
      "has a key too short for its cipher",
      "untrusted_header",
      (disk) => Buffer.from(disk.bytes.buffer).writeUInt32BE(16, 108),
    ],
  ];
  for (const [what, code, change] of refused) {
    it(`is refused if it ${what}`, async () => {
      const disk = new MemoryDevice(new Uint8Array(4 * mebibyte));
      await formatLuks1(disk, { keyslots: [owner] });
      change(disk);
      await refusesToUse(disk, code);
    });
  }
});

describe("the layout of a disk", () => {
  it("stays the same when slots, tokens, label and flags change", async () => {
    const disk = await hostileDisk(() => undefined);
    const before = await layout(disk);
    await addKeyslot(disk, owner.passphrase, second);
    await changeMetadata(
      disk,
      (metadata) => {
        metadata.config.flags = ["allow-discards"];
        metadata.tokens[0] = { type: "x", keyslots: [] };
      },
      { label: "other" },
    );
    assert.deepEqual(await layout(disk), before);
    assert.equal(before.size, mebibyte);
  });

  const changes: [string, keyof Layout, Change][] = [
    ["cipher", "cipher", ({ segments }) => (segments[0].encryption = "aes-xts-plain")],
    ["sector size", "sectorSize", ({ segments }) => (segments[0].sector_size = 4096)],
    ["data offset", "dataOffset", ({ segments }) => (segments[0].offset = "1052672")],
    ["size", "size", ({ segments }) => (segments[0].size = "4096")],
    ["IV tweak", "digest", ({ segments }) => (segments[0].iv_tweak = "8")],
    [
      "volume key",
      "digest",
      ({ digests }) => (digests[0].salt = Buffer.alloc(32).toString("base64")),
    ],
  ];
  for (const [what, field, change] of changes) {
    it(`tells another ${what}`, async () => {
      const disk = await hostileDisk(() => undefined);
      const before = await layout(disk);
      await changeMetadata(disk, change);
      const after = await layout(disk);
      assert.notEqual(after[field], before[field]);
      assert.notEqual(after.digest, before.digest);
    });
  }

  it("tells a device that grew or shrank by its size alone", async () => {
    const disk = await hostileDisk(() => undefined);
    const before = await layout(disk);
    assert.deepEqual(await layout(disk, 3 * mebibyte), { ...before, size: 2 * mebibyte });
    await assert.rejects(layout(disk, mebibyte / 2), luksError("too_small"));
    // A header whose data begins where the device ends: not one sector is left.
    await assert.rejects(layout(disk, mebibyte), luksError("too_small"));
  });

  it("is there for LUKS1", async () => {
    const disk = new MemoryDevice(new Uint8Array(4 * mebibyte));
    await formatLuks1(disk, { keyslots: [owner] });
    const { format, cipher, volumeKeyBitLength, sectorSize, dataOffset, size } = await layout(disk);
    assert.deepEqual(
      { format, cipher, volumeKeyBitLength, sectorSize, dataOffset, size },
      {
        format: "luks1",
        cipher: "aes-xts-plain64",
        volumeKeyBitLength: 512,
        sectorSize: 512,
        dataOffset: 2 * mebibyte,
        size: 2 * mebibyte,
      },
    );
  });
});

/** A second slot, with a volume key and a digest of its own, as `cryptsetup luksAddKey --unbound` makes it. */
async function addSlot(
  disk: MemoryDevice,
  segments: readonly string[],
  change: Change,
): Promise<void> {
  const volumeKey = Buffer.alloc(64, "attacker");
  const area = (await loadLuks2("test", disk)).metadata.keyslots["0"]?.area;
  const offset = Number(area?.offset) + Number(area?.size);
  const sealed = await sealKeyslot(volumeKey, second.passphrase, minimalKdf, offset);
  disk.bytes.set(sealed.material, offset);
  const digest = await makeDigest(volumeKey, ["1"], segments);
  await changeMetadata(disk, (metadata) => {
    metadata.keyslots[1] = sealed.keyslot;
    metadata.digests[1] = digest;
    change(metadata);
  });
}
