import type { RootKeyRing } from "../crypto/root-key/ring.ts";
import { systemKey, unwrapSystemKey, wrapSystemKey } from "../keyring/system-keys.ts";
import { findSystemKey } from "../store/operations/keys.ts";
import { finishTagging, retagPage } from "../store/operations/row-tags.ts";
import type { Store } from "../store/store.ts";
import { type TaggedTable, taggedTableNames } from "../store/tagged-tables.ts";
import { rowTagKeys } from "./open-row-tags.ts";

const rowsAtOnce = 500;

/**
 * Gives every row a tag under a new key, which the current root key wraps, and forgets the old one. Others may read and
 * write at the same time through the same store, and through no other. Does nothing if the current root key wraps the key already.
 * An interrupted rotation continues: until it is complete, tags under both keys are accepted.
 */
export async function rotateRowTags(store: Store, rootKeys: RootKeyRing): Promise<void> {
  const { complete, next } = rowTagKeys;
  const row = await store.read(findSystemKey, { name: complete });
  if (!row || row.root_key_id === rootKeys.current.id) return;
  const old = unwrapSystemKey(row, rootKeys);
  const key = await systemKey(store, rootKeys, next);
  await store.startRowTags([key, old]);
  for (const table of taggedTableNames) await retag(store, table);
  const finished = wrapSystemKey(complete, key, rootKeys);
  await store.write(finishTagging, { unfinished: next, row: finished });
  await store.startRowTags([key]);
}

async function retag(store: Store, table: TaggedTable): Promise<void> {
  let after = await store.write(retagPage, { table, after: null, limit: rowsAtOnce });
  while (after) after = await store.write(retagPage, { table, after, limit: rowsAtOnce });
}
