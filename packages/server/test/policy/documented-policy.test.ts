import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { it } from "node:test";
import type { Principal } from "../../src/model/principal.ts";
import { parsePolicyFile } from "../../src/policy/policy-file.ts";
import { RulePolicy } from "../../src/policy/rule-policy.ts";

function as(role: string): Principal {
  return { userId: "u", projectId: "p", roles: [role], requestId: "req" };
}

it("the policy file that the documentation shows is one, and does what its comment says", () => {
  const page = new URL("../../../../docs/identity-and-policy.md", import.meta.url);
  const [, text] = /```yaml\n(.*?)```/s.exec(readFileSync(page, "utf8")) ?? [];
  assert.ok(text);
  const policy = new RulePolicy({ overrides: parsePolicyFile(text) });
  const own = { projectId: "p", creatorId: "c", projectAccess: true };
  assert.equal(policy.allows("secret:get", as("auditor"), own), true);
  assert.equal(policy.allows("secret:decrypt", as("auditor"), own), false);
  assert.equal(policy.allows("secret:get", as("member"), own), false);
  assert.equal(policy.allows("secret:decrypt", as("member"), own), true);
  assert.equal(policy.allows("secret:get", as("auditor"), { ...own, projectId: "q" }), false);
});
