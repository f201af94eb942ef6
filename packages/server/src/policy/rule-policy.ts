import { didYouMean } from "../model/did-you-mean.ts";
import type { Principal } from "../model/principal.ts";
import { isServerError, ServerError } from "../model/server-error.ts";
import { type Check, compileRule } from "./compile.ts";
import { type Expression, parseExpression } from "./expression.ts";
import type { Policy, PolicyTarget } from "./policy.ts";
import { expandRoles } from "./roles.ts";
import { type PolicyRule, policyRules, targetKinds } from "./rule-names.ts";
import { helperRules, legacyRules, secureRules } from "./rule-sets.ts";

export interface RulePolicyOptions {
  /** Which of Barbican's two rule sets: `secure` (default) or `legacy`. */
  readonly ruleSet?: "secure" | "legacy";
  /**
   * Rules that an operator replaces, and helper rules that those refer to, by
   * name; see {@link parsePolicyFile}. Default: none.
   */
  readonly overrides?: Readonly<Record<string, string>>;
}

/**
 * Decides by a table of rules, all compiled when it is made.
 *
 * @throws `invalid_policy` from the constructor, if any rule cannot be understood.
 *   A name in `overrides` that is neither a rule nor used by one is refused:
 *   it is a slip that would silently leave a door open or shut.
 */
export class RulePolicy implements Policy {
  readonly #checks: ReadonlyMap<PolicyRule, Check>;

  constructor({ ruleSet = "secure", overrides = {} }: RulePolicyOptions = {}) {
    if (ruleSet !== "secure" && ruleSet !== "legacy") {
      throw new ServerError(
        "invalid_policy",
        `unknown rule set "${String(ruleSet)}": secure or legacy`,
      );
    }
    const texts = new Map(
      Object.entries({
        ...helperRules,
        ...(ruleSet === "secure" ? secureRules : legacyRules),
        ...overrides,
      }),
    );
    const rules = new Map<string, Expression>();
    for (const [name, text] of texts) rules.set(name, parseRule(name, text));
    refuseUnused(overrides, rules);
    // The file's own name for the set, so that rules written for Barbican ("True:%(enforce_new_defaults)s and …") can be kept.
    const flags = { enforce_new_defaults: ruleSet === "secure" ? "True" : "False" };
    this.#checks = new Map(
      policyRules.map((name) => [name, compileRule(name, targetKinds[name], rules, flags)]),
    );
  }

  allows(rule: PolicyRule, principal: Principal, target: PolicyTarget): boolean {
    const check = this.#checks.get(rule);
    return check?.(principal, expandRoles(principal.roles), target) ?? false;
  }
}

function parseRule(name: string, text: string): Expression {
  try {
    return parseExpression(text);
  } catch (error) {
    if (!isServerError(error, "invalid_policy")) throw error;
    throw new ServerError("invalid_policy", `rule "${name}": ${error.message}`, { cause: error });
  }
}

function refuseUnused(
  overrides: Readonly<Record<string, string>>,
  rules: ReadonlyMap<string, Expression>,
): void {
  const used = new Set<string>(policyRules);
  // A set yields what is added while it is walked, so this reaches every rule that decides anything.
  for (const name of used) {
    const rule = rules.get(name);
    if (rule) for (const reference of references(rule)) used.add(reference);
  }
  for (const name of Object.keys(overrides)) {
    if (used.has(name) || Object.hasOwn(helperRules, name)) continue;
    throw new ServerError(
      "invalid_policy",
      `unknown rule "${name}"${didYouMean(name, policyRules)} (a helper rule must be used by another)`,
    );
  }
}

function* references(expression: Expression): Generator<string> {
  switch (expression.type) {
    case "rule":
      yield expression.rule;
      break;
    case "not":
      yield* references(expression.of);
      break;
    case "and":
      for (const part of expression.all) yield* references(part);
      break;
    case "or":
      for (const part of expression.any) yield* references(part);
      break;
    case "always":
    case "never":
    case "role":
    case "match":
      break;
  }
}
