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

/** What the policy may know of the object: its owners, and whether its ACL grants the caller access. */
export function factsOf(row: OwnedRow, principal: Principal): PolicyTarget {
  const acl = parseAcl(row.acl);
  return {
    ...ownersOf(row),
    readAcl: acl?.users.includes(principal.userId) ?? false,
    projectAccess: acl?.projectAccess ?? true,
  };
}

/** The same, without the ACL: where ownership alone decides. */
export function ownersOf(row: {
  readonly project_id: string;
  readonly creator_id: string;
}): PolicyTarget {
  return { projectId: row.project_id, creatorId: row.creator_id };
}

export function parseAcl(acl: string | null): StoredAcl | undefined {
  return acl === null ? undefined : (JSON.parse(acl) as StoredAcl);
}
