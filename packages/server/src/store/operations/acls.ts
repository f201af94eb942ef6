import { operation, run } from "../operation.ts";
import { updateRow } from "../tagged-rows.ts";
import { lockContainer } from "./container-members.ts";
import { lockSecret } from "./secrets.ts";

/** Sets or removes the ACL of a secret or container, unless the object was changed since `expectedTag` was read. */
export const setAcl = operation(
  import.meta.url,
  "setAcl",
  function* (p: {
    readonly kind: "secret" | "container";
    readonly id: string;
    readonly acl: string | null;
    readonly users: readonly string[];
    readonly expectedTag: Uint8Array | null;
    readonly now: string;
  }) {
    const change = { acl: p.acl, updated: p.now };
    if (p.kind === "secret") {
      const row = yield* lockSecret(p.id);
      if (!row || !sameBytes(row.tag, p.expectedTag)) return { refused: "changed" as const };
      yield* updateRow("secrets", row, change);
    } else {
      const found = yield* lockContainer(p.id);
      if (!found || !sameBytes(found.row.tag, p.expectedTag))
        return { refused: "changed" as const };
      yield* updateRow("containers", found.row, change, found.parts);
    }
    yield* run("DELETE FROM acl_users WHERE object_id = ?", p.id);
    for (const user of p.users)
      yield* run("INSERT INTO acl_users (user_id, object_id) VALUES (?, ?)", user, p.id);
    return {};
  },
);

function sameBytes(one: Uint8Array | null, other: Uint8Array | null): boolean {
  return one !== null && other !== null && Buffer.compare(one, other) === 0;
}
