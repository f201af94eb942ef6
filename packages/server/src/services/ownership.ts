import type { Principal } from "../model/principal.ts";
import type { PolicyTarget } from "../policy/policy.ts";
import type { SecretRow } from "../store/operations/secrets.ts";
import type { Tagged } from "../store/tagged-rows.ts";

/** A read ACL as it is stored: users sorted, no duplicates. */
export interface StoredAcl {
  readonly users: readonly string[];
  readonly projectAccess: boolean;
  readonly created: string;
  readonly updated: string;
}

/** The columns that secrets and containers share. */
export type OwnedRow = Tagged<Pick<SecretRow, "id" | "project_id" | "creator_id" | "acl">>;

/** What the policy may know of the object. */
export function targetOf(row: OwnedRow, principal: Principal): PolicyTarget {
  const acl = parseAcl(row.acl);
  return {
    projectId: row.project_id,
    creatorId: row.creator_id,
    readAcl: acl?.users.includes(principal.userId) ?? false,
    projectAccess: acl?.projectAccess ?? true,
  };
}

export function parseAcl(acl: string | null): StoredAcl | undefined {
  return acl === null ? undefined : (JSON.parse(acl) as StoredAcl);
}
