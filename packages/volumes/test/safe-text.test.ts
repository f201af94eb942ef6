import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { parseUuid, segmentCipher } from "@chatelaine/luks";
import {
  absolutePath,
  deviceNumber,
  lvmName,
  mappingName,
  optionValue,
  words,
  xmlText,
} from "../src/host/safe-text.ts";

const invalid = { code: "invalid_argument" };

describe("text that reaches the kernel, a program or XML", () => {
  for (const name of [
    "",
    "-f",
    "a b",
    "a;b",
    "a,b",
    "a/b",
    "..",
    "a\nb",
    "a\\x20",
    "ä",
    "a".repeat(128),
  ]) {
    it(`is no mapping's name if it is ${JSON.stringify(name).slice(0, 20)}`, () => {
      assert.throws(() => mappingName(name), invalid);
    });
  }

  for (const name of ["data", "chatelaine-0b4d", "web_1.crypt+x@y", "a".repeat(127)]) {
    it(`is a mapping's name if it is ${name.slice(0, 20)}`, () => {
      assert.equal(mappingName(name), name);
    });
  }

  for (const name of ["", "-n", ".hidden", "a b", "a/b", "$(id)", "a\nb"]) {
    it(`is no name for LVM if it is ${JSON.stringify(name)}`, () => {
      assert.throws(() => lvmName("name", name), invalid);
    });
  }

  it("is no option of a program if it is a path that begins with a hyphen", () => {
    assert.deepEqual(words`close ${absolutePath("/dev/-x")} --`, ["close", "/dev/-x", "--"]);
    assert.equal(absolutePath("--all"), `${process.cwd()}/--all`);
    assert.throws(() => absolutePath("/dev/a\0b"), invalid);
    assert.throws(() => words`close ${optionValue("x", "--all")}`, invalid);
    assert.throws(() => words`close ${optionValue("x", "")}`, invalid);
  });

  it("stays one argument, whatever blanks it has", () => {
    const path = absolutePath("/dev/disk/by label/a  b");
    assert.deepEqual(words`open --header=${path} ${path} ${3}b`, [
      "open",
      "--header=/dev/disk/by label/a  b",
      "/dev/disk/by label/a  b",
      "3b",
    ]);
    assert.deepEqual(
      words`  a
      b  `,
      ["a", "b"],
    );
    assert.throws(() => words`--size ${1.5}`, invalid);
    assert.throws(() => words`--size ${-1}`, invalid);
    assert.throws(() => words`--size ${Number.NaN}`, invalid);
  });

  it("does not end an element or attribute of XML", () => {
    assert.equal(xmlText("path", `/a'/><b x="&`), "/a&apos;/&gt;&lt;b x=&quot;&amp;");
    for (const text of ["a\u0000", "a\nb", "a\u007f", "\ud800", "\uffff"]) {
      assert.throws(() => xmlText("path", text), invalid);
    }
  });

  it("is a device's number as the kernel has it", () => {
    assert.equal(deviceNumber(0x0801), "8:1");
    assert.equal(deviceNumber(0x10fd34), "253:308");
  });

  it("is a UUID or a cipher only as the lists have it", () => {
    assert.equal(parseUuid("0B4D9A9E-0000-4000-8000-000000000000"), undefined);
    assert.equal(parseUuid("0b4d9a9e-0000-4000-8000-000000000000\n"), undefined);
    assert.equal(segmentCipher("cipher_null-ecb"), undefined);
    assert.equal(segmentCipher("constructor"), undefined);
    assert.equal(segmentCipher("aes-xts-plain64\n"), undefined);
  });
});
