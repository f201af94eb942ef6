import type { ProjectKey } from "../keyring/project-keys.ts";

/**
 * What the tags of secrets and containers covered before every row had a tag (migrations 0001 and 0002): who may use
 * an object, and until when. Checked once, when the row gets its tag.
 */
export interface Ownership {
  readonly kind: "secret" | "container";
  readonly id: string;
  readonly projectId: string;
  readonly creatorId: string;
  /** As stored. */
  readonly acl: string | null;
  /** Of a secret; null for never. */
  readonly expiration: string | null;
}

/** The tag of ownership (32 bytes). */
export function ownershipTag(key: ProjectKey, owner: Ownership): Buffer {
  return key.tagging.of(ownershipText(owner));
}

/** True if the tag is this ownership's. */
export function isOwnershipTag(key: ProjectKey, owner: Ownership, tag: Uint8Array): boolean {
  return key.tagging.verifies(ownershipText(owner), tag);
}

function ownershipText(owner: Ownership): string {
  return JSON.stringify([
    "chatelaine ownership",
    owner.kind,
    owner.id,
    owner.projectId,
    owner.creatorId,
    owner.acl,
    owner.expiration,
  ]);
}
