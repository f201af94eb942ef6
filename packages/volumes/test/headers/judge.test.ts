import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { KeyManagerError } from "@chatelaine/keys";
import { LuksError } from "@chatelaine/luks";
import { chooseSample } from "./choose-sample.ts";
import { judgeError, judgeMessage } from "./judge-error.ts";
import { type Expectation, judgeMapped, type Observation } from "./judge-mapped.ts";
import { judgeVerified } from "./judge-verified.ts";
import { parseCryptLine, tableOf } from "./kernel-table.ts";
import type { Meaning } from "./meaning.ts";
import { Tally } from "./tally.ts";
import type { Verdict } from "./verdict.ts";

const id = "0f0e0d0c-0b0a-4908-8706-050403020100";
const name = `chatelaine-${id}`;
const key = "ab".repeat(64);
const honest: Meaning = {
  id,
  version: 2,
  cipher: "aes-xts-plain64",
  keyBytes: 64,
  sectorSize: 512,
  offset: 1 << 20,
  bytes: 3 << 20,
  ivTweak: 0,
};
const expected: Expectation = {
  setting: "row",
  honest,
  device: "98:0",
  diskBytes: 4 << 20,
  volumeKey: key,
};
const mapping = {
  name,
  uuid: `CRYPT-LUKS2-${id.replaceAll("-", "")}-${name}`,
  dependencies: ["98:0"],
  lines: [`0 6144 crypt aes-xts-plain64 ${key} 0 98:0 2048`],
};
const seen: Observation = {
  opened: name,
  mappings: [mapping],
  victimChanged: false,
  written: { isInTheClear: false, isEncryptedWithTheKey: true },
};
const stranger = { ...expected, setting: "stranger" } as const;
const withLine = (line: string): Observation => ({
  ...seen,
  mappings: [{ ...mapping, lines: [line] }],
});

function whatOf(verdict: Verdict): string {
  return verdict.outcome === "violation" ? verdict.what : verdict.outcome;
}

const sound = (meaning: Meaning) => [{ sound: true, meaning } as const];

const header = (index: number, field: string) =>
  ({ index, changes: [{ field, value: "x" }], copies: "both" }) as const;

