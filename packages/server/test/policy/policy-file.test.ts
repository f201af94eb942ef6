import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { holds } from "../../../../scripts/random-runs.ts";
import { isServerError } from "../../src/model/server-error.ts";
import { parsePolicyFile } from "../../src/policy/policy-file.ts";

describe("a policy file", () => {
  it("is a mapping of rule to expression, in YAML or JSON", () => {
    const expected = { "secret:get": "role:member and not role:audit", "quotas:get": "@" };
    assert.deepEqual(
      parsePolicyFile(
        '# ours\n"secret:get": "role:member and\n  not role:audit"\nquotas:get: "@"\n',
      ),
      expected,
    );
    assert.deepEqual(parsePolicyFile(JSON.stringify(expected)), expected);
  });

  it("overrides nothing when it holds nothing", () => {
    for (const text of ["", "\n", "# only a comment\n", "{}", "---\n"]) {
      assert.deepEqual(parsePolicyFile(text), {});
    }
  });

  const refusals: [string, string][] = [
    ["an unquoted !, which YAML reads as empty text", "secret:get: !\n"],
    ["an unquoted @", "secret:get: @\n"],
    ["a rule given twice", '"a": "@"\n"a": "!"\n'],
    ["an alias", 'a: &x "@"\nb: *x\n'],
    ["a tag", 'a: !!binary "QA=="\n'],
    ["an unknown tag", 'a: !python/object "x"\n'],
    ["a list", "- a\n"],
    ["plain text", "just text\n"],
    ["no value", "secret:get:\n"],
    ["a number", "secret:get: 1\n"],
    ["oslo.policy's old lists", 'secret:get: [["role:admin"]]\n'],
    ["two documents", 'a: "@"\n---\nb: "!"\n'],
    ["more than 256 KiB", `a: "${"x".repeat(300_000)}"\n`],
  ];
  for (const [what, text] of refusals) {
    it(`is refused for ${what}`, () => {
      assert.throws(() => parsePolicyFile(text), { code: "invalid_policy" });
    });
  }

  it("is read or refused as `invalid_policy`, whatever it holds", (t) => {
    holds(
      t,
      fc.property(fc.string({ unit: "grapheme", maxLength: 80 }), (text) => {
        try {
          assert.ok(Object.values(parsePolicyFile(text)).every((rule) => typeof rule === "string"));
        } catch (error) {
          assert.ok(isServerError(error, "invalid_policy"), String(error));
        }
      }),
    );
  });
});
