import { operation, run } from "../operation.ts";
import { hasProjectKey } from "./keys.ts";

/** Sets or removes the ACL of a secret or container, unless it was changed since `expectedTag` was read. */
export const setAcl = operation(
  import.meta.url,
  "setAcl",
  function* (p: {
    readonly kind: "secret" | "container";
    readonly id: string;
    readonly projectId: string;
    readonly acl: string | null;
    readonly users: readonly string[];
    readonly tag: Uint8Array;
    readonly tagGeneration: number;
    readonly expectedTag: Uint8Array;
    readonly now: string;
  }) {
    if (!(yield* hasProjectKey(p.projectId, p.tagGeneration)))
      return { refused: "stale_key" as const };
    const alive = p.kind === "secret" ? " AND deleted IS NULL" : "";
    const changes = yield* run(
      `UPDATE ${p.kind}s SET acl = ?, tag = ?, tag_generation = ?, updated = ?
       WHERE id = ? AND tag = ?${alive}`,
      p.acl,
      p.tag,
      p.tagGeneration,
      p.now,
      p.id,
      p.expectedTag,
    );
    if (changes === 0) return { refused: "changed" as const };
    yield* run("DELETE FROM acl_users WHERE object_id = ?", p.id);
    for (const user of p.users)
      yield* run("INSERT INTO acl_users (user_id, object_id) VALUES (?, ?)", user, p.id);
    return {};
  },
);
