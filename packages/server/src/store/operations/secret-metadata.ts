import { all, one, operation, run, type Steps } from "../operation.ts";
import { isFull } from "./items.ts";

/** One user-defined key and value of a secret. Keys are lower-case. */
export interface Metadatum {
  readonly key: string;
  readonly value: string;
}

export const findMetadata = operation(
  import.meta.url,
  "findMetadata",
  function* (p: { readonly secretId: string }) {
    return yield* all<Metadatum>(
      "SELECT key, value FROM secret_metadata WHERE secret_id = ? ORDER BY key",
      p.secretId,
    );
  },
);

function* lockSecret(secretId: string): Steps<boolean> {
  const found = yield* one(
    "SELECT id FROM secrets WHERE id = ? AND deleted IS NULL /*pg FOR UPDATE */",
    secretId,
  );
  return found !== undefined;
}

export const replaceMetadata = operation(
  import.meta.url,
  "replaceMetadata",
  function* (p: { readonly secretId: string; readonly metadata: readonly Metadatum[] }) {
    if (!(yield* lockSecret(p.secretId))) return { refused: "not_found" as const };
    yield* run("DELETE FROM secret_metadata WHERE secret_id = ?", p.secretId);
    for (const { key, value } of p.metadata)
      yield* run(
        `INSERT INTO secret_metadata (secret_id, key, value) VALUES (?, ?, ?)
         ON CONFLICT (secret_id, key) DO UPDATE SET value = excluded.value`,
        p.secretId,
        key,
        value,
      );
    return {};
  },
);

export const insertMetadatum = operation(
  import.meta.url,
  "insertMetadatum",
  function* (p: { readonly secretId: string; readonly maxItems: number } & Metadatum) {
    if (!(yield* lockSecret(p.secretId))) return { refused: "not_found" as const };
    const changes = yield* run(
      "INSERT INTO secret_metadata (secret_id, key, value) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
      p.secretId,
      p.key,
      p.value,
    );
    if (changes === 0) return { refused: "conflict" as const };
    // With the new one.
    const over = yield* isFull("secret_metadata", p.secretId, p.maxItems + 1);
    return over ? { refused: "too_many" as const } : {};
  },
);

export const updateMetadatum = operation(
  import.meta.url,
  "updateMetadatum",
  function* (p: { readonly secretId: string } & Metadatum) {
    const changes = yield* run(
      "UPDATE secret_metadata SET value = ? WHERE secret_id = ? AND key = ?",
      p.value,
      p.secretId,
      p.key,
    );
    return changes > 0 ? {} : { refused: "not_found" as const };
  },
);

export const deleteMetadatum = operation(
  import.meta.url,
  "deleteMetadatum",
  function* (p: { readonly secretId: string; readonly key: string }) {
    yield* run("DELETE FROM secret_metadata WHERE secret_id = ? AND key = ?", p.secretId, p.key);
    return {};
  },
);
