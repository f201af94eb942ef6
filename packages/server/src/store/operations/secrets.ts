import { ServerError } from "../../model/server-error.ts";
import { all, one, operation, run, type SqlValue, type Steps } from "../operation.ts";
import {
  columnsOf,
  insertRow,
  type Tagged,
  updateRow,
  verified,
  verifiedAll,
  verifiedIfAny,
} from "../tagged-rows.ts";
import { dropMember } from "./container-members.ts";
import { hasProjectKey } from "./keys.ts";
import { type PageOf, rowsBefore } from "./pages.ts";
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
  /** JSON; null for none. */
  readonly acl: string | null;
  /** Null while it is alive. */
  readonly deleted: string | null;
}

export interface SealedPayload {
  readonly generation: number;
  readonly sealed: Uint8Array;
}

const columns = columnsOf("secrets", "s");
const alive = "s.deleted IS NULL AND (s.expiration IS NULL OR s.expiration > ?)";

/** A secret that is neither deleted nor, by `now`, expired. */
export const findSecret = operation(
  import.meta.url,
  "findSecret",
  function* (p: { readonly id: string; readonly now: string }) {
    // Verified before anything is concluded from it, so that not even a false date of expiration hides a secret.
    const row = yield* anySecret(p.id);
    return row && isAlive(row, p.now) ? row : undefined;
  },
);

/** Deleted and expired ones, too. */
function* anySecret(id: string): Steps<Tagged<SecretRow> | undefined> {
  const sql = `SELECT ${columns} FROM secrets s WHERE s.id = ?`;
  return yield* verifiedIfAny("secrets", yield* one<Tagged<SecretRow>>(sql, id));
}

/** Verifies some secrets. @throws `integrity` */
export function* verifiedSecrets(ids: readonly string[]): Steps<void> {
  for (const id of ids) yield* anySecret(id);
}

/** A secret that is to be changed in this transaction: not deleted, though perhaps expired. */
export function* lockSecret(id: string): Steps<Tagged<SecretRow> | undefined> {
  const sql = `SELECT ${columns} FROM secrets s WHERE s.id = ? /*pg FOR UPDATE */`;
  const row = yield* verifiedIfAny("secrets", yield* one<Tagged<SecretRow>>(sql, id));
  return row?.deleted === null ? row : undefined;
}

/** True if the project has this secret, and it has not expired. */
export function* hasSecret(projectId: string, id: string, now: string): Steps<boolean> {
  const row = yield* anySecret(id);
  return row !== undefined && isAlive(row, now) && row.project_id === projectId;
}

function isAlive(row: Pick<SecretRow, "deleted" | "expiration">, now: string): boolean {
  return row.deleted === null && (row.expiration === null || row.expiration > now);
}

/** A secret with its payload, if it has one. */
export type SecretWithPayload = Tagged<SecretRow> & {
  readonly generation: number | null;
  readonly sealed: Uint8Array | null;
};

/** The payload of a secret that is neither deleted nor, by `now`, expired; `sealed` is null if it has none. */
export const findSecretWithPayload = operation(
  import.meta.url,
  "findSecretWithPayload",
  function* (p: { readonly id: string; readonly now: string }) {
    const row = yield* one<SecretWithPayload>(
      `SELECT ${columns}, p.generation, p.sealed
       FROM secrets s LEFT JOIN payloads p ON p.secret_id = s.id WHERE s.id = ?`,
      p.id,
    );
    if (!row) return undefined;
    yield* verified("secrets", row);
    if ((row.content_type === null) !== (row.sealed === null))
      throw new ServerError(
        "integrity",
        `verify secrets ${p.id}: its payload was removed or added`,
      );
    return isAlive(row, p.now) ? row : undefined;
  },
);

/** Adds a secret to the tables, without a look at quotas. */
export function* addSecret(row: SecretRow, payload?: SealedPayload): Steps<void> {
  yield* insertRow("secrets", row);
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
    if (p.payload && !(yield* hasProjectKey(row.project_id, p.payload.generation)))
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
    const row = yield* lockSecret(p.id);
    if (row?.content_type !== null) return { refused: "conflict" as const };
    yield* updateRow("secrets", row, { content_type: p.contentType, updated: p.now });
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
    const secret = yield* lockSecret(p.id);
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
    if (p.retain) yield* updateRow("secrets", secret, { deleted: p.now });
    else yield* eraseSecret(p.id);
    return {};
  },
);

/** Removes a secret's rows; counts are the caller's. */
export function* eraseSecret(id: string): Steps<void> {
  yield* dropMember(id);
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
 * age unless `sort` says otherwise; ties by age and id, so that pages neither repeat nor skip. `offset` is how many come
 * before the page.
 */
export const listSecrets = operation(
  import.meta.url,
  "listSecrets",
  function* (
    p: PageOf & {
      readonly scope: { readonly ownedBy: string } | { readonly grantedTo: string };
      readonly conditions: readonly Condition[];
      readonly sort: readonly SecretSort[];
      readonly now: string;
    },
  ) {
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
    const list = { from: "secrets s", id: "s.id", where, args, order };
    const offset = yield* rowsBefore(list, p);
    const rows = yield* verifiedAll(
      "secrets",
      yield* all<Tagged<SecretRow>>(
        `SELECT ${columns} FROM secrets s WHERE ${where} ORDER BY ${order} LIMIT ? OFFSET ?`,
        ...args,
        p.limit,
        offset,
      ),
    );
    if ("grantedTo" in p.scope) refuseUngranted(rows, p.scope.grantedTo);
    const total =
      "ownedBy" in p.scope && p.conditions.length === 0
        ? yield* countOf(p.scope.ownedBy, "secrets", p.now)
        : ((yield* one<{ n: number }>(
            `SELECT CAST(COUNT(*) AS INTEGER) AS n FROM secrets s WHERE ${where}`,
            ...args,
          ))?.n ?? 0);
    return { rows, total, offset };
  },
);

/** The table of grants is an index only: what a secret's own ACL does not say is not believed. @throws `integrity` */
function refuseUngranted(rows: readonly SecretRow[], userId: string): void {
  for (const { id, acl } of rows) {
    const { users = [] } = JSON.parse(acl ?? "{}") as { readonly users?: readonly string[] };
    if (!users.includes(userId))
      throw new ServerError(
        "integrity",
        `verify acl_users ${userId} ${id}: the secret's ACL has no such user`,
      );
  }
}
