import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { finishReencryption, isReencryptionDone } from "../src/header/finish-reencryption.ts";
import { testPassphrase } from "../src/header/unlock.ts";
import { loadLuks2 } from "../src/luks2/load.ts";
import { type AnyMetadata, changeMetadata, hostileDisk, owner } from "./hostile-disk.ts";
import { MemoryDevice, PowerCut } from "./memory-device.ts";
import { luksError, passphrase } from "./scratch.ts";

const oldArea = { offset: 290_816, size: 258_048 };
const stateArea = { offset: 548_864, size: 8192 };

/** Members that nobody knows, a token, and a slot that holds another key. */
function addForeign(metadata: AnyMetadata): void {
  const { keyslots, digests, segments, tokens, config } = metadata;
  metadata.unknown = { kept: [1, "two"] };
  segments["0"].unknown = "kept";
  config.flags = ["allow-discards"];
  const area = { ...keyslots["0"].area, offset: "557056" };
  keyslots["7"] = { ...keyslots["0"], area, priority: 0, unknown: true };
  digests["7"] = { ...digests["0"], keyslots: ["7"], segments: [] };
  tokens["4"] = { type: "foreign", keyslots: ["0"], unknown: null };
}

/** The last but one header of cryptsetup 2.6.1: slot 0 and digest 0 are those of the new key. */
function kill(metadata: AnyMetadata): void {
  const { keyslots, digests, segments, config } = metadata;
  segments["1"] = { ...segments["0"], flags: ["backup-previous"] };
  segments["2"] = { ...segments["0"], flags: ["backup-final"] };
  digests["0"] = { ...digests["0"], segments: ["0", "2"] };
  digests["1"] = { ...digests["0"], keyslots: [], segments: ["1"] };
  const area = { offset: String(stateArea.offset), size: String(stateArea.size), type: "checksum" };
  const mode = { mode: "reencrypt", direction: "forward", priority: 0 };
  keyslots["2"] = { area, type: "reencrypt", key_size: 1, ...mode };
  digests["2"] = { ...digests["0"], keyslots: ["2"], segments: [] };
  config.requirements = { mandatory: ["online-reencrypt-v2"] };
}

/** The one before: the old slot is still named, and may have been erased already. */
function killEarlier(metadata: AnyMetadata): void {
  kill(metadata);
  const { keyslots, digests, tokens } = metadata;
  const area = { ...keyslots["0"].area, offset: String(oldArea.offset) };
  keyslots["3"] = { ...keyslots["0"], area };
  digests["1"].keyslots = ["3"];
  if (tokens["4"] !== undefined) tokens["4"].keyslots = ["0", "3"];
}

async function textOf(disk: MemoryDevice): Promise<string> {
  return (await loadLuks2("test", disk)).text;
}

function bytesOf(disk: MemoryDevice, { offset, size }: typeof oldArea): Uint8Array {
  return disk.bytes.slice(offset, offset + size);
}

