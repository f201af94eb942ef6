import { all, one, operation, run, type Steps } from "../operation.ts";
import {
  columnsOf,
  insertRow,
  type Tagged,
  updateRow,
  verifiedAll,
  verifiedIfAny,
} from "../tagged-rows.ts";
import { isFull } from "./items.ts";
import { lockSecret } from "./secrets.ts";

/** One user-defined key and value of a secret. Keys are lower-case. */
export interface Metadatum {
  readonly key: string;
  readonly value: string;
}

interface MetadatumRow extends Metadatum {
  readonly secret_id: string;
}

const columns = columnsOf("secret_metadata");

export const findMetadata = operation(
  import.meta.url,
  "findMetadata",
  function* (p: { readonly secretId: string }) {
    const rows = yield* all<Tagged<MetadatumRow>>(
      `SELECT ${columns} FROM secret_metadata WHERE secret_id = ? ORDER BY key`,
      p.secretId,
    );
    return (yield* verifiedAll("secret_metadata", rows)).map(({ key, value }) => ({ key, value }));
  },
);

export const replaceMetadata = operation(
  import.meta.url,
  "replaceMetadata",
  function* (p: { readonly secretId: string; readonly metadata: readonly Metadatum[] }) {
    if (!(yield* lockSecret(p.secretId))) return { refused: "not_found" as const };
    yield* run("DELETE FROM secret_metadata WHERE secret_id = ?", p.secretId);
    // Of two values under one key the last one counts.
    for (const [key, value] of new Map(p.metadata.map((datum) => [datum.key, datum.value])))
      yield* insertRow("secret_metadata", { secret_id: p.secretId, key, value });
    return {};
  },
);

export const insertMetadatum = operation(
  import.meta.url,
  "insertMetadatum",
  function* (p: { readonly secretId: string; readonly maxItems: number } & Metadatum) {
    if (!(yield* lockSecret(p.secretId))) return { refused: "not_found" as const };
    const row = { secret_id: p.secretId, key: p.key, value: p.value };
    const added = yield* insertRow("secret_metadata", row, { conflict: "ON CONFLICT DO NOTHING" });
    if (added === 0) return { refused: "conflict" as const };
    // With the new one.
    const over = yield* isFull("secret_metadata", p.secretId, p.maxItems + 1);
    return over ? { refused: "too_many" as const } : {};
  },
);

export const updateMetadatum = operation(
  import.meta.url,
  "updateMetadatum",
  function* (p: { readonly secretId: string } & Metadatum) {
    const row = yield* lockMetadatum(p.secretId, p.key);
    if (!row) return { refused: "not_found" as const };
    yield* updateRow("secret_metadata", row, { value: p.value });
    return {};
  },
);

function* lockMetadatum(secretId: string, key: string): Steps<Tagged<MetadatumRow> | undefined> {
  const row = yield* one<Tagged<MetadatumRow>>(
    `SELECT ${columns} FROM secret_metadata WHERE secret_id = ? AND key = ? /*pg FOR UPDATE */`,
    secretId,
    key,
  );
  return yield* verifiedIfAny("secret_metadata", row);
}

export const deleteMetadatum = operation(
  import.meta.url,
  "deleteMetadatum",
  function* (p: { readonly secretId: string; readonly key: string }) {
    yield* run("DELETE FROM secret_metadata WHERE secret_id = ? AND key = ?", p.secretId, p.key);
    return {};
  },
);
