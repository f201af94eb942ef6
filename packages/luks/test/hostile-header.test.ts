import assert from "node:assert/strict";
import { before, describe, it } from "node:test";
import { formatLuks1 } from "../src/luks1/format.ts";
import { hasValidChecksum, parseBinaryHeader } from "../src/luks2/binary-header.ts";
import { formatLuks2 } from "../src/luks2/format.ts";
import { fieldNames, type HonestDisk, hostileHeader } from "./hostile/hostile-header.ts";
import { jsonBytes, RawText, Twice } from "./hostile/json-text.ts";
import { luks1Fields } from "./hostile/luks1.ts";
import { luks2Fields } from "./hostile/luks2-fields.ts";
import { MemoryDevice } from "./memory-device.ts";
import { mebibyte, passphrase } from "./scratch.ts";

const keyslots = [{ passphrase: passphrase("key of sixteen bytes"), entropyBits: 128 }];
const aim = {
  self: "98:0",
  victim: "98:64",
  victimPath: "/dev/ubde",
  diskBytes: 4 * mebibyte,
  foreignKey: "0f0e0d0c-0b0a-4908-8706-050403020100",
  foreignUuid: "1f0e0d0c-0b0a-4908-8706-050403020100",
};

describe("the generator of hostile headers", () => {
  let disks: readonly HonestDisk[];
  before(async () => {
    const two = new MemoryDevice(new Uint8Array(4 * mebibyte));
    await formatLuks2(two, { keyslots, dataOffset: mebibyte });
    const one = new MemoryDevice(new Uint8Array(4 * mebibyte));
    await formatLuks1(one, { keyslots, dataOffset: 2 * mebibyte });
    disks = [
      { version: 2, head: two.bytes.subarray(0, mebibyte), aim: { ...aim, dataOffset: mebibyte } },
      {
        version: 1,
        head: one.bytes.subarray(0, 2 * mebibyte),
        aim: { ...aim, dataOffset: 2 * mebibyte },
      },
    ];
  });

  it("makes every value of every field once, before any comes again", () => {
    const fields = [...luks2Fields, ...luks1Fields];
    const rounds = Math.max(...fields.map(({ values }) => values.length));
    const wanted = fields.flatMap(({ name, values }) =>
      values.map((value) => `${name}: ${value.name}`),
    );
    assert.equal(new Set(wanted).size, wanted.length, "two values of a field have one name");
    const made = new Set<string>();
    for (let index = 0; index < rounds * fieldNames.length; index++) {
      const { changes } = hostileHeader(disks, 1, index);
      if (changes.length === 1) made.add(`${changes[0]?.field}: ${changes[0]?.value}`);
    }
    assert.deepEqual(
      wanted.filter((one) => !made.has(one)),
      [],
    );
  });

  it("gives every LUKS2 copy a valid checksum, and the same header for the same number", () => {
    let checked = 0;
    for (let index = 0; index < 4000; index++) {
      const header = hostileHeader(disks, 7, index);
      assert.deepEqual(hostileHeader(disks, 7, index), header);
      if (header.disk !== 0) continue;
      for (const { offset, bytes } of header.writes) {
        const binary = bytes.length === 0x4000 ? parseBinaryHeader(bytes, offset) : undefined;
        // What no longer looks like a header of that place has no checksum that could be looked at.
        if (binary === undefined) continue;
        assert.ok(hasValidChecksum(bytes, binary), `index ${index}`);
        checked++;
      }
    }
    assert.ok(checked > 4000, `only ${checked} copies`);
  });

  it("goes round all fields in steps of 25, as short runs do", () => {
    const names = Array.from(
      fieldNames,
      (_, step) => hostileHeader(disks, 1, step * 25).changes[0]?.field,
    );
    assert.equal(new Set(names).size, fieldNames.length);
  });

  it("makes other headers for another seed, once every value was made", () => {
    const late = 300 * fieldNames.length;
    const of = (seed: number) =>
      Array.from({ length: 50 }, (_, index) => hostileHeader(disks, seed, late + index).changes);
    assert.notDeepEqual(of(1), of(2));
  });

  it("can say in JSON what JSON.stringify cannot", () => {
    const text = jsonBytes({ a: new Twice(1, new RawText("1e400")), b: [new RawText('"\uf8ff"')] });
    assert.equal(text.toString("latin1"), '{"a":1,"a":1e400,"b":["\xff\xff\xff"]}');
  });
});
