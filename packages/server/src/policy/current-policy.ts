import type { Principal } from "../model/principal.ts";
import type { Policy, PolicyTarget } from "./policy.ts";
import type { PolicyRule } from "./rule-names.ts";

/** A policy that can be replaced by another while requests are served. */
export class CurrentPolicy implements Policy {
  #policy: Policy;

  constructor(policy: Policy) {
    this.#policy = policy;
  }

  allows(rule: PolicyRule, principal: Principal, target: PolicyTarget): boolean {
    return this.#policy.allows(rule, principal, target);
  }

  /** Every decision from now on is the other's. */
  replace(policy: Policy): void {
    this.#policy = policy;
  }
}
