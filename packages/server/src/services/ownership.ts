import { checkOwnership, type Ownership, type ProjectKeys } from "../crypto/project-keys.ts";
import type { PolicyTarget } from "../policy/policy.ts";
import type { Principal } from "../principal.ts";
import type { SecretRow } from "../store/operations/secrets.ts";

/** A read ACL as it is stored: users sorted, no duplicates. */
export interface StoredAcl {
  readonly users: readonly string[];
  readonly projectAccess: boolean;
  readonly created: string;
  readonly updated: string;
}

/** The columns that secrets and containers share. */
export type OwnedRow = Pick<
  SecretRow,
  "id" | "project_id" | "creator_id" | "acl" | "tag" | "tag_generation"
> & { readonly expiration?: string | null };

export function ownershipOf(
  kind: Ownership["kind"],
  row: Omit<OwnedRow, "tag" | "tag_generation">,
): Ownership {
  return {
    kind,
    id: row.id,
    projectId: row.project_id,
    creatorId: row.creator_id,
    acl: row.acl,
    expiration: row.expiration ?? null,
  };
}

/** @throws IntegrityError if the row's owner or ACL was changed behind the server's back */
export async function verifyOwnership(
  keys: ProjectKeys,
  kind: Ownership["kind"],
  row: OwnedRow,
): Promise<void> {
  const key = await keys.byGeneration(row.project_id, row.tag_generation);
  checkOwnership(key, ownershipOf(kind, row), row.tag);
}

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
