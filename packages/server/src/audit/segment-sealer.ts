import type { Mac } from "../crypto/mac.ts";
import { parseAuditLine } from "../model/audit-entry.ts";
import type { Clock } from "../model/clock.ts";
import { lastAuditSequence, nextStoredChain, readAuditChain } from "../store/operations/audit.ts";
import {
  findAuditUpgrade,
  findLastRemoved,
  findLastSegment,
  insertSegment,
  measureEntries,
} from "../store/operations/audit-segments.ts";
import type { Store } from "../store/store.ts";
import { type ChainPlace, chainStart } from "./chain/audit-chain.ts";
import {
  authenticSegment,
  authenticUpgrade,
  isBytes,
  placeAfter,
  type SegmentFields,
  sealedRow,
} from "./chain/audit-segment.ts";

/** When an open part of the record is sealed: at the first of these. */
export interface SegmentLimits {
  readonly entries: number;
  /** Of the entries' lines. A segment may have a little more. */
  readonly bytes: number;
  /** Age of its first entry. */
  readonly seconds: number;
}

export const defaultSegmentLimits: SegmentLimits = {
  entries: 100_000,
  bytes: 67_108_864,
  seconds: 86_400,
};

export interface SealerOptions {
  readonly store: Store;
  readonly clock: Clock;
  /** See `sealMac`. */
  readonly key: Mac;
  readonly limits: SegmentLimits;
}

/** How much is looked at in one go, so that requests are answered in between. */
const step = 2_000;

export interface SealOptions {
  readonly now?: boolean;
  readonly maxEntries?: number;
}

interface Part {
  readonly place: ChainPlace;
  readonly number: number;
}

/**
 * Cuts the record into sealed segments. A seal changes no entry and needs no pause: it is a row that says how far a
 * chain had come. Several nodes may do it at once; one of them succeeds.
 *
 * Sealing does not verify the entries: `audit verify` and `audit export` do.
 */
export class SegmentSealer {
  readonly #options: SealerOptions;

  constructor(options: SealerOptions) {
    this.#options = options;
  }

  /**
   * Seals what is due in every chain; resolves to how many segments.
   *
   * @param options.now everything that is there, whatever the limits say. Default false
   * @param options.maxEntries stops after about so many. Default: no limit
   */
  async sealAll({ now = false, maxEntries = Infinity }: SealOptions = {}): Promise<number> {
    const { store } = this.#options;
    let [sealed, entries] = [0, 0];
    let chain = await store.read(nextStoredChain, { after: null });
    while (chain !== undefined && entries < maxEntries) {
      const fields = await this.#sealOne(chain, now);
      if (fields) {
        sealed += 1;
        entries += fields.last_sequence - fields.first_sequence + 1;
      } else chain = await store.read(nextStoredChain, { after: chain });
    }
    return sealed;
  }

  /** Seals one segment of a chain, if one is due and no other node seals it. */
  async #sealOne(chain: string, now: boolean): Promise<SegmentFields | undefined> {
    const begin = await this.#openPart(chain);
    const fields = begin && (await this.#nextSegment(chain, begin, now));
    if (!fields) return undefined;
    const row = sealedRow(this.#options.key, fields);
    return (await this.#options.store.write(insertSegment, { row })) ? fields : undefined;
  }

  /** Where the open part begins. Undefined if that is not authentic, which `audit verify` reports. */
  async #openPart(chain: string): Promise<Part | undefined> {
    const row = await this.#options.store.read(findLastSegment, { chain });
    if (!row) return { place: chainStart, number: 1 };
    const last = authenticSegment(this.#options.key, row);
    return last && { place: placeAfter(last), number: last.number + 1 };
  }

  async #nextSegment(
    chain: string,
    { place, number }: Part,
    now: boolean,
  ): Promise<SegmentFields | undefined> {
    const { store, clock, limits, key } = this.#options;
    const [first] = await store.read(readAuditChain, { chain, after: place.sequence, limit: 1 });
    if (first?.sequence !== place.sequence + 1) return undefined;
    const upgradeRow = await store.read(findAuditUpgrade, { chain });
    const upgrade = upgradeRow && authenticUpgrade(key, upgradeRow);
    if (upgradeRow && !upgrade) return undefined;
    const legacy = upgrade !== undefined && place.sequence < upgrade.last_sequence;
    const most = Math.min(
      limits.entries,
      legacy ? upgrade.last_sequence - place.sequence : limits.entries,
    );
    let entries = 0;
    let bytes = 0;
    while (entries < most && bytes < limits.bytes) {
      const limit = Math.min(step, most - entries);
      const after = place.sequence + entries;
      const part = await store.read(measureEntries, { chain, after, limit });
      if (part.last !== after + part.entries) return undefined;
      entries += part.entries;
      bytes += part.bytes;
      if (part.entries < limit) break;
    }
    const lastSequence = place.sequence + entries;
    const complete =
      entries >= limits.entries ||
      bytes >= limits.bytes ||
      (legacy && lastSequence === upgrade.last_sequence);
    const firstAt = timeOf(first.line);
    if (!complete && !now && !isOlder(firstAt, clock.nowMs() - limits.seconds * 1_000))
      return undefined;
    const [last] = await store.read(readAuditChain, { chain, after: lastSequence - 1, limit: 1 });
    if (!last || last.sequence !== lastSequence || !isBytes(last.mac)) return undefined;
    return {
      chain,
      number,
      format: legacy ? 1 : 2,
      first_sequence: first.sequence,
      last_sequence: lastSequence,
      previous: place.mac.length === 0 ? null : place.mac,
      head: last.mac,
      bytes,
      first_at: firstAt,
      last_at: timeOf(last.line),
      sealed: clock.timestamp(),
      exported: null,
      digest: null,
      removed: null,
    };
  }
}

/** How many entries of a chain are in the database, by their numbers. */
export async function entriesKept(store: Store, chain: string): Promise<number> {
  const last = await store.read(lastAuditSequence, { chain });
  return Math.max(0, last - (await removedThrough(store, chain)));
}

/** The number of a chain's last removed entry; 0 if none was removed. */
export async function removedThrough(store: Store, chain: string): Promise<number> {
  const removed = await store.read(findLastRemoved, { chain });
  return removed?.last_sequence ?? 0;
}

/** An entry's own time; empty if the line is not an entry's. */
function timeOf(line: unknown): string {
  try {
    return parseAuditLine(String(line)).at;
  } catch {
    return "";
  }
}

/** What says no time is old. */
function isOlder(at: string, thanMs: number): boolean {
  const time = Date.parse(`${at}Z`);
  return Number.isNaN(time) || time <= thanMs;
}
