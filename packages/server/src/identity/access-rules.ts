import type { AskedFor } from "./identity.ts";

/** One thing that an application credential may be used for. */
export interface AccessRule {
  /** The type of a service in the catalog, such as `key-manager`. */
  readonly service: string;
  /** `*` stands for one segment or a part of it, `**` for any number of them, `{name}` for one segment. */
  readonly path: string;
  readonly method: string;
}

/**
 * True if one of the rules covers the request. No rules at all cover nothing.
 *
 * https://docs.openstack.org/keystone/latest/user/application_credentials.html#access-rules
 */
export function covers(
  rules: readonly AccessRule[],
  service: string,
  { method, path }: AskedFor,
): boolean {
  return rules.some(
    (rule) =>
      rule.service === service &&
      rule.method.toUpperCase() === method.toUpperCase() &&
      pathMatches(rule.path, path),
  );
}

/**
 * Marks, part by part of the pattern, up to where the path may have been read.
 * Linear in pattern × path: rules come from users, so they never become a
 * regular expression that can run away.
 */
function pathMatches(pattern: string, path: string): boolean {
  const parts = pattern.match(/\*\*|\*|\{[^{}/]+\}|[^*{]+|\{/g) ?? [];
  let reached: readonly boolean[] = Array.from({ length: path.length + 1 }, (_, at) => at === 0);
  for (const part of parts) {
    const before = reached;
    const next: boolean[] = [];
    for (let at = 0; at <= path.length; at++) {
      const goesOn = at > 0 && next[at - 1] === true;
      const inSegment = at > 0 && path[at - 1] !== "/";
      if (part === "**") next[at] = before[at] === true || goesOn;
      else if (part === "*") next[at] = before[at] === true || (goesOn && inSegment);
      else if (part.startsWith("{") && part.length > 1)
        next[at] = inSegment && (goesOn || before[at - 1] === true);
      else
        next[at] =
          at >= part.length &&
          before[at - part.length] === true &&
          path.startsWith(part, at - part.length);
    }
    reached = next;
  }
  return reached[path.length] === true;
}
