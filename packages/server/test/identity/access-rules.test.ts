import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { covers } from "../../src/identity/access-rules.ts";

function matches(pattern: string, path: string): boolean {
  return covers([{ service: "s", method: "GET", path: pattern }], "s", { method: "GET", path });
}

describe("access rules", () => {
  const cases: [string, string, boolean][] = [
    ["/v1/secrets", "/v1/secrets", true],
    ["/v1/secrets", "/v1/secrets/", false],
    ["/v1/secrets", "/v1/secret", false],
    ["/v1/secrets/*", "/v1/secrets/1", true],
    ["/v1/secrets/*", "/v1/secrets/", true],
    ["/v1/secrets/*", "/v1/secrets/1/acl", false],
    ["/v1/*/1", "/v1/orders/1", true],
    ["/v1/sec*", "/v1/secrets", true],
    ["/v1/**", "/v1/secrets/1/acl", true],
    ["/v1/**/acl", "/v1/secrets/1/acl", true],
    ["/v1/**/acl", "/v1/secrets/1/acls", false],
    ["/v1/secrets/{id}", "/v1/secrets/1", true],
    ["/v1/secrets/{id}", "/v1/secrets/", false],
    ["/v1/secrets/{id}", "/v1/secrets/1/2", false],
    ["/v1/secrets/{id}/acl", "/v1/secrets/1/acl", true],
    ["/v1/secrets/{id", "/v1/secrets/1", false],
    ["**", "", true],
    ["", "", true],
    ["", "/", false],
    [".*", "abc", false],
    ["/(a+)+$", "/aaaaaaaaaaaaaaaaaaaaaaaa!", false],
  ];
  for (const [pattern, path, expected] of cases) {
    it(`${expected ? "cover" : "do not cover"} ${path} by ${pattern}`, () => {
      assert.equal(matches(pattern, path), expected);
    });
  }

  it("compare service and method too, and cover nothing when there are none", () => {
    const rules = [{ service: "key-manager", method: "get", path: "/**" }];
    assert.equal(covers(rules, "key-manager", { method: "GET", path: "/x" }), true);
    assert.equal(covers(rules, "identity", { method: "GET", path: "/x" }), false);
    assert.equal(covers(rules, "key-manager", { method: "PUT", path: "/x" }), false);
    assert.equal(covers([], "key-manager", { method: "GET", path: "/x" }), false);
  });

  it("decide as the equivalent regular expression does", () => {
    const part = fc.constantFrom("a", "b", "/", "*", "**", "{x}");
    const path = fc.array(fc.constantFrom("a", "b", "/"), { maxLength: 8 }).map((l) => l.join(""));
    fc.assert(
      fc.property(fc.array(part, { maxLength: 6 }), path, (parts, asked) => {
        const pattern = parts.join("");
        const expression = pattern
          .replaceAll("**", "\u0001")
          .replaceAll("*", "[^/]*")
          .replaceAll("{x}", "[^/]+")
          .replaceAll("\u0001", ".*");
        assert.equal(matches(pattern, asked), new RegExp(`^${expression}$`).test(asked), pattern);
      }),
      { numRuns: 2000 },
    );
  });

  it("take no time over a pattern made to take long", () => {
    assert.equal(matches("**a".repeat(200), "a".repeat(150)), false);
  });
});
