import { all, one, operation } from "../operation.ts";
import { columnsOf, isAuthentic, type Tagged, updateRow, verifiedIfAny } from "../tagged-rows.ts";
import { addCount, quotaAllows } from "./quotas.ts";
import { consumerOwners, eraseSecret, moveConsumerCounts, type SecretRow } from "./secrets.ts";

const columns = columnsOf("secrets");

/**
 * Brings a deleted secret back, with all that hangs on it, while the restore window
 * is open. Refused if its place in the quota, or that of its consumers in the quotas
 * of the projects that registered them, is taken in the meantime.
 */
export const restoreSecret = operation(
  import.meta.url,
  "restoreSecret",
  function* (p: {
    readonly id: string;
    readonly defaultQuotas: Readonly<Record<"secrets" | "consumers", number>>;
    readonly now: string;
  }) {
    const sql = `SELECT ${columns} FROM secrets WHERE id = ? /*pg FOR UPDATE */`;
    const secret = yield* verifiedIfAny("secrets", yield* one<Tagged<SecretRow>>(sql, p.id));
    if (!secret || secret.deleted === null) return { refused: "not_found" as const };
    const { project_id: projectId } = secret;
    if (!(yield* quotaAllows(projectId, "secrets", p.defaultQuotas.secrets, p.now)))
      return { refused: "quota" as const, projectId, kind: "secrets" as const };
    for (const { project_id: owner, n } of yield* consumerOwners(p.id))
      if (!(yield* quotaAllows(owner, "consumers", p.defaultQuotas.consumers, p.now, n)))
        return { refused: "quota" as const, projectId: owner, kind: "consumers" as const };
    yield* updateRow("secrets", secret, { deleted: null });
    yield* addCount(projectId, "secrets", 1);
    yield* moveConsumerCounts(p.id, 1);
    return {};
  },
);

/**
 * Erases some of the secrets that were deleted at or before a time. Resolves to how many. A row that is not authentic
 * stays: the server does not delete because a changed row says so.
 */
export const eraseDeleted = operation(
  import.meta.url,
  "eraseDeleted",
  function* (p: { readonly deletedBy: string; readonly limit: number }) {
    const rows = yield* all<Tagged<SecretRow>>(
      `SELECT ${columns} FROM secrets WHERE deleted IS NOT NULL AND deleted <= ? LIMIT ?
       /*pg FOR UPDATE SKIP LOCKED */`,
      p.deletedBy,
      p.limit,
    );
    let erased = 0;
    for (const row of rows) {
      if (!(yield* isAuthentic("secrets", row))) continue;
      yield* eraseSecret(row.id);
      erased++;
    }
    return erased;
  },
);
