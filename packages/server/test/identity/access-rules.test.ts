import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { holds } from "../../../../scripts/random-runs.ts";
import { accessRuleLimits, covers } from "../../src/identity/access-rules.ts";
import { PathPattern } from "../../src/identity/path-pattern.ts";
import { maxPathLength, maxSegments } from "../../src/model/request-target.ts";
import { targetFor } from "../support/target.ts";

function matches(pattern: string, path: string): boolean {
  const asked = { method: "GET", target: targetFor(path) };
  return covers([{ service: "s", method: "GET", path: pattern }], "s", asked);
}

describe("access rules", () => {
  const cases: [string, string, boolean][] = [
    ["/v1/secrets", "/v1/secrets", true],
    ["/v1/secrets", "/v1/secrets/", true],
    ["/v1/secrets/", "/v1/secrets", true],
    ["//v1//secrets", "/v1/secrets", true],
    ["/v1/secrets", "/v1/secret", false],
    ["/v1/secrets/*", "/v1/secrets/1", true],
    ["/v1/secrets/*", "/v1/secrets/", false],
    ["/v1/secrets/**", "/v1/secrets/", false],
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
    ["**", "/v1/secrets/1", true],
    ["**", "/", true],
    ["**/acl", "/v1/secrets/1/acl", true],
    ["", "/", false],
    ["v1/secrets", "/v1/secrets", false],
    [".*", "/abc", false],
    ["/(a+)+$", "/aaaaaaaaaaaaaaaaaaaaaaaa!", false],
    ["/v1/sec**", "/v1/secrets/1/acl", true],
    ["/v1/**acl", "/v1/secrets/1/acl", true],
    ["/v1/a*b*c", "/v1/aXXbYYc", true],
    ["/v1/a*b*c", "/v1/aXXcYYb", false],
    ["/v1/a{x}c", "/v1/ac", false],
    ["/v1/aa*aa", "/v1/aaa", false],
    // Narrower than it once was: within text, ** stays in its segment.
    ["/v1/s**l", "/v1/s/1/acl", false],
    ["/v1/s**l", "/v1/sacl", true],
  ];
  for (const [pattern, path, expected] of cases) {
    it(`${expected ? "cover" : "do not cover"} ${path} by ${pattern}`, () => {
      assert.equal(matches(pattern, path), expected);
    });
  }

  it("compare service and method too, and cover nothing when there are none", () => {
    const rules = [{ service: "key-manager", method: "get", path: "/**" }];
    const target = targetFor("/x");
    assert.equal(covers(rules, "key-manager", { method: "GET", target }), true);
    assert.equal(covers(rules, "identity", { method: "GET", target }), false);
    assert.equal(covers(rules, "key-manager", { method: "PUT", target }), false);
    assert.equal(covers([], "key-manager", { method: "GET", target }), false);
  });

  it("decide as the equivalent regular expression does", (t) => {
    const part = fc.constantFrom("a", "b", "/", "*", "**", "{x}");
    const name = fc.array(fc.constantFrom("a", "b"), { minLength: 1, maxLength: 3 });
    const path = fc.array(
      name.map((l) => l.join("")),
      { minLength: 1, maxLength: 5 },
    );
    holds(
      t,
      fc.property(fc.array(part, { maxLength: 8 }), path, (parts, asked) => {
        // A pattern is read in the canonical form of paths, too.
        const pattern = `/${parts.join("")}`.replaceAll(/\/+/g, "/").replace(/(?<=.)\/$/, "");
        fc.pre(PathPattern.mistakeIn(pattern) === undefined && pattern !== "/");
        const expression = pattern
          .replaceAll(/\*{2,}/g, "\u0001")
          .replaceAll("*", "[^/]*")
          .replaceAll("{x}", "[^/]+")
          .replaceAll("\u0001", ".*")
          // A segment is never empty.
          .replaceAll(/(?<=\/)\.\*(?=\/|$)/g, "[^/].*");
        const text = `/${asked.join("/")}`;
        assert.equal(matches(pattern, text), new RegExp(`^${expression}$`).test(text), pattern);
      }),
      { numRuns: 5000 },
    );
  });
});

/** Steps that a pattern and a path may cost: see PathPattern. */
function bound(pattern: string, path: string): number {
  return (maxSegments + 1) * (pattern.length + 2 * path.length + 2);
}

function stepsOf(pattern: string, path: string): number {
  const work = { steps: 0 };
  new PathPattern(pattern).covers(targetFor(path), work);
  return work.steps;
}

describe("the work of matching", () => {
  it("does not grow faster than path and pattern, whatever they are", (t) => {
    const letters = fc.constantFrom("a", "a", "a", "b", "/", "*", "**", "{x}");
    const pattern = fc.array(letters, { maxLength: 120 }).map((l) => `/${l.join("")}`);
    const path = fc
      .array(fc.constantFrom("a", "a", "a", "b", "/"), { maxLength: 300 })
      .map((l) => `/${l.join("").split("/").slice(0, maxSegments).join("/")}`);
    holds(
      t,
      fc.property(pattern, path, (one, other) => {
        assert.ok(stepsOf(one, other) <= bound(one, other), `${one} ${other}`);
      }),
      { numRuns: 3000 },
    );
  });

  it("does not stop the server for a second with a hundred rules that begin alike", () => {
    const long = "a".repeat(maxPathLength - 60);
    const paths = [`/${long}b`, `/${`${"a".repeat(60)}/`.repeat(30)}b`, `/${"a/".repeat(30)}b`];
    const { pathLength } = accessRuleLimits;
    const evil = ["**a", "*a", "*ab", "/**", "/*a*", "{x}a", `*${"a".repeat(100)}`, "/**/a"];
    for (const path of paths)
      for (const part of evil) {
        const rule = `/${part.repeat(200)}`.slice(0, pathLength);
        const work = { steps: 0 };
        const rules = Array.from({ length: 100 }, () => ({
          service: "s",
          method: "GET",
          path: rule,
        }));
        covers(rules, "s", { method: "GET", target: targetFor(path) }, work);
        // 2da0dde took path × rule: 51 million for each of these.
        assert.ok(work.steps < 500_000, `${rule} ${path}: ${work.steps}`);
      }
  });

  it("does not read rules without end, as Keystone may send them", () => {
    const rules = Array.from({ length: 5_000 }, (_, index) => ({
      service: "s",
      method: "GET",
      path: index === 4_999 ? "/v1/x" : "/v1/y",
    }));
    const asked = { method: "GET", target: targetFor("/v1/x") };
    const work = { steps: 0 };
    assert.equal(covers(rules, "s", asked, work), false);
    assert.ok(work.steps < 20 * accessRuleLimits.rules);
    const long = { service: "s", method: "GET", path: `/v1/${"x".repeat(5_000)}*` };
    assert.equal(covers([long], "s", asked), false);
  });
});
