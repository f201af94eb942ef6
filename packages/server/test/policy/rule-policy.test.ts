import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, it } from "node:test";
import fc from "fast-check";
import { holds } from "../../../../scripts/random-runs.ts";
import type { Principal } from "../../src/model/principal.ts";
import { isServerError } from "../../src/model/server-error.ts";
import type { PolicyTarget } from "../../src/policy/policy.ts";
import { parsePolicyFile } from "../../src/policy/policy-file.ts";
import { type PolicyRule, policyRules } from "../../src/policy/rule-names.ts";
import { RulePolicy } from "../../src/policy/rule-policy.ts";
import {
  type Expectation,
  grants,
  legacyExpectation,
  legacyRoles,
  type Situation,
  secureExpectation,
  secureRoles,
  situations,
} from "./expectation.ts";

function caller(...roles: string[]): Principal {
  return { userId: "caller", projectId: "own", roles, requestId: "req-1" };
}

function target({ sameProject, madeByCaller, isPrivate, inReadAcl }: Situation): PolicyTarget {
  return {
    projectId: sameProject ? "own" : "other",
    creatorId: madeByCaller ? "caller" : "colleague",
    readAcl: inReadAcl,
    projectAccess: !isPrivate,
  };
}

/** What `expression` says of a member who made the object, which is private and lists its maker. */
function allows(expression: string, rule: PolicyRule = "secret:get"): boolean {
  return new RulePolicy({ overrides: { [rule]: expression } }).allows(
    rule,
    { ...caller("member"), domainId: "d1" },
    { projectId: "own", creatorId: "caller", readAcl: true, projectAccess: false },
  );
}

function walk(ruleSet: "legacy" | "secure", roles: string[], expectation: Expectation) {
  const policy = new RulePolicy({ ruleSet });
  let decided = 0;
  for (const rule of policyRules) {
    for (const role of roles) {
      const letters = expectation[rule][role] ?? expectation[rule]["any"] ?? "";
      for (const situation of situations) {
        assert.equal(
          policy.allows(rule, caller(role), target(situation)),
          grants(letters, situation),
          `${ruleSet} ${rule} as ${role} ${JSON.stringify(situation)}`,
        );
        decided += 1;
      }
    }
  }
  return decided;
}

describe("the rule sets", () => {
  it("grant what Barbican's legacy rules grant, rule by role by ownership", () => {
    assert.deepEqual(Object.keys(legacyExpectation).toSorted(), policyRules.toSorted());
    assert.equal(walk("legacy", legacyRoles, legacyExpectation), policyRules.length * 9 * 16);
  });

  it("grant what Barbican's secure rules grant, rule by role by ownership", () => {
    assert.deepEqual(Object.keys(secureExpectation).toSorted(), policyRules.toSorted());
    assert.equal(walk("secure", secureRoles, secureExpectation), policyRules.length * 10 * 16);
  });

  it("are secure by default", () => {
    assert.equal(new RulePolicy().allows("secrets:get", caller("observer"), {}), false);
    assert.equal(new RulePolicy().allows("secrets:get", caller("member"), {}), true);
  });

  it("give a bare admin everything that the roles it implies have", () => {
    const policy = new RulePolicy();
    for (const rule of policyRules) {
      for (const situation of situations) {
        const all = caller("admin", "manager", "member", "reader");
        assert.equal(
          policy.allows(rule, caller("admin"), target(situation)),
          policy.allows(rule, all, target(situation)),
          rule,
        );
      }
    }
  });

  it("compare roles in lower case, and no role by a part of its name", () => {
    const policy = new RulePolicy();
    assert.equal(policy.allows("secrets:post", caller("Member"), {}), true);
    for (const role of ["members", "ember", "member,admin", " member", "", "__proto__"]) {
      assert.equal(policy.allows("secrets:post", caller(role), {}), false, role);
    }
  });

  it("refuse when the store knows nothing of the object", () => {
    const policy = new RulePolicy();
    const nobody = { userId: "", projectId: "", roles: ["member"], requestId: "req-1" };
    assert.equal(policy.allows("secret:decrypt", caller("member"), {}), false);
    assert.equal(policy.allows("secret:decrypt", nobody, {}), false);
    assert.equal(policy.allows("order:get", nobody, {}), false);
  });

  it("treat an unset projectAccess as private", () => {
    const colleague = { projectId: "own", creatorId: "colleague" };
    assert.equal(new RulePolicy().allows("secret:get", caller("member"), colleague), false);
  });
});

describe("a forged policy target (CVE-2022-3100)", () => {
  const injected = {
    "target.secret.read": "read",
    "target.secret.project_id": "own",
    target: { secret: { read: "read", project_id: "own", creator_id: "caller" } },
    secret: { read: "read" },
    read: "read",
    project_id: "own",
    user_id: "caller",
    enforce_new_defaults: "False",
    roles: ["admin"],
  };

  for (const ruleSet of ["legacy", "secure"] as const) {
    it(`changes no decision of the ${ruleSet} set`, () => {
      const policy = new RulePolicy({ ruleSet });
      for (const rule of policyRules) {
        for (const role of [...legacyRoles, ...secureRoles]) {
          for (const situation of situations) {
            const honest = target(situation);
            const forged = { ...injected, ...honest };
            assert.equal(
              policy.allows(rule, caller(role), forged),
              policy.allows(rule, caller(role), honest),
              `${rule} as ${role}`,
            );
          }
        }
      }
    });
  }
});