describe("the judge of what the kernel maps", () => {
  it("takes the mapping as it was, and a refusal, for what is allowed", () => {
    assert.deepEqual(judgeMapped(seen, expected), { outcome: "same mapping" });
    assert.deepEqual(judgeMapped(seen, stranger), { outcome: "own disk" });
    const { written: _, ...nothing } = { ...seen, opened: undefined, mappings: [] };
    assert.deepEqual(judgeMapped(nothing, expected), { outcome: "refused" });
  });

  it("takes a key in the kernel's keyring, and flags that change no byte", () => {
    const line =
      "0 6144 crypt aes-xts-plain64 :64:logon:cryptsetup:x-d0 0 98:0 2048 1 allow_discards";
    assert.deepEqual(judgeMapped(withLine(line), expected), { outcome: "same mapping" });
  });

  const forbidden: readonly (readonly [string, Observation, string])[] = [
    [
      "another device",
      withLine(mapping.lines[0]?.replace("98:0", "98:64") ?? ""),
      "maps another disk",
    ],
    [
      "another device beneath, whatever the table says",
      { ...seen, mappings: [{ ...mapping, dependencies: ["98:64"] }] },
      "maps another disk",
    ],
    [
      "two devices beneath",
      { ...seen, mappings: [{ ...mapping, dependencies: ["98:0", "98:64"] }] },
      "maps another disk",
    ],
    [
      "a second target",
      { ...seen, mappings: [{ ...mapping, lines: [...mapping.lines, "6144 8 linear 98:64 0"] }] },
      "makes a table of several targets",
    ],
    ["another target", withLine("0 6144 linear 98:0 2048"), "makes a table that is not dm-crypt's"],
    [
      "no encryption",
      withLine("0 6144 crypt cipher_null-ecb - 0 98:0 2048"),
      "makes a table that is not dm-crypt's",
    ],
    [
      "no encryption with a key",
      withLine(`0 6144 crypt cipher_null-ecb ${key} 0 98:0 2048`),
      "maps with cipher cipher_null-ecb",
    ],
    [
      "another key",
      withLine(`0 6144 crypt aes-xts-plain64 ${"cd".repeat(64)} 0 98:0 2048`),
      "maps with another key",
    ],
    [
      "the end of the disk and more",
      withLine(`0 6145 crypt aes-xts-plain64 ${key} 0 98:0 2048`),
      "maps past the disk's end",
    ],
    ["the header", withLine(`0 6144 crypt aes-xts-plain64 ${key} 0 98:0 0`), "maps the header"],
    [
      "an option of a table",
      withLine(`0 6144 crypt aes-xts-plain64 ${key} 0 98:0 2048 1 integrity:28:aead`),
      "maps with option integrity:28:aead",
    ],
    [
      "a second mapping",
      { ...seen, mappings: [mapping, { ...mapping, name: "stray" }] },
      "makes more than one mapping",
    ],
    [
      "a mapping of a name from the header",
      { ...seen, opened: "x", mappings: [{ ...mapping, name: "x" }] },
      "makes a mapping of a strange UUID",
    ],
    ["no mapping", { ...seen, mappings: [] }, "opens, and there is no mapping"],
    ["a mapping after a refusal", { ...seen, opened: undefined }, "refuses, and leaves a mapping"],
    ["another disk's bytes", { ...seen, victimChanged: true }, "changes another disk"],
    [
      "plaintext on the medium",
      { ...seen, written: { isInTheClear: true, isEncryptedWithTheKey: true } },
      "writes plaintext on the medium",
    ],
    [
      "the key of somebody else",
      { ...seen, written: { isInTheClear: false, isEncryptedWithTheKey: false } },
      "encrypts with another key, or elsewhere",
    ],
  ];
  for (const [what, observation, problem] of forbidden) {
    it(`calls ${what} a violation, with a row and without`, () => {
      assert.equal(whatOf(judgeMapped(observation, expected)), problem);
      assert.equal(whatOf(judgeMapped(observation, stranger)), problem);
    });
  }

  const changed: readonly (readonly [keyof Meaning, string])[] = [
    ["cipher", `0 6144 crypt aes-xts-plain ${key} 0 98:0 2048`],
    ["offset", `0 6136 crypt aes-xts-plain64 ${key} 0 98:0 2056`],
    ["bytes", `0 6136 crypt aes-xts-plain64 ${key} 0 98:0 2048`],
    ["ivTweak", `0 6144 crypt aes-xts-plain64 ${key} 8 98:0 2048`],
    ["sectorSize", `0 6144 crypt aes-xts-plain64 ${key} 0 98:0 2048 1 sector_size:4096`],
    ["keyBytes", "0 6144 crypt aes-xts-plain64 :32:logon:x 0 98:0 2048"],
  ];
  for (const [field, line] of changed) {
    it(`calls another ${field} a violation with a row, and a stranger's own without`, () => {
      const { outcome } = judgeMapped(withLine(line), stranger);
      assert.equal(outcome, "own disk");
      const verdict = judgeMapped(withLine(line), expected);
      assert.equal(whatOf(verdict), `maps with another ${field} than before`);
    });
  }
});

describe("the reader of the kernel's tables", () => {
  it("finds a mapping's own lines", () => {
    assert.deepEqual(tableOf("a", "a: 0 8 zero \nab: 0 8 error \na: 8 8 zero \n"), [
      "0 8 zero ",
      "8 8 zero ",
    ]);
  });
  it("reads dm-crypt's line, and nothing that looks nearly like it", () => {
    assert.deepEqual(parseCryptLine("0 8 crypt aes-cbc-plain :32:user:a:b 1 253:0 2 2 x y:1"), {
      start: 0,
      length: 8,
      cipher: "aes-cbc-plain",
      key: ":32:user:a:b",
      ivOffset: 1,
      device: "253:0",
      offset: 2,
      options: ["x", "y:1"],
    });
    for (const line of [
      "0 8 crypt aes-cbc-plain ab 1 253:0 2 1 x y",
      "0 8 crypt aes-cbc-plain ab 1 /dev/sda 2",
      "0 8 crypt aes cbc ab 1 253:0 2",
      "0 8 linear 253:0 2",
      "",
    ]) {
      assert.equal(parseCryptLine(line), undefined, line);
    }
  });
});

