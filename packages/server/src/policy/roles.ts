/** Keystone's default chain: who has the role on the left has the one on the right as well. */
const implied: ReadonlyMap<string, string> = new Map([
  ["admin", "manager"],
  ["manager", "member"],
  ["member", "reader"],
]);

/**
 * The roles of a token with those they imply: admin ⇒ manager ⇒ member ⇒
 * reader. Keystone lists them itself if it was bootstrapped so; older ones do
 * not, and would lock their admins out of half the interface.
 *
 * Names are compared in lower case, as oslo.policy does.
 */
export function expandRoles(roles: readonly string[]): ReadonlySet<string> {
  const known = expanded.get(roles);
  if (known) return known;
  const all = new Set<string>();
  for (const role of roles) {
    let name: string | undefined = role.toLowerCase();
    while (name !== undefined && !all.has(name)) {
      all.add(name);
      name = implied.get(name);
    }
  }
  expanded.set(roles, all);
  return all;
}

/** A cached identity token keeps its array of roles, so each token is expanded once. */
const expanded = new WeakMap<readonly string[], ReadonlySet<string>>();
