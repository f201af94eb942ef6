import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { mergeJson } from "../src/luks2/merge-json.ts";

describe("a JSON text that is changed in one place", () => {
  const source =
    '{ "b" : 1.0,"a":{"2":9007199254740993 , "1":[1e2, {"x":-0}]},\n"s":"\\u0061}","b":2.0 }';
  const value = () => JSON.parse(source) as Record<string, unknown>;

  it("is the very same if nothing changes", () => {
    assert.equal(mergeJson(source, value()), source);
  });

  it("keeps the members around what changes, in their order and spelling", () => {
    const changed = { ...value(), s: "other" };
    assert.equal(
      mergeJson(source, changed),
      '{"b":1.0,"a":{"2":9007199254740993 , "1":[1e2, {"x":-0}]},"s":"other","b":2.0}',
    );
  });

  it("changes a member inside of a member", () => {
    const changed = { ...value(), a: { ...(value()["a"] as object), "3": true } };
    assert.equal(
      mergeJson(source, changed),
      '{"b":1.0,"a":{"2":9007199254740993,"1":[1e2, {"x":-0}],"3":true},"s":"\\u0061}","b":2.0}',
    );
  });

  it("of a member that is there twice changes the one that is read, and removes both", () => {
    assert.match(mergeJson(source, { ...value(), b: 3 }), /^\{"b":1\.0,.*"b":3\}$/s);
    const { b: _gone, ...rest } = value();
    assert.doesNotMatch(mergeJson(source, rest), /"b"/);
  });

  it("leaves out what is undefined, and takes new objects as they are spelled", () => {
    const fresh = {};
    const texts = new Map<unknown, string>([[fresh, '{"n":1.0}']]);
    assert.equal(
      mergeJson('{"a":1.0}', { a: 1, b: undefined, c: fresh }, texts),
      '{"a":1.0,"c":{"n":1.0}}',
    );
  });

  const json = fc.json({ maxDepth: 4 });
  const spaced = json.map((text) => JSON.stringify(JSON.parse(text), undefined, 1));

  it("says what it is to say, whatever it said before", () => {
    fc.assert(
      fc.property(fc.oneof(json, spaced), json, (before, after) => {
        const wanted: unknown = JSON.parse(after);
        assert.deepEqual(JSON.parse(mergeJson(before, wanted)), wanted);
      }),
    );
  });

  it("keeps every member that does not change, whatever it is", () => {
    const name = fc.string().filter((text) => text !== "new");
    fc.assert(
      fc.property(fc.dictionary(name, fc.oneof(json, spaced)), json, (members, added) => {
        const texts = Object.entries(members).map(
          ([key, text]) => `${JSON.stringify(key)}:${text}`,
        );
        const before = `{${texts.join(",")}}`;
        const after = mergeJson(before, {
          ...(JSON.parse(before) as object),
          new: JSON.parse(added),
        });
        for (const text of texts) assert.ok(after.includes(text));
      }),
    );
  });
});