describe("a re-encryption that cryptsetup cannot finish", () => {
  for (const [when, killed] of [
    ["after it removed the old slots", kill],
    ["while it removed the old slots", killEarlier],
  ] as const) {
    it(`is finished where it was killed ${when}, and all else stays byte for byte`, async () => {
      const disk = await hostileDisk(addForeign);
      const wanted = await textOf(disk);
      await changeMetadata(disk, killed);
      for (const area of [oldArea, stateArea]) {
        disk.bytes.fill(0x5a, area.offset, area.offset + area.size);
      }
      const before = Uint8Array.from(disk.bytes);
      await assert.rejects(testPassphrase(disk, owner.passphrase), luksError("in_reencryption"));
      assert.equal(await isReencryptionDone(disk), true);
      assert.equal(await finishReencryption(disk, owner.passphrase), true);
      assert.equal(await textOf(disk), wanted);
      assert.equal(await testPassphrase(disk, owner.passphrase), 0);
      const gone = killed === killEarlier ? [oldArea, stateArea] : [stateArea];
      for (const area of gone) {
        const traces = bytesOf(disk, area).filter((byte) => byte === 0x5a);
        assert.ok(traces.length < area.size / 64, "the slot's area is erased");
      }
      const from = stateArea.offset + stateArea.size;
      assert.deepEqual(disk.bytes.subarray(from), before.subarray(from));
      assert.deepEqual(
        disk.bytes.subarray(32_768, oldArea.offset),
        before.subarray(32_768, oldArea.offset),
      );
      assert.equal(await isReencryptionDone(disk), false);
      assert.equal(await finishReencryption(disk, owner.passphrase), false);
    });

    it(`is finished, wherever its end is cut, where it was killed ${when}`, async () => {
      const killedDisk = await hostileDisk(killed);
      const whole = new MemoryDevice(Uint8Array.from(killedDisk.bytes));
      await finishReencryption(whole, owner.passphrase);
      const wanted = await textOf(whole);
      const total = whole.writes.reduce((sum, length) => sum + length, 0);
      for (let left = 0; left < total; left += 19_997) {
        const cut = new MemoryDevice(Uint8Array.from(killedDisk.bytes), left);
        await assert.rejects(finishReencryption(cut, owner.passphrase), PowerCut);
        const after = new MemoryDevice(cut.bytes);
        await finishReencryption(after, owner.passphrase);
        assert.equal(await textOf(after), wanted);
        assert.equal(await testPassphrase(after, owner.passphrase), 0);
      }
    });
  }

  const doubts: Record<string, (metadata: AnyMetadata) => void> = {
    "a part of it is being written": ({ segments }) => {
      segments["0"].flags = ["in-reencryption"];
    },
    "a part of it has the old key": ({ segments, digests }) => {
      segments["0"].size = "524288";
      segments["3"] = { ...segments["1"], offset: "1572864", iv_tweak: "1024" };
      delete segments["3"].flags;
      digests["1"].segments = ["1", "3"];
    },
    "it has the old key": ({ digests }) => {
      digests["0"].segments = ["2"];
      digests["1"].segments = ["0", "1"];
    },
    "two keys claim it": ({ digests }) => {
      digests["1"].segments = ["0", "1"];
    },
    "a further digest covers something": ({ digests }) => {
      digests["5"] = { ...digests["1"], segments: ["2"] };
    },
    "another cipher is to come": ({ segments }) => {
      segments["2"].encryption = "aes-cbc-essiv:sha256";
    },
    "it was elsewhere before": ({ segments }) => {
      segments["1"].offset = "1572864";
    },
    "it moves": ({ keyslots }) => {
      keyslots["2"].area.type = "datashift";
    },
    "it is being decrypted": ({ keyslots }) => {
      keyslots["2"].mode = "decrypt";
    },
    "a state is missing": ({ keyslots, digests }) => {
      delete keyslots["2"];
      delete digests["2"];
    },
    "there are two states": ({ keyslots }) => {
      const area = { ...keyslots["2"].area, offset: "1015808", size: "4096" };
      keyslots["9"] = { ...keyslots["2"], area };
    },
    "no digest is of the state": ({ digests }) => {
      delete digests["2"];
    },
    "another version of cryptsetup did it": ({ config }) => {
      config.requirements.mandatory = ["online-reencrypt-v3"];
    },
    "something else is required": ({ config }) => {
      config.requirements.mandatory.push("unheard-of");
    },
  };
  for (const [what, change] of Object.entries(doubts)) {
    it(`is left alone if the header says of the data that ${what}`, async () => {
      const disk = await hostileDisk(kill);
      await changeMetadata(disk, change);
      const before = Uint8Array.from(disk.bytes);
      assert.equal(await isReencryptionDone(disk), false);
      assert.equal(await finishReencryption(disk, owner.passphrase), false);
      assert.deepEqual(disk.bytes, before);
    });
  }

  it("is left alone if the passphrase does not open the data, or it would not be a disk to be trusted", async () => {
    const disk = await hostileDisk(kill);
    const before = Uint8Array.from(disk.bytes);
    const other = passphrase("another one");
    await assert.rejects(finishReencryption(disk, other), luksError("wrong_passphrase"));
    const refuse = new Error("refused by the caller");
    const options = { before: () => Promise.reject(refuse) };
    await assert.rejects(finishReencryption(disk, owner.passphrase, options), refuse);
    assert.deepEqual(disk.bytes, before);
    await changeMetadata(disk, ({ segments }) => {
      for (const segment of Object.values<AnyMetadata>(segments))
        segment.encryption = "cipher_null-ecb";
    });
    const hostile = Uint8Array.from(disk.bytes);
    await assert.rejects(finishReencryption(disk, owner.passphrase), luksError("untrusted_header"));
    assert.deepEqual(disk.bytes, hostile);
  });

  it("is not finished with a slot that is bound to the old key", async () => {
    const disk = await hostileDisk((metadata) => {
      killEarlier(metadata);
      metadata.digests["0"].keyslots = ["3"];
      metadata.digests["1"].keyslots = ["0"];
    });
    const before = Uint8Array.from(disk.bytes);
    await assert.rejects(finishReencryption(disk, owner.passphrase), luksError("wrong_passphrase"));
    assert.deepEqual(disk.bytes, before);
  });
});