describe("an operator's policy", () => {
  const foreign = target({
    sameProject: false,
    madeByCaller: false,
    isPrivate: false,
    inReadAcl: false,
  });

  it("replaces the rules that it names, and no other", () => {
    const policy = new RulePolicy({ overrides: { "secrets:post": "role:vault-writer" } });
    assert.equal(policy.allows("secrets:post", caller("member"), {}), false);
    assert.equal(policy.allows("secrets:post", caller("vault-writer"), {}), true);
    assert.equal(policy.allows("secrets:get", caller("member"), {}), true);
  });

  it("may define helper rules and redefine ours", () => {
    const policy = new RulePolicy({
      overrides: { boss: "role:boss", "quotas:get": "rule:boss", admin: "role:cloud-admin" },
    });
    assert.equal(policy.allows("quotas:get", caller("boss"), {}), true);
    assert.equal(policy.allows("quotas:get", caller("reader"), {}), false);
    assert.equal(policy.allows("project_quotas:get", caller("cloud-admin"), {}), true);
    assert.equal(policy.allows("project_quotas:get", caller("admin"), {}), false);
  });

  it("may use each form of check", () => {
    assert.equal(allows("@"), true);
    assert.equal(allows("!"), false);
    assert.equal(allows("not @"), false);
    assert.equal(allows("role:member and not role:auditor"), true);
    assert.equal(allows("! or @ and !"), false);
    assert.equal(allows("(! or @) and @"), true);
    assert.equal(allows("user_id:caller"), true);
    assert.equal(allows("user_id:%(user_id)s and project_id:%(project_id)s"), true);
    assert.equal(allows("'read':%(target.secret.read)s"), true);
    assert.equal(allows('"read":%(target.secret.read)s'), true);
    assert.equal(allows("False:%(target.secret.read_project_access)s"), true);
    assert.equal(allows("True:%(enforce_new_defaults)s AND role:member"), true);
    assert.equal(allows("domain_id:d1"), true);
    assert.equal(allows("domain_id:d2"), false);
    assert.equal(allows("rule:order_project_member", "order:get"), true);
  });

  const refusals: [string, Record<string, string>, RegExp][] = [
    [
      "a misspelled rule",
      { "secret:dcrypt": "@" },
      /unknown rule "secret:dcrypt"; did you mean "secret:decrypt"\?/,
    ],
    ["a helper that nothing uses", { my_helper: "@" }, /unknown rule "my_helper"/],
    ["helpers that use only each other", { a: "rule:b", b: "rule:a" }, /unknown rule "a"/],
    [
      "a reference to no rule",
      { "secret:get": "rule:secret_project_admn" },
      /rule "secret:get" refers to "secret_project_admn", which does not exist; did you mean "secret_project_admin"\?/,
    ],
    [
      "a rule that refers to itself",
      { "secret:get": "rule:secret:get" },
      /rule "secret:get" refers to itself: secret:get → secret:get/,
    ],
    [
      "a circle of helpers",
      { admin: "rule:boss", boss: "rule:admin" },
      /refers to itself: .*admin → boss → admin/,
    ],
    [
      "an unknown check",
      { "secret:get": "rol:admin" },
      /column 1: unknown check "rol"; did you mean "role"\?/,
    ],
    ["an HTTP check", { "secret:get": "http://example.com" }, /unknown check "http"/],
    [
      "an attribute of another kind of object",
      { "order:get": "'read':%(target.secret.read)s" },
      /looks at %\(target\.secret\.read\)s, which it does not have/,
    ],
    [
      "a helper's attribute of another kind",
      { "order:get": "rule:secret_owner" },
      /which "order:get" does not have/,
    ],
    [
      "an object's attribute where there is no object",
      { "secrets:post": "project_id:%(project_id)s" },
      /does not have/,
    ],
    ["a query parameter as attribute", { "secret:get": "'1':%(force)s" }, /looks at %\(force\)s/],
    ["an empty expression", { "secret:get": "  " }, /write "@" for everybody or "!" for nobody/],
    ["a missing operand", { "secret:get": "role:a and" }, /column 11: expected a check/],
    [
      "two checks side by side",
      { "secret:get": "role:a role:b" },
      /column 8: expected "and", "or" or the end/,
    ],
    ["an open parenthesis", { "secret:get": "(role:a" }, /expected "\)", found "the end"/],
    [
      "an open quotation mark",
      { "secret:get": "'read:x" },
      /column 1: a quotation mark is not closed/,
    ],
    ["a role from the target", { "secret:get": "role:%(user_id)s" }, /must be plain text/],
    [
      "text around a substitution",
      { "secret:get": "user_id:x%(user_id)s" },
      /must be plain text or one whole %\(name\)s/,
    ],
    ["a very long expression", { "secret:get": "@ or ".repeat(2000) }, /longer than 4096/],
    [
      "very deep nesting",
      { "secret:get": `${"(".repeat(100)}@${")".repeat(100)}` },
      /nested deeper than 32/,
    ],
    ["very deep negation", { "secret:get": `${"not ".repeat(100)}@` }, /nested deeper than 32/],
  ];
  for (const [what, overrides, message] of refusals) {
    it(`is refused for ${what}`, () => {
      assert.throws(
        () => new RulePolicy({ overrides }),
        (error: unknown) => isServerError(error, "invalid_policy") && message.test(error.message),
      );
    });
  }

  it("is refused when helpers double each other beyond reason", () => {
    const overrides: Record<string, string> = { "secret:get": "rule:h0", h40: "@" };
    for (let i = 0; i < 40; i++) overrides[`h${i}`] = `rule:h${i + 1} and rule:h${i + 1}`;
    assert.throws(() => new RulePolicy({ overrides }), /unfolds into more than 2000 checks/);
  });

  it("is refused for an unknown rule set", () => {
    // @ts-expect-error: what a configuration file might say
    assert.throws(() => new RulePolicy({ ruleSet: "lax" }), /unknown rule set "lax"/);
  });

  it("of 2022, as in the example, takes ten of the admin's newer rights away and nothing else", () => {
    const file = new URL("../../examples/policy-2022.yaml", import.meta.url);
    const old = new RulePolicy({ overrides: parsePolicyFile(readFileSync(file, "utf8")) });
    const now = new RulePolicy();
    const changed = new Set<string>();
    for (const rule of policyRules) {
      for (const role of secureRoles) {
        for (const situation of situations) {
          const before = now.allows(rule, caller(role), target(situation));
          if (before !== old.allows(rule, caller(role), target(situation)))
            changed.add(`${role} ${rule}`);
        }
      }
    }
    const operator = "key-manager:service-admin";
    assert.deepEqual([...changed].toSorted(), [
      "admin project_quotas:delete",
      "admin project_quotas:get",
      "admin project_quotas:put",
      "admin secret:delete",
      "admin secret:get",
      "admin transport_key:delete",
      "admin transport_keys:post",
      `${operator} project_quotas:delete`,
      `${operator} project_quotas:get`,
      `${operator} project_quotas:put`,
      `${operator} transport_key:delete`,
      `${operator} transport_keys:post`,
    ]);
    assert.equal(old.allows("secret:get", caller("admin"), foreign), false);
    assert.equal(old.allows("secret:delete", caller("admin"), foreign), false);
  });
});

