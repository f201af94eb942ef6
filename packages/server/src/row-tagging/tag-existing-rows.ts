import type { ProjectKeys } from "../keyring/project-keys.ts";
import { isServerError } from "../model/server-error.ts";
import { type FoundRow, pageOfRows, writeTags } from "../store/operations/row-tags.ts";
import type { Store } from "../store/store.ts";
import { keyOf } from "../store/tagged-rows.ts";
import { type TaggedTable, taggedTableNames } from "../store/tagged-tables.ts";
import { isOwnershipTag } from "./ownership-tag.ts";

const rowsAtOnce = 500;

/** How far the tagging is. */
export interface TaggingProgress {
  readonly table: string;
  /** Rows of this table that were looked at so far. */
  readonly rows: number;
}

export interface TaggingReport {
  /** Rows that got a tag. */
  readonly tagged: number;
  /** Table and key of those that got none, because an earlier tag says that they were changed. They stay refused. */
  readonly damaged: readonly string[];
}

/**
 * Tags the rows of a database from before rows had tags. Where a row had a tag of ownership, that is checked first.
 * Rows that have their tag are left alone, so that an interrupted tagging can be run again.
 */
export async function tagExistingRows(
  store: Store,
  keys: ProjectKeys,
  onProgress: (progress: TaggingProgress) => void,
): Promise<TaggingReport> {
  const damaged: string[] = [];
  let tagged = 0;
  for (const table of taggedTableNames) {
    let rows = 0;
    for await (const page of pagesOf(store, table)) {
      const pending: FoundRow[] = [];
      for (const found of page) {
        if (found.authentic) continue;
        if (await mayTag(keys, table, found)) pending.push(found);
        else damaged.push(`${table} ${keyOf(table, found.row)}`);
      }
      if (pending.length > 0) await store.write(writeTags, { table, found: pending });
      tagged += pending.length;
      rows += page.length;
      onProgress({ table, rows });
    }
  }
  return { tagged, damaged };
}

/** All rows of a table, page by page. */
export async function* pagesOf(
  store: Store,
  table: TaggedTable,
): AsyncGenerator<readonly FoundRow[]> {
  let after: FoundRow["row"] | null = null;
  do {
    const page: readonly FoundRow[] = await store.read(pageOfRows, {
      table,
      after,
      limit: rowsAtOnce,
    });
    if (page.length > 0) yield page;
    after = page.at(-1)?.row ?? null;
  } while (after);
}

async function mayTag(keys: ProjectKeys, table: TaggedTable, found: FoundRow): Promise<boolean> {
  const { row } = found;
  if (table !== "secrets" && table !== "containers") return row.tag === null;
  const { tag, tag_generation: generation } = row;
  if (tag === null || typeof generation !== "number") return false;
  const owner = {
    kind: table === "secrets" ? ("secret" as const) : ("container" as const),
    id: String(row["id"]),
    projectId: String(row["project_id"]),
    creatorId: String(row["creator_id"]),
    acl: textOf(row["acl"]),
    expiration: textOf(row["expiration"]),
  };
  try {
    return isOwnershipTag(await keys.byGeneration(owner.projectId, generation), owner, tag);
  } catch (error) {
    if (isServerError(error, "integrity")) return false;
    throw error;
  }
}

function textOf(value: unknown): string | null {
  return typeof value === "string" ? value : null;
}
