import { all, one, operation, run, type SqlValue, type Steps } from "../operation.ts";
import { hasProjectKey } from "./keys.ts";
import { addCount, countOf, quotaAllows } from "./quotas.ts";

export interface SecretRow {
  readonly id: string;
  readonly project_id: string;
  readonly creator_id: string;
  readonly name: string | null;
  readonly secret_type: string;
  readonly algorithm: string | null;
  readonly bit_length: number | null;
  readonly mode: string | null;
  readonly expiration: string | null;
  readonly created: string;
  readonly updated: string;
  /** Null while there is no payload. */
  readonly content_type: string | null;
  readonly acl: string | null;
  readonly tag: Uint8Array;
  readonly tag_generation: number;
}

export interface SealedPayload {
  readonly generation: number;
  readonly sealed: Uint8Array;
}

const columns = [
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
  "tag",
  "tag_generation",
] as const satisfies readonly (keyof SecretRow)[];
const columnList = columns.map((column) => `s.${column}`).join(", ");
const insertSql = `INSERT INTO secrets (${columns.join(", ")}) VALUES (${columns.map(() => "?").join(", ")})`;
const alive = "s.deleted IS NULL AND (s.expiration IS NULL OR s.expiration > ?)";

/** A secret that is neither deleted nor, by `now`, expired. */
export const findSecret = operation(
  import.meta.url,
  "findSecret",
  function* (p: { readonly id: string; readonly now: string }) {
    return yield* one<SecretRow>(
      `SELECT ${columnList} FROM secrets s WHERE s.id = ? AND ${alive}`,
      p.id,
      p.now,
    );
  },
);

/** A secret's payload, and what says who may read it. */
export type SecretWithPayload = Pick<
  SecretRow,
  | "id"
  | "project_id"
  | "creator_id"
  | "expiration"
  | "content_type"
  | "acl"
  | "tag"
  | "tag_generation"
> & { readonly generation: number | null; readonly sealed: Uint8Array | null };

/** The payload of a secret that is neither deleted nor, by `now`, expired; `sealed` is null if it has none. */
export const findSecretWithPayload = operation(
  import.meta.url,
  "findSecretWithPayload",
  function* (p: { readonly id: string; readonly now: string }) {
    return yield* one<SecretWithPayload>(
      `SELECT s.id, s.project_id, s.creator_id, s.expiration, s.content_type, s.acl, s.tag,
         s.tag_generation, p.generation, p.sealed
       FROM secrets s LEFT JOIN payloads p ON p.secret_id = s.id WHERE s.id = ? AND ${alive}`,
      p.id,
      p.now,
    );
  },
);

/** Adds a secret to the tables, without a look at quotas. */
export function* addSecret(row: SecretRow, payload?: SealedPayload): Steps<void> {
  yield* run(insertSql, ...columns.map((column): SqlValue => row[column]));
  if (payload) yield* addPayload(row.id, payload);
  yield* addCount(row.project_id, "secrets", 1);
}

function* addPayload(secretId: string, payload: SealedPayload): Steps<void> {
  yield* run(
    "INSERT INTO payloads (secret_id, generation, sealed) VALUES (?, ?, ?)",
    secretId,
    payload.generation,
    payload.sealed,
  );
}

export const insertSecret = operation(
  import.meta.url,
  "insertSecret",
  function* (p: {
    readonly row: SecretRow;
    readonly payload?: SealedPayload;
    readonly defaultQuota: number;
  }) {
    const { row } = p;
    if (!(yield* quotaAllows(row.project_id, "secrets", p.defaultQuota, row.created)))
      return { refused: "quota" as const };
    if (!(yield* hasProjectKey(row.project_id, row.tag_generation)))
      return { refused: "stale_key" as const };
    yield* addSecret(row, p.payload);
    return {};
  },
);

/** Gives a secret its payload, once. */
export const insertPayload = operation(
  import.meta.url,
  "insertPayload",
  function* (p: {
    readonly id: string;
    readonly projectId: string;
    readonly contentType: string;
    readonly payload: SealedPayload;
    readonly now: string;
  }) {
    if (!(yield* hasProjectKey(p.projectId, p.payload.generation)))
      return { refused: "stale_key" as const };
    const changes = yield* run(
      `UPDATE secrets SET content_type = ?, updated = ?
       WHERE id = ? AND deleted IS NULL AND content_type IS NULL`,
      p.contentType,
      p.now,
      p.id,
    );
    if (changes === 0) return { refused: "conflict" as const };
    yield* addPayload(p.id, p.payload);
    return {};
  },
);

/**
 * Deletes a secret with all that hangs on it. With `retain` the rows stay,
 * hidden, until the restore window closes.
 */
