import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { BlockDevice } from "../src/device/device.ts";
import { LuksError } from "../src/errors.ts";
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
import { formatLuks1 } from "../src/luks1/format.ts";
import { formatLuks2 } from "../src/luks2/format.ts";
import { MemoryDevice, PowerCut } from "./memory-device.ts";
import { mebibyte, passphrase, scratchPath } from "./scratch.ts";

const [first, second, third] = ["first", "second", "third"].map((text) => ({
  passphrase: passphrase(`${text} key of sixteen bytes`),
  entropyBits: 128,
})) as [Slot, Slot, Slot];
interface Slot {
  readonly passphrase: Uint8Array;
  readonly entropyBits: number;
}
const size = 2 * mebibyte + 4096;

const luks2 = new MemoryDevice(new Uint8Array(size));
await formatLuks2(luks2, {
  keyslots: [first, second],
  dataOffset: 2 * mebibyte,
  tokens: [{ type: "x", keyslots: ["1"] }],
});
const luks1 = new MemoryDevice(new Uint8Array(2 * size));
await formatLuks1(luks1, { keyslots: [first, second], dataOffset: 3 * mebibyte });
const damaged = new MemoryDevice(Uint8Array.from(luks2.bytes));
damaged.bytes[0x4000 + 300] = 1;
const backup = scratchPath("backup");
await backupHeader(luks2, backup);
const afterChange = new MemoryDevice(Uint8Array.from(luks2.bytes));
await changePassphrase(afterChange, first.passphrase, third);

const luks1Backup = scratchPath("backup");
await backupHeader(luks1, luks1Backup);
const luks1Changed = new MemoryDevice(Uint8Array.from(luks1.bytes));
await changePassphrase(luks1Changed, first.passphrase, third);
await killKeyslot(luks1Changed, 1);
/** The one slot of both headers lies in the same place. */
const luks1Single = new MemoryDevice(new Uint8Array(2 * size));
await formatLuks1(luks1Single, { keyslots: [first], dataOffset: 3 * mebibyte });
const luks1SingleBackup = scratchPath("backup");
await backupHeader(luks1Single, luks1SingleBackup);
await changePassphrase(luks1Single, first.passphrase, second);
await changePassphrase(luks1Single, second.passphrase, third);
/** No slot is free in either, and each is another. */
const luks1Full = new MemoryDevice(Uint8Array.from(luks1.bytes));
for (let slot = 2; slot < 8; slot++) await addKeyslot(luks1Full, first.passphrase, second);
const luks1FullBackup = scratchPath("backup");
await backupHeader(luks1Full, luks1FullBackup);
for (let slot = 0; slot < 8; slot++) {
  await killKeyslot(luks1Full, slot);
  const authority = slot === 0 ? second : third;
  await addKeyslot(luks1Full, authority.passphrase, { ...third, slot });
}

type Change = (device: BlockDevice) => Promise<unknown>;
/** What is changed, from which disk, and the passphrases of which one must open it at each moment. */
const changes: [string, MemoryDevice, Change, readonly Slot[]][] = [
  ["adding a slot", luks2, (d) => addKeyslot(d, first.passphrase, third), [first]],
  ["changing a slot", luks2, (d) => changePassphrase(d, second.passphrase, third), [first]],
  ["changing it, seen by the new passphrase or the old", luks2, changeFirst, [first, third]],
  ["killing a slot", luks2, (d) => killKeyslot(d, 1), [first]],
  ["setting a priority", luks2, (d) => setKeyslotPriority(d, 1, "prefer"), [first]],
  ["adding a token", luks2, (d) => addToken(d, { type: "y", keyslots: [] }), [first]],
  ["removing a token", luks2, (d) => removeToken(d, 0), [first]],
  ["relabelling", luks2, (d) => relabel(d, { label: "x" }), [first]],
  ["adding a slot while the second copy is damaged", damaged, addThird, [first]],
  ["repairing", damaged, (d) => repairHeader(d), [first]],
  ["restoring a header", afterChange, (d) => restoreHeader(d, backup), [first, third]],
  [
    "restoring a LUKS1 header",
    luks1Changed,
    (d) => restoreHeader(d, luks1Backup),
    [first, second, third],
  ],
  [
    "restoring the only slot of LUKS1",
    luks1Single,
    (d) => restoreHeader(d, luks1SingleBackup),
    [first, third],
  ],
  [
    "restoring all slots of LUKS1",
    luks1Full,
    (d) => restoreHeader(d, luks1FullBackup),
    [second, third],
  ],
  ["adding a slot to LUKS1", luks1, addThird, [first]],
  ["changing a slot of LUKS1", luks1, changeFirst, [first, third]],
  ["killing a slot of LUKS1", luks1, (d) => killKeyslot(d, 1), [first]],
];

function changeFirst(device: BlockDevice): Promise<unknown> {
  return changePassphrase(device, first.passphrase, third);
}

function addThird(device: BlockDevice): Promise<unknown> {
  return addKeyslot(device, first.passphrase, third);
}

describe("a disk opens wherever the power is cut while", () => {
  for (const [what, disk, change, keys] of changes) {
    it(what, async () => {
      const whole = new MemoryDevice(Uint8Array.from(disk.bytes));
      await change(whole);
      let start = 0;
      for (const length of whole.writes) {
        // Each boundary, and inside of each write: its first bytes, middle and last byte.
        for (const inside of [0, 1, 3, Math.floor(length / 2), length - 1]) {
          const device = new MemoryDevice(Uint8Array.from(disk.bytes), start + inside);
          await assert.rejects(change(device), PowerCut);
          await opensWithOneOf(device.bytes, keys, `${start + inside} bytes`);
        }
        start += length;
      }
      await opensWithOneOf(whole.bytes, keys, "all");
    });
  }
});

describe("a cut format leaves a disk that opens or is none", () => {
  const formats: [string, (device: BlockDevice) => Promise<unknown>][] = [
    ["LUKS2", (d) => formatLuks2(d, { keyslots: [first], dataOffset: 2 * mebibyte })],
    ["LUKS1", (d) => formatLuks1(d, { keyslots: [first], dataOffset: 3 * mebibyte })],
  ];
  for (const [version, format] of formats) {
    it(version, async () => {
      const whole = new MemoryDevice(new Uint8Array(2 * size));
      await format(whole);
      let start = 0;
      for (const length of whole.writes) {
        for (const inside of [0, 1, Math.floor(length / 2), length - 1]) {
          const device = new MemoryDevice(new Uint8Array(2 * size), start + inside);
          await assert.rejects(format(device), PowerCut);
          const survivor = new MemoryDevice(device.bytes);
          const opens = await testPassphrase(survivor, first.passphrase).catch((error: unknown) => {
            assert.ok(error instanceof LuksError, String(error));
            assert.ok(["not_luks", "corrupt_header"].includes(error.code), String(error));
            return 0;
          });
          assert.equal(opens, 0);
        }
        start += length;
      }
    });
  }
});

async function opensWithOneOf(
  bytes: Uint8Array,
  keys: readonly Slot[],
  when: string,
): Promise<void> {
  const device = new MemoryDevice(Uint8Array.from(bytes));
  await readLuks(device);
  const failures: unknown[] = [];
  for (const { passphrase: bytesOfKey } of keys) {
    try {
      await testPassphrase(device, bytesOfKey);
      return;
    } catch (error) {
      failures.push(error);
    }
  }
  throw new AggregateError(failures, `does not open after ${when}`);
}