describe("any text as a rule", () => {
  const piece = fc.constantFrom(
    "role:member",
    "rule:admin",
    "@",
    "!",
    "and",
    "or",
    "not",
    "(",
    ")",
    "'",
    '"',
    "%(",
    ")s",
    "%(user_id)s",
    "user_id:",
    "'read':%(target.secret.read)s",
    ":",
    " ",
    "\n",
    "\u0000",
    "é",
  );

  it("is understood or refused as `invalid_policy`, and nothing else", (t) => {
    const texts = fc.oneof(
      fc.array(piece, { maxLength: 60 }).map((pieces) => pieces.join(" ")),
      fc.array(piece, { maxLength: 60 }).map((pieces) => pieces.join("")),
      fc.string({ unit: "binary", maxLength: 200 }),
    );
    holds(
      t,
      fc.property(texts, (text) => {
        try {
          const policy = new RulePolicy({ overrides: { "secret:get": text } });
          assert.equal(typeof policy.allows("secret:get", caller("member"), {}), "boolean");
        } catch (error) {
          assert.ok(isServerError(error, "invalid_policy"), String(error));
        }
      }),
      { numRuns: 1500 },
    );
  });

  it("means what plain logic makes of it", (t) => {
    type Tree = { text: string; value: boolean };
    const { tree } = fc.letrec<{ tree: Tree }>((tie) => ({
      tree: fc.oneof(
        { maxDepth: 5 },
        fc.constantFrom(
          { text: "@", value: true },
          { text: "!", value: false },
          { text: "role:member", value: true },
          { text: "role:boss", value: false },
          { text: "project_id:%(project_id)s", value: true },
        ),
        tie("tree").map(({ text, value }) => ({ text: `not (${text})`, value: !value })),
        fc
          .tuple(tie("tree"), tie("tree"))
          .map(([a, b]) => ({ text: `(${a.text} and ${b.text})`, value: a.value && b.value })),
        fc
          .tuple(tie("tree"), tie("tree"))
          .map(([a, b]) => ({ text: `(${a.text}) OR (${b.text})`, value: a.value || b.value }))
          .map(({ text, value }) => ({ text: `(${text})`, value })),
      ),
    }));
    holds(
      t,
      fc.property(tree, ({ text, value }) => {
        const policy = new RulePolicy({ overrides: { "secret:get": text } });
        assert.equal(policy.allows("secret:get", caller("member"), { projectId: "own" }), value);
      }),
    );
  });
});
