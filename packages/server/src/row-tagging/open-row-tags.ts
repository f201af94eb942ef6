import type { RootKeyRing } from "../crypto/root-key/ring.ts";
import { ProjectKeys } from "../keyring/project-keys.ts";
import { systemKey, unwrapSystemKey, wrapSystemKey } from "../keyring/system-keys.ts";
import type { Clock } from "../model/clock.ts";
import { ServerError } from "../model/server-error.ts";
import { findSystemKey } from "../store/operations/keys.ts";
import { finishTagging, hasNoTaggedRows } from "../store/operations/row-tags.ts";
import type { Store } from "../store/store.ts";
import { type TaggingProgress, type TaggingReport, tagExistingRows } from "./tag-existing-rows.ts";

export interface RowTagsOptions {
  /**
   * What to do with a database whose rows have no tags: from before rows had tags, or with its key of tags removed.
   * Only information outside the database distinguishes these two. Default `refuse`.
   */
  readonly untaggedRows?: "refuse" | "tag";
  /** Called after every few hundred rows. Default: nothing happens. */
  readonly onProgress?: (progress: TaggingProgress) => void;
  /** Called when rows got their tags. Default: nothing happens. */
  readonly onTagged?: (report: TaggingReport) => void;
}

/** What the keys are called in `system_keys`. */
export const rowTagKeys = {
  /** Its presence, sealed under the root key, says that all rows have tags. */
  complete: "row tags",
  /** While rows from before get their first tags. */
  unfinished: "row tags, unfinished",
  /** While the key is rotated: new tags are under it. */
  next: "row tags, next",
} as const;
const { complete, unfinished, next } = rowTagKeys;

/**
 * Gives the store the key of its rows' tags. An empty database gets its key here, and rows without a tag are refused
 * from then on. A database with rows and without a key is tagged once, if `untaggedRows` says so; a tagging that was
 * interrupted continues where it stopped.
 *
 * @throws `untagged_rows` for such a database otherwise
 */
export async function openRowTags(
  store: Store,
  rootKeys: RootKeyRing,
  clock: Clock,
  options: RowTagsOptions = {},
): Promise<void> {
  if (await start(store, rootKeys)) return;
  if (await store.read(hasNoTaggedRows, null)) {
    await store.startRowTags([await systemKey(store, rootKeys, complete)]);
    return;
  }
  // Another node may have been first.
  if (await start(store, rootKeys)) return;
  if (options.untaggedRows !== "tag")
    throw new ServerError(
      "untagged_rows",
      'row tags: the database has rows and no key for their tags. If it was written by a version from before rows had tags, stop every server of it and run "chatelaine server tag-rows" once; if not, it was changed behind the server\'s back: restore a backup',
    );
  const key = await systemKey(store, rootKeys, unfinished);
  await store.startRowTags([key]);
  const keys = new ProjectKeys({ store, rootKeys, clock });
  const report = await tagExistingRows(store, keys, options.onProgress ?? (() => undefined));
  await store.write(finishTagging, { unfinished, row: wrapSystemKey(complete, key, rootKeys) });
  options.onTagged?.(report);
}

async function start(store: Store, rootKeys: RootKeyRing): Promise<boolean> {
  const row = await store.read(findSystemKey, { name: complete });
  if (!row) return false;
  // Of an interrupted rotation.
  const newer = await store.read(findSystemKey, { name: next });
  const rows = newer ? [newer, row] : [row];
  await store.startRowTags(rows.map((one) => unwrapSystemKey(one, rootKeys)));
  return true;
}