describe("the judge of what the library accepts", () => {
  const told = {
    id,
    cipher: "aes-xts-plain64",
    volumeKeyBitLength: 512,
    sectorSize: 512,
    dataOffset: 1 << 20,
    bytes: 3 << 20,
    ivTweak: 0,
  };

  it("takes a header that means what it meant, and any sound one of a stranger", () => {
    assert.deepEqual(judgeVerified("row", honest, sound(honest), told), {
      outcome: "same mapping",
    });
    const smaller = sound({ ...honest, bytes: 4096 });
    const { outcome } = judgeVerified("named", honest, smaller, { ...told, bytes: 4096 });
    assert.equal(outcome, "own disk");
  });
  it("takes the copy that the library took, of two that are sound", () => {
    const copies = [...sound({ ...honest, bytes: 4096 }), ...sound(honest)];
    assert.deepEqual(judgeVerified("row", honest, copies, told), { outcome: "same mapping" });
    const { outcome } = judgeVerified("row", honest, copies, { ...told, bytes: 4096 });
    assert.equal(outcome, "violation");
  });
  it("calls a header that is not sound, that means something else, or that is told otherwise a violation", () => {
    const unsound = [{ sound: false, problem: "a cipher is null" } as const];
    const smaller = sound({ ...honest, bytes: 4096 });
    const otherTold = { ...told, dataOffset: 4096 };
    assert.deepEqual(
      [
        judgeVerified("stranger", honest, unsound, told),
        judgeVerified("stranger", honest, [], told),
        judgeVerified("row", honest, smaller, { ...told, bytes: 4096 }),
        judgeVerified("stranger", honest, sound(honest), otherTold),
      ].map(whatOf),
      [
        "accepts although a cipher is null",
        "accepts although no copy is intact",
        "accepts another bytes than before",
        "tells another volume than the header says",
      ],
    );
  });
});

describe("the judge of errors", () => {
  it("takes typed errors in one line, and nothing else", () => {
    assert.equal(judgeError(new LuksError("not_luks", "read x: no header")).outcome, "refused");
    assert.equal(judgeError(new KeyManagerError("not_found", "get x")).outcome, "refused");
    assert.equal(whatOf(judgeError(new TypeError("x"))), "fails with TypeError");
    assert.equal(whatOf(judgeError("x")), "fails with string");
    for (const text of ["a\nb", "\u001b[2J", "a\u202eb", "\u0000", "\u2028"]) {
      assert.equal(whatOf(judgeMessage(`cipher ${text}`)), "its error has control characters");
    }
    assert.equal(whatOf(judgeMessage("x".repeat(2000))), "its error has no bound");
  });
});

describe("what is counted and chosen", () => {
  it("has each call under its header's first field, and each violation", () => {
    const tally = new Tally();
    const refused = { by: "verify", setting: "row", verdict: { outcome: "refused" } } as const;
    const bad = { ...refused, verdict: { outcome: "violation", what: "w" } } as const;
    tally.add("checked", header(0, "a"), [refused, refused]);
    tally.add("checked", header(1, "b"), [bad]);
    tally.add("opened", header(1, "b"), [refused]);
    const [a, b, all] = tally.rows();
    assert.deepEqual([a?.headers, a?.checked.refused, b?.checked.violation], [1, 2, 1]);
    assert.deepEqual([all?.headers, all?.checked.refused, all?.opened.refused], [2, 2, 1]);
    assert.deepEqual(
      tally.violations.map(({ index, what }) => [index, what]),
      [[1, "w"]],
    );
  });
  it("opens attacks, accepted headers and others, the same for the same seed", () => {
    const candidates = Array.from({ length: 300 }, (_, index) => ({
      index,
      isAttack: index % 10 === 0,
      isAccepted: index % 10 === 1,
    }));
    const chosen = chooseSample(candidates, 60, 1);
    assert.equal(new Set(chosen).size, 60);
    assert.ok(chosen.filter((index) => index % 10 === 0).length >= 20);
    assert.ok(chosen.filter((index) => index % 10 === 1).length >= 20);
    assert.deepEqual(chooseSample(candidates, 60, 1), chosen);
    assert.notDeepEqual(chooseSample(candidates, 60, 2), chosen);
    assert.equal(chooseSample(candidates.slice(0, 5), 60, 1).length, 5);
  });
});
