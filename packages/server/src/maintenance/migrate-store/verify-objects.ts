import { open } from "../../crypto/seal.ts";
import { type ProjectKeys, payloadContext } from "../../keyring/project-keys.ts";
import { isServerError } from "../../model/server-error.ts";
import { pagesOf } from "../../row-tagging/tag-existing-rows.ts";
import { all, operation } from "../../store/operation.ts";
import type { SecretWithPayload } from "../../store/operations/secrets.ts";
import type { Store } from "../../store/store.ts";
import { keyOf } from "../../store/tagged-rows.ts";
import { type TaggedTable, taggedTableNames } from "../../store/tagged-tables.ts";

const objectsAtOnce = 500;

export const pageOfPayloads = operation(
  import.meta.url,
  "pageOfPayloads",
  function* (p: { readonly after: string }) {
    return yield* all<SecretWithPayload>(
      `SELECT s.*, p.generation, p.sealed FROM secrets s
       JOIN payloads p ON p.secret_id = s.id WHERE s.id > ? ORDER BY s.id LIMIT ?`,
      p.after,
      objectsAtOnce,
    );
  },
);

export interface Verification {
  /** Secrets and containers that were looked at. */
  readonly objects: number;
  /**
   * What is not authentic, and cannot be read here or there: ids of secrets and containers, whose row or payload it
   * is, and of other rows their table and key.
   */
  readonly damaged: readonly string[];
}

/** Checks every row's tag, and opens every payload. */
export async function verifyObjects(store: Store, keys: ProjectKeys): Promise<Verification> {
  const damaged = new Set<string>();
  let objects = 0;
  for (const table of taggedTableNames)
    for await (const page of pagesOf(store, table)) {
      if (isObject(table)) objects += page.length;
      for (const { row, authentic } of page)
        if (!authentic) damaged.add(`${isObject(table) ? "" : `${table} `}${keyOf(table, row)}`);
    }
  for await (const row of payloads(store)) if (!(await opens(keys, row))) damaged.add(row.id);
  return { objects, damaged: [...damaged] };
}

function isObject(table: TaggedTable): boolean {
  return table === "secrets" || table === "containers";
}

async function opens(keys: ProjectKeys, row: SecretWithPayload): Promise<boolean> {
  if (row.sealed === null || row.generation === null) return true;
  try {
    const key = await keys.byGeneration(row.project_id, row.generation);
    const context = payloadContext(row.project_id, row.id, row.content_type ?? "");
    open(key.sealing, context, row.sealed).fill(0);
    return true;
  } catch (error) {
    if (isServerError(error, "integrity")) return false;
    throw error;
  }
}

async function* payloads(store: Store): AsyncGenerator<SecretWithPayload> {
  for (let after = ""; ; ) {
    const rows: readonly SecretWithPayload[] = await store.read(pageOfPayloads, { after });
    yield* rows;
    const last = rows.at(-1);
    if (!last) return;
    after = last.id;
  }
}
