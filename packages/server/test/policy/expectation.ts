import type { PolicyRule } from "../../src/policy/rule-names.ts";

/**
 * What each role may do, as the letters of Barbican's published rules, written
 * down apart from the expressions under test:
 *
 * - `P` any object of the caller's project
 * - `N` an object of the caller's project that is not private
 * - `O` an object of the caller's project that the caller made
 * - `L` an object of any project whose read ACL lists the caller
 * - `*` any object at all, or a rule that guards no object
 */
export type Letters = string;
export type Expectation = Readonly<Record<PolicyRule, Readonly<Record<string, Letters>>>>;

type Row = Readonly<Record<string, Letters>>;

function each(rules: readonly PolicyRule[], row: Row): [PolicyRule, Row][] {
  return rules.map((rule) => [rule, row]);
}

/** Role `any` stands for whoever has no role that the set knows. */
export const legacyRoles = [
  "admin",
  "creator",
  "observer",
  "audit",
  "key-manager:service-admin",
  "member",
  "reader",
  "service",
  "any",
];

const everybodyReads: Row = {
  admin: "*",
  creator: "*",
  observer: "*",
  audit: "*",
  "key-manager:service-admin": "*",
};

export const legacyExpectation = Object.fromEntries([
  ...each(["secrets:post", "containers:post", "orders:post", "orders:put"], {
    admin: "*",
    creator: "*",
  }),
  ...each(["secrets:get", "containers:get", "orders:get"], {
    admin: "*",
    creator: "*",
    observer: "*",
  }),
  ...each(
    [
      "secret:get",
      "container:get",
      "secret_meta:get",
      "container_consumers:get",
      "container_consumers:post",
      "container_consumers:delete",
      "secret_consumers:get",
      "secret_consumers:post",
      "secret_consumers:delete",
    ],
    {
      admin: "PL",
      creator: "NOL",
      observer: "NL",
      audit: "NL",
      "key-manager:service-admin": "NL",
      any: "L",
    },
  ),
  ...each(["secret:decrypt"], { admin: "PL", creator: "NOL", observer: "NL", any: "L" }),
  ...each(["secret:put"], { admin: "P", creator: "P" }),
  ...each(
    [
      "secret:delete",
      "secret_meta:post",
      "secret_meta:put",
      "secret_meta:delete",
      "container_secret:post",
      "container_secret:delete",
    ],
    { admin: "P", creator: "NO" },
  ),
  ...each(["container:delete"], { admin: "P", creator: "O" }),
  ...each(["secret_acls:get", "container_acls:get"], { admin: "P", creator: "P", observer: "P" }),
  ...each(
    [
      "secret_acls:put_patch",
      "secret_acls:delete",
      "container_acls:put_patch",
      "container_acls:delete",
    ],
    { admin: "P", creator: "P" },
  ),
  ...each(["consumer:get"], {
    admin: "*",
    creator: "*",
    observer: "*",
    audit: "*",
    "key-manager:service-admin": "NL",
    any: "L",
  }),
  ...each(["order:get"], {
    admin: "P",
    creator: "P",
    observer: "P",
    audit: "P",
    "key-manager:service-admin": "P",
  }),
  ...each(["order:delete"], { admin: "P" }),
  ...each(
    [
      "quotas:get",
      "secretstores:get",
      "secretstores:get_global_default",
      "secretstores:get_preferred",
      "secretstore:get",
      "transport_keys:get",
      "transport_key:get",
    ],
    everybodyReads,
  ),
  ...each(["secretstore_preferred:post", "secretstore_preferred:delete"], { admin: "*" }),
  ...each(
    [
      "project_quotas:get",
      "project_quotas:put",
      "project_quotas:delete",
      "transport_keys:post",
      "transport_key:delete",
    ],
    { "key-manager:service-admin": "*" },
  ),
]) as Expectation;

export const secureRoles = [
  "admin",
  "manager",
  "member",
  "reader",
  "creator",
  "observer",
  "audit",
  "key-manager:service-admin",
  "service",
  "any",
];

// A manager has what a member has: no rule names it.
const secure = (admin: Letters, member: Letters, reader: Letters, any: Letters): Row => ({
  admin,
  manager: member,
  member,
  reader,
  any,
});

export const secureExpectation = Object.fromEntries([
  ...each(
    [
      "secrets:post",
      "secrets:get",
      "containers:post",
      "containers:get",
      "orders:post",
      "orders:get",
      "orders:put",
    ],
    secure("*", "*", "", ""),
  ),
  ...each(["secret:get", "consumer:get"], secure("*", "NOL", "L", "L")),
  ...each(["secret:delete"], secure("*", "NO", "", "")),
  ...each(
    [
      "secret:decrypt",
      "secret_meta:get",
      "container:get",
      "container_consumers:get",
      "container_consumers:post",
      "container_consumers:delete",
      "secret_consumers:get",
      "secret_consumers:post",
      "secret_consumers:delete",
    ],
    secure("PL", "NOL", "L", "L"),
  ),
  ...each(
    [
      "secret:put",
      "secret_meta:post",
      "secret_meta:put",
      "secret_meta:delete",
      "container:delete",
      "container_secret:post",
      "container_secret:delete",
    ],
    secure("P", "NO", "", ""),
  ),
  ...each(
    [
      "secret_acls:get",
      "secret_acls:put_patch",
      "secret_acls:delete",
      "container_acls:get",
      "container_acls:put_patch",
      "container_acls:delete",
    ],
    secure("P", "O", "", ""),
  ),
  ...each(["order:get", "order:delete"], secure("P", "P", "", "")),
  ...each(
    [
      "quotas:get",
      "secretstores:get",
      "secretstores:get_global_default",
      "secretstores:get_preferred",
      "secretstore:get",
      "transport_keys:get",
      "transport_key:get",
    ],
    secure("*", "*", "*", ""),
  ),
  ...each(
    [
      "secretstore_preferred:post",
      "secretstore_preferred:delete",
      "project_quotas:get",
      "project_quotas:put",
      "project_quotas:delete",
      "transport_keys:post",
      "transport_key:delete",
    ],
    secure("*", "", "", ""),
  ),
]) as Expectation;

export interface Situation {
  readonly sameProject: boolean;
  readonly madeByCaller: boolean;
  readonly isPrivate: boolean;
  readonly inReadAcl: boolean;
}

/** All sixteen ways in which a caller can stand to an object. */
export const situations: readonly Situation[] = Array.from({ length: 16 }, (_, bits) => ({
  sameProject: (bits & 1) !== 0,
  madeByCaller: (bits & 2) !== 0,
  isPrivate: (bits & 4) !== 0,
  inReadAcl: (bits & 8) !== 0,
}));

/** What `letters` grant in one situation. */
export function grants(letters: Letters, situation: Situation): boolean {
  const { sameProject, madeByCaller, isPrivate, inReadAcl } = situation;
  return (
    letters.includes("*") ||
    (letters.includes("P") && sameProject) ||
    (letters.includes("N") && sameProject && !isPrivate) ||
    (letters.includes("O") && sameProject && madeByCaller) ||
    (letters.includes("L") && inReadAcl)
  );
}