export const deleteSecret = operation(
  import.meta.url,
  "deleteSecret",
  function* (p: {
    readonly id: string;
    readonly now: string;
    readonly retain: boolean;
    readonly unlessConsumed: boolean;
  }) {
    const secret = yield* one<{ project_id: string }>(
      "SELECT project_id FROM secrets WHERE id = ? AND deleted IS NULL /*pg FOR UPDATE */",
      p.id,
    );
    if (!secret) return { refused: "not_found" as const };
    if (p.unlessConsumed) {
      const consumer = yield* one(
        "SELECT 1 AS one FROM secret_consumers WHERE secret_id = ? LIMIT 1",
        p.id,
      );
      if (consumer) return { refused: "in_use" as const };
    }
    yield* moveConsumerCounts(p.id, -1);
    yield* addCount(secret.project_id, "secrets", -1);
    if (p.retain) yield* run("UPDATE secrets SET deleted = ? WHERE id = ?", p.now, p.id);
    else yield* eraseSecret(p.id);
    return {};
  },
);

/** Removes a secret's rows; counts are the caller's. */
export function* eraseSecret(id: string): Steps<void> {
  yield* run("DELETE FROM acl_users WHERE object_id = ?", id);
  yield* run("DELETE FROM secrets WHERE id = ?", id);
}

/** The projects that registered a secret's consumers, and how many each. */
export function* consumerOwners(
  secretId: string,
): Steps<readonly { readonly project_id: string; readonly n: number }[]> {
  return yield* all(
    `SELECT project_id, CAST(COUNT(*) AS INTEGER) AS n FROM secret_consumers
     WHERE secret_id = ? GROUP BY project_id ORDER BY project_id`,
    secretId,
  );
}

/** A secret's consumers count against the projects that registered them. */
export function* moveConsumerCounts(secretId: string, sign: 1 | -1): Steps<void> {
  for (const owner of yield* consumerOwners(secretId))
    yield* addCount(owner.project_id, "consumers", sign * owner.n);
}

/** One condition of a list: a column, a comparison, a value. */
export interface Condition {
  readonly column:
    | "name"
    | "algorithm"
    | "mode"
    | "bit_length"
    | "secret_type"
    | "created"
    | "updated"
    | "expiration";
  readonly comparison: "=" | "LIKE" | "<" | "<=" | ">" | ">=";
  readonly value: string | number;
}

export interface SecretSort {
  readonly column: Condition["column"];
  readonly descending: boolean;
}

/**
 * A page of secrets and how many match in all. `ownedBy` lists a project's;
 * `grantedTo` lists those of any project whose ACL names the user. Ordered by
 * age unless `sort` says otherwise; ties by age and id, so that pages neither repeat nor skip.
 */
export const listSecrets = operation(
  import.meta.url,
  "listSecrets",
  function* (p: {
    readonly scope: { readonly ownedBy: string } | { readonly grantedTo: string };
    readonly conditions: readonly Condition[];
    readonly sort: readonly SecretSort[];
    readonly now: string;
    readonly limit: number;
    readonly offset: number;
  }) {
    const args: SqlValue[] = [];
    let where: string;
    if ("ownedBy" in p.scope) {
      where = `s.project_id = ? AND ${alive}`;
      args.push(p.scope.ownedBy, p.now);
    } else {
      where = `s.id IN (SELECT object_id FROM acl_users WHERE user_id = ?) AND ${alive}`;
      args.push(p.scope.grantedTo, p.now);
    }
    for (const condition of p.conditions) {
      where += ` AND s.${condition.column} ${condition.comparison} ?`;
      if (condition.comparison === "LIKE") where += " /*pg ESCAPE '' */";
      args.push(condition.value);
    }
    const order = [
      ...p.sort.map(
        (sort) =>
          `s.${sort.column} ${sort.descending ? "DESC /*pg NULLS LAST */" : "/*pg NULLS FIRST */"}`,
      ),
      "s.created",
      "s.id",
    ].join(", ");
    const rows = yield* all<SecretRow>(
      `SELECT ${columnList} FROM secrets s WHERE ${where} ORDER BY ${order} LIMIT ? OFFSET ?`,
      ...args,
      p.limit,
      p.offset,
    );
    const total =
      "ownedBy" in p.scope && p.conditions.length === 0
        ? yield* countOf(p.scope.ownedBy, "secrets", p.now)
        : ((yield* one<{ n: number }>(
            `SELECT CAST(COUNT(*) AS INTEGER) AS n FROM secrets s WHERE ${where}`,
            ...args,
          ))?.n ?? 0);
    return { rows, total };
  },
);
