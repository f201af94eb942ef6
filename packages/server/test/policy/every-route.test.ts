import assert from "node:assert/strict";
import { describe, it, type TestContext } from "node:test";
import type { Policy } from "../../src/policy/policy.ts";
import { type PolicyRule, policyRules, targetKinds } from "../../src/policy/rule-names.ts";
import { RulePolicy } from "../../src/policy/rule-policy.ts";
import { operations } from "../support/api.ts";
import { type Harness, idOf, startHarness } from "../support/harness.ts";
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

type Rules = Readonly<Partial<Record<string, PolicyRule>>>;

/**
 * Every path behind identity, and the rule that guards each of its methods, as openapi.yaml has them; any other method
 * is refused.
 */
const routes = Map.groupBy(
  operations.filter(({ path }) => path.startsWith("/v1/")),
  ({ path }) => path,
);

/** `{secret}` is a secret of the situation, and so on; any name does for the rest. */
function patternOf(path: string): string {
  return path
    .replace(/\{(secret|container|order)_id\}/, "{$1}")
    .replace("{consumer_id}", "{container}")
    .replaceAll(/\{(?!secret\}|container\}|order\})\w+\}/g, "some");
}

function rulesOf(path: string): Rules {
  return Object.fromEntries(
    (routes.get(path) ?? []).map(({ method, rule }) => [method, rule as PolicyRule]),
  );
}

/** Notes what a policy says, and then refuses, so that what is asked for is never done; without one it allows all. */
class NotingPolicy implements Policy {
  judge: Policy | undefined;
  noted: (readonly [PolicyRule, boolean])[] = [];

  allows(...asked: Parameters<Policy["allows"]>): boolean {
    if (!this.judge) return true;
    this.noted.push([asked[0], this.judge.allows(...asked)]);
    return false;
  }
}

/** One object of each kind in a situation, as they come about on the wire. */
async function makeObjects(ask: Harness["ask"], situation: Situation) {
  const maker = situation.madeByCaller ? "caller" : "colleague";
  const token = `${maker}/${situation.sameProject ? "own" : "other"}/admin`;
  const make = async (collection: string, body: object) =>
    (await ask("POST", `/v1/${collection}`, { token, body })).json;
  const secret = idOf((await make("secrets", {}))["secret_ref"]);
  const container = idOf((await make("containers", { type: "generic" }))["container_ref"]);
  const meta = { algorithm: "aes", bit_length: 256 };
  const order = idOf((await make("orders", { type: "key", meta }))["order_ref"]);
  const users = situation.inReadAcl ? ["caller"] : [];
  const body = { read: { users, "project-access": !situation.isPrivate } };
  for (const path of [`secrets/${secret}`, `containers/${container}`])
    assert.equal((await ask("PUT", `/v1/${path}/acl`, { token, body })).status, 200);
  const ids: Readonly<Record<string, string>> = { secret, container, order };
  return (path: string) => path.replaceAll(/\{(\w+)\}/g, (_, kind: string) => ids[kind] ?? "");
}

async function walk(
  t: TestContext,
  ruleSet: "legacy" | "secure",
  roles: readonly string[],
  expectation: Expectation,
): Promise<void> {
  const policy = new NotingPolicy();
  const { ask } = await startHarness(t, { policy });
  const made: { situation: Situation; pathOf: (pattern: string) => string }[] = [];
  for (const situation of situations)
    made.push({ situation, pathOf: await makeObjects(ask, situation) });
  policy.judge = new RulePolicy({ ruleSet });
  for (const path of routes.keys()) {
    const [pattern, rules] = [patternOf(path), rulesOf(path)];
    for (const method of ["GET", "POST", "PUT", "PATCH", "DELETE"]) {
      const rule = rules[method];
      // A refused method, or a rule that guards no object, is the same whatever there is.
      const some = rule && targetKinds[rule] !== "none" ? made : made.slice(-1);
      for (const { situation, pathOf } of some)
        for (const role of rule ? roles : roles.slice(0, 1)) {
          const name = `${method} ${pattern} as ${role} ${JSON.stringify(situation)}`;
          policy.noted = [];
          const answer = await ask(method, pathOf(pattern), { token: `caller/own/${role}` });
          if (!rule) {
            assert.deepEqual([answer.status, policy.noted], [405, []], name);
            continue;
          }
          const letters = expectation[rule][role] ?? expectation[rule]["any"] ?? "";
          const allowed = grants(letters, situation);
          // An order of another project is not even found.
          if (answer.status === 404) assert.deepEqual([allowed, policy.noted], [false, []], name);
          else assert.deepEqual([answer.status, policy.noted], [403, [[rule, allowed]]], name);
        }
    }
  }
}

describe("every route", () => {
  it("asks the legacy rule that guards it, about the object it is for, before it does anything", (t) =>
    walk(t, "legacy", legacyRoles, legacyExpectation));

  it("asks the secure rule that guards it, about the object it is for, before it does anything", (t) =>
    walk(t, "secure", secureRoles, secureExpectation));

  it("has a rule, and every rule a route", () => {
    const asked = new Set([...routes.keys()].flatMap((path) => Object.values(rulesOf(path))));
    assert.deepEqual(asked, new Set(policyRules));
  });
});
