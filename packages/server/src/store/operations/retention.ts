import { all, operation, run } from "../operation.ts";
import { addCount, quotaAllows } from "./quotas.ts";
import { consumerOwners, eraseSecret, moveConsumerCounts } from "./secrets.ts";

/**
 * Brings a deleted secret back, with all that hangs on it, while the restore window
 * is open. Refused if its place in the quota, or that of its consumers in the quotas
 * of the projects that registered them, is taken meanwhile.
 */
export const restoreSecret = operation(
  import.meta.url,
  "restoreSecret",
  function* (p: {
    readonly id: string;
    readonly defaultQuotas: Readonly<Record<"secrets" | "consumers", number>>;
    readonly now: string;
  }) {
    const rows = yield* all<{ project_id: string }>(
      "SELECT project_id FROM secrets WHERE id = ? AND deleted IS NOT NULL /*pg FOR UPDATE */",
      p.id,
    );
    const [secret] = rows;
    if (!secret) return { refused: "not_found" as const };
    const { project_id: projectId } = secret;
    if (!(yield* quotaAllows(projectId, "secrets", p.defaultQuotas.secrets, p.now)))
      return { refused: "quota" as const, projectId, kind: "secrets" as const };
    for (const { project_id: owner, n } of yield* consumerOwners(p.id))
      if (!(yield* quotaAllows(owner, "consumers", p.defaultQuotas.consumers, p.now, n)))
        return { refused: "quota" as const, projectId: owner, kind: "consumers" as const };
    yield* run("UPDATE secrets SET deleted = NULL WHERE id = ?", p.id);
    yield* addCount(projectId, "secrets", 1);
    yield* moveConsumerCounts(p.id, 1);
    return {};
  },
);

/** Erases some of the secrets that were deleted at or before a time. Resolves to how many. */
export const eraseDeleted = operation(
  import.meta.url,
  "eraseDeleted",
  function* (p: { readonly deletedBy: string; readonly limit: number }) {
    const rows = yield* all<{ id: string }>(
      "SELECT id FROM secrets WHERE deleted IS NOT NULL AND deleted <= ? LIMIT ? /*pg FOR UPDATE SKIP LOCKED */",
      p.deletedBy,
      p.limit,
    );
    for (const { id } of rows) yield* eraseSecret(id);
    return rows.length;
  },
);
