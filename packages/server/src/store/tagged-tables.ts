/**
 * The tables whose rows carry a tag, a MAC over the table's name and these columns. A row that was changed, or copied
 * to another key or table, behind the server's back does not verify, and nothing is answered or decided from it.
 *
 * Everything that writes, reads, tags, moves or checks rows takes the columns from here. A column that is missing here
 * is not protected; `npm run prove -- database` lists those, and fails for one that is not documented.
 */
export const taggedTables = {
  project_quotas: {
    key: ["project_id"],
    columns: ["project_id", "secrets", "orders", "containers", "consumers", "cas"],
  },
  secrets: {
    key: ["id"],
    columns: [
      "id",
      "project_id",
      "creator_id",
      "name",
      "secret_type",
      "algorithm",
      "bit_length",
      "mode",
      "expiration",
      "created",
      "updated",
      "content_type",
      "acl",
      "deleted",
    ],
  },
  secret_metadata: { key: ["secret_id", "key"], columns: ["secret_id", "key", "value"] },
  secret_consumers: {
    key: ["id"],
    columns: [
      "id",
      "secret_id",
      "project_id",
      "service",
      "resource_type",
      "resource_id",
      "created",
      "updated",
    ],
  },
  /** The tag also covers the container's members, in order: the rows of container_secrets have none of their own. */
  containers: {
    key: ["id"],
    columns: ["id", "project_id", "creator_id", "name", "type", "created", "updated", "acl"],
  },
  container_consumers: {
    key: ["id"],
    columns: ["id", "container_id", "project_id", "name", "url", "created", "updated"],
  },
  /** All but the claim, which only says which process works on the order. */
  orders: {
    key: ["id"],
    columns: [
      "id",
      "project_id",
      "creator_id",
      "type",
      "meta",
      "status",
      "secret_id",
      "container_id",
      "error_status",
      "error_reason",
      "passphrase",
      "passphrase_generation",
      "created",
      "updated",
    ],
  },
  identity_users: { key: ["id"], columns: ["id", "name", "password_hash", "enabled", "created"] },
  identity_projects: { key: ["id"], columns: ["id", "name", "description", "enabled", "created"] },
  identity_assignments: {
    key: ["user_id", "project_id", "role"],
    columns: ["user_id", "project_id", "role"],
  },
  identity_application_credentials: {
    key: ["id"],
    columns: [
      "id",
      "user_id",
      "project_id",
      "name",
      "description",
      "secret_hash",
      "roles",
      "unrestricted",
      "access_rules",
      "expires",
      "created",
    ],
  },
  identity_tokens: {
    key: ["hash"],
    columns: [
      "hash",
      "user_id",
      "project_id",
      "application_credential_id",
      "methods",
      "audit_ids",
      "issued",
      "expires",
    ],
  },
} as const satisfies Readonly<
  Record<string, { readonly key: readonly string[]; readonly columns: readonly string[] }>
>;

export type TaggedTable = keyof typeof taggedTables;

/** In an order in which a table comes after those that it refers to. */
export const taggedTableNames = Object.keys(taggedTables) as readonly TaggedTable[];
