import type { Mac } from "../crypto/mac.ts";
import { parseAuditLine } from "../model/audit-entry.ts";
import { ServerError } from "../model/server-error.ts";
import { nextAuditChain, readAuditChain } from "../store/operations/audit.ts";
import { findLastSegment, listSegments } from "../store/operations/audit-segments.ts";
import type { Store } from "../store/store.ts";
import {
  authenticSegment,
  type Segment,
  type SegmentRow,
  segmentName,
} from "./chain/audit-segment.ts";
import { entriesKept, removedThrough } from "./segment-sealer.ts";

/**
 * `open`: not sealed yet. `sealed`: can be exported. `exported`: can be removed. `removed`: only in archives.
 * `discarded`: removed by force, and in no archive.
 */
export type SegmentState = "open" | "sealed" | "exported" | "removed" | "discarded";

/** A part of the audit record, as administrators see it. */
export interface SegmentInfo {
  readonly chain: string;
  readonly segment: number;
  readonly state: SegmentState | "not authentic";
  readonly entries: number;
  /** Of the entries' text; absent while it is open. */
  readonly bytes?: number;
  /** UTC, of the first and the last entry. */
  readonly from: string;
  readonly to?: string;
  /** Of the segment's lines in the file that it was exported to, hex. */
  readonly sha256?: string;
}

const atOnce = 100;

/** All parts of the record, chain after chain, the open ones included. */
export async function segmentInfos(store: Store, key: Mac): Promise<readonly SegmentInfo[]> {
  const infos: SegmentInfo[] = [];
  for await (const chain of chainsOf(store)) {
    for await (const row of rowsOf(store, chain)) infos.push(infoOf(key, row));
    const open = await openPart(store, chain);
    if (open) infos.push(open);
  }
  return infos;
}

/**
 * The authentic segments of a chain, in order.
 *
 * @throws `integrity` at one that is not authentic
 */
export async function* segmentsOf(
  store: Store,
  key: Mac,
  chain: string,
): AsyncGenerator<{ readonly row: SegmentRow; readonly segment: Segment }> {
  for await (const row of rowsOf(store, chain)) {
    const segment = authenticSegment(key, row);
    if (!segment)
      throw new ServerError(
        "integrity",
        `audit segment ${segmentName(row)}: its row is not authentic; run "chatelaine server audit verify"`,
      );
    yield { row, segment };
  }
}

/** The chains of the record. */
export async function* chainsOf(store: Store): AsyncGenerator<string> {
  let chain = await store.read(nextAuditChain, { after: null });
  while (chain !== undefined) {
    yield chain;
    chain = await store.read(nextAuditChain, { after: chain });
  }
}

export function stateOf({ exported, removed }: Segment): SegmentState {
  if (removed !== null) return exported === null ? "discarded" : "removed";
  return exported === null ? "sealed" : "exported";
}

async function* rowsOf(store: Store, chain: string): AsyncGenerator<SegmentRow> {
  for (let after = 0; ; ) {
    const rows = await store.read(listSegments, { chain, after, limit: atOnce });
    yield* rows;
    const last = rows.at(-1);
    if (!last) return;
    after = last.number;
  }
}

function infoOf(key: Mac, row: SegmentRow): SegmentInfo {
  const segment = authenticSegment(key, row);
  return {
    chain: row.chain,
    segment: row.number,
    state: segment ? stateOf(segment) : "not authentic",
    entries: row.last_sequence - row.first_sequence + 1,
    bytes: row.bytes,
    from: row.first_at,
    to: row.last_at,
    ...(row.digest !== null && { sha256: row.digest }),
  };
}

async function openPart(store: Store, chain: string): Promise<SegmentInfo | undefined> {
  const last = await store.read(findLastSegment, { chain });
  const after = last?.last_sequence ?? 0;
  const [first] = await store.read(readAuditChain, { chain, after, limit: 1 });
  if (!first) return undefined;
  const kept = await entriesKept(store, chain);
  const sealed = after - (await removedThrough(store, chain));
  return {
    chain,
    segment: (last?.number ?? 0) + 1,
    state: "open",
    entries: kept - sealed,
    from: parseAuditLine(first.line).at,
  };
}
