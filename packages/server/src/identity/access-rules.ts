import type { AskedFor } from "./identity.ts";
import { PathPattern, type Work } from "./path-pattern.ts";

/** One thing that an application credential may be used for. */
export interface AccessRule {
  /** The type of a service in the catalog, such as `key-manager`. */
  readonly service: string;
  /** A pattern in Keystone's syntax: `*`, `**` and `{name}` stand for parts of a path. It is compared with the canonical path of a request. */
  readonly path: string;
  readonly method: string;
}

/** How much of an application credential's rules is read: what is beyond covers nothing. */
export const accessRuleLimits = { rules: 1_000, pathLength: 255 } as const;

/**
 * True if one of the rules covers the request. No rules at all cover nothing.
 *
 * https://docs.openstack.org/keystone/latest/user/application_credentials.html#access-rules
 */
export function covers(
  rules: readonly AccessRule[],
  service: string,
  { method, target }: AskedFor,
  work?: Work,
): boolean {
  return rules
    .slice(0, accessRuleLimits.rules)
    .some(
      (rule) =>
        rule.service === service &&
        rule.method.toUpperCase() === method.toUpperCase() &&
        rule.path.length <= accessRuleLimits.pathLength &&
        patternOf(rule).covers(target, work),
    );
}

/** Rules live as long as the token that they came with is remembered. */
const patterns = new WeakMap<AccessRule, PathPattern>();

function patternOf(rule: AccessRule): PathPattern {
  const known = patterns.get(rule);
  if (known) return known;
  const made = new PathPattern(rule.path);
  patterns.set(rule, made);
  return made;
}
