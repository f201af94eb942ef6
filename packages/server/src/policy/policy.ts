import type { Principal } from "../model/principal.ts";
import type { PolicyRule } from "./rule-names.ts";

/**
 * What is known of the object that a rule guards. It comes from the store
 * alone: nothing of a request may reach it (CVE-2022-3100 was a query string
 * that did).
 */
export interface PolicyTarget {
  /** The project that owns the object. */
  readonly projectId?: string;
  /** The user who made the object. */
  readonly creatorId?: string;
  /** True if the caller's user id is in the object's read ACL. */
  readonly readAcl?: boolean;
  /** The ACL's `project-access`; true for an object without an ACL. Unset counts as private. */
  readonly projectAccess?: boolean;
}

/** Says who may do what. Decides from its arguments only; never throws. */
export interface Policy {
  allows(rule: PolicyRule, principal: Principal, target: PolicyTarget): boolean;
}
