import type { Mac } from "../crypto/mac.ts";
import {
  countEntriesThrough,
  deleteEntriesThrough,
  nextStoredChain,
} from "../store/operations/audit.ts";
import { findLastRemoved } from "../store/operations/audit-segments.ts";
import type { Store } from "../store/store.ts";
import {
  authenticSegment,
  type Segment,
  type SegmentRow,
  segmentName,
} from "./chain/audit-segment.ts";
import { chainsOf, segmentsOf, stateOf } from "./list-segments.ts";

/** Segments cannot be removed as they are. */
export class RemovalRefused extends Error {
  override readonly name = "RemovalRefused";
}

export interface RemovalChoice {
  /** Only segments whose last entry is older: a UTC time as entries have it, or its beginning. */
  readonly before?: string;
  /** Also those that were never exported. Needs `before`. */
  readonly force: boolean;
}

export interface ChosenSegment {
  readonly row: SegmentRow;
  readonly segment: Segment;
}

/** Entries at a time: each time is a transaction, for which other writes wait. */
const batchSize = 1_000;

/**
 * The segments to remove: from the beginning of each chain, up to the first one that stays.
 *
 * @throws RemovalRefused if `before` asks for one that was never exported, and it is not forced
 */
export async function chooseForRemoval(
  store: Store,
  key: Mac,
  { before, force }: RemovalChoice,
): Promise<readonly ChosenSegment[]> {
  if (force && before === undefined)
    throw new RemovalRefused(
      "give a time with --before: --force removes entries that were never exported",
    );
  const chosen: ChosenSegment[] = [];
  for await (const chain of chainsOf(store))
    for await (const each of segmentsOf(store, key, chain)) {
      const state = stateOf(each.segment);
      if (state === "removed" || state === "discarded") continue;
      if (before !== undefined && !(each.segment.last_at < before)) break;
      if (state === "exported" || force) chosen.push(each);
      else if (before === undefined) break;
      else
        throw new RemovalRefused(
          `segment ${segmentName(each.segment)} was never exported; export it first, or remove it with --force`,
        );
    }
  return chosen;
}

/**
 * Deletes the entries of segments that are marked as removed, some at a time; resolves to how many. What a crash leaves
 * over, the next call deletes.
 */
export async function deleteRemoved(
  store: Store,
  key: Mac,
  onDeleted: (entries: number) => void = () => undefined,
): Promise<number> {
  let deleted = 0;
  let next = await store.read(nextStoredChain, { after: null });
  while (next !== undefined) {
    const chain = next;
    next = await store.read(nextStoredChain, { after: chain });
    const row = await store.read(findLastRemoved, { chain });
    const removed = row && authenticSegment(key, row);
    if (!removed) continue;
    const through = removed.last_sequence;
    if ((await store.read(countEntriesThrough, { chain, through })) === 0) continue;
    for (;;) {
      const count = await store.write(deleteEntriesThrough, { chain, through, limit: batchSize });
      deleted += count;
      if (count > 0) onDeleted(deleted);
      if (count < batchSize) break;
    }
  }
  return deleted;
}
