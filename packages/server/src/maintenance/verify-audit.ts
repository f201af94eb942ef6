import { AuditProblem } from "../audit/audit-problem.ts";
import type { OnAuditProgress } from "../audit/audit-progress.ts";
import { type ChainPlace, chainStart } from "../audit/chain/audit-chain.ts";
import { type AuditKeys, auditKeyId, sealMac } from "../audit/chain/audit-keys.ts";
import {
  authenticSegment,
  authenticUpgrade,
  placeAfter,
  placeBefore,
  type Segment,
  type Upgrade,
} from "../audit/chain/audit-segment.ts";
import { type ChainHead, type MissingHead, NotedHeads } from "../audit/noted-heads.ts";
import { entriesKept, removedThrough } from "../audit/segment-sealer.ts";
import type { ArchiveCheck, ArchivedSegment, BrokenArchive } from "../audit/verify-archives.ts";
import { type WalkedEntry, walkChain } from "../audit/walk-chain.ts";
import type { Mac } from "../crypto/mac.ts";
import {
  countEntriesThrough,
  hasStrayEntries,
  nextAuditChain,
  readAuditChain,
} from "../store/operations/audit.ts";
import { findAuditUpgrade, listSegments } from "../store/operations/audit-segments.ts";
import type { Store } from "../store/store.ts";

/** Some entries of a chain, by their numbers. */
export interface EntryRange {
  readonly chain: string;
  readonly from: number;
  readonly to: number;
}

/** What the audit record's chains prove. */
export interface AuditReport {
  /** Authentic entries that were read, in the database and in archives. */
  readonly entries: number;
  /** Entries that were removed from the database. */
  readonly removed: number;
  /** Keep these elsewhere to find out later, by `audit verify --noted`, that no tail is missing. */
  readonly chains: readonly ChainHead[];
  /** Of each chain, the first entry that is not authentic; empty if all are. */
  readonly broken: readonly {
    readonly chain: string;
    readonly sequence: number;
    readonly reason: string;
  }[];
  /** Chains that were longer, or others, when their heads were noted. */
  readonly missing: readonly MissingHead[];
  /** Archives that cannot be read, or are not authentic. */
  readonly files: readonly BrokenArchive[];
  /** Only where archives were given: removed entries that none of them holds. */
  readonly gaps: readonly EntryRange[];
  /** Entries that an administrator removed by force: they were never exported. */
  readonly discarded: readonly EntryRange[];
  /** Entries of removed segments that are still in the database: `audit remove` was interrupted. */
  readonly leftOver: readonly { readonly chain: string; readonly entries: number }[];
}

export interface VerifyAuditOptions {
  readonly store: Store;
  readonly keys: AuditKeys;
  /** Of an earlier report; they must still be there. The archives have been looked at for them. */
  readonly noted?: NotedHeads;
  /** What the archives hold; together with the database they must be one record. */
  readonly archives?: ArchiveCheck;
  readonly onProgress?: OnAuditProgress;
}

const segmentsAtOnce = 100;

/** Of a chain, where segments are removed while it is verified. */
const maxTries = 5;

/** Recomputes every chain of the audit record. Its memory does not grow with the record. */
export async function verifyAudit(options: VerifyAuditOptions): Promise<AuditReport> {
  const verification = new Verification(options);
  const { store } = options;
  await verification.begin();
  let chain = await store.read(nextAuditChain, { after: null });
  while (chain !== undefined) {
    await verification.chain(chain);
    chain = await store.read(nextAuditChain, { after: chain });
  }
  return verification.report();
}

class Verification {
  readonly #store: Store;
  readonly #keys: AuditKeys;
  readonly #seal: Mac;
  readonly #noted: NotedHeads;
  readonly #archives: ArchiveCheck | undefined;
  readonly #matched = new Set<ArchivedSegment>();
  readonly #archived = new Map<string, Map<number, ArchivedSegment>>();
  readonly #onProgress: OnAuditProgress;
  /** First MACs of chains in the old format, which does not cover their names. */
  readonly #legacyChains = new Map<string, string>();
  readonly #chains: ChainHead[] = [];
  readonly #broken: { chain: string; sequence: number; reason: string }[] = [];
  readonly #files: BrokenArchive[];
  readonly #gaps: EntryRange[] = [];
  readonly #discarded: EntryRange[] = [];
  readonly #leftOver: { chain: string; entries: number }[] = [];
  #entries = 0;
  #removed = 0;
  #total = 0;

  constructor(options: VerifyAuditOptions) {
    this.#store = options.store;
    this.#keys = options.keys;
    this.#seal = sealMac(options.keys.current);
    this.#noted = options.noted ?? new NotedHeads([]);
    this.#archives = options.archives;
    this.#onProgress = options.onProgress ?? (() => undefined);
    this.#files = [...(options.archives?.broken ?? [])];
  }

  async begin(): Promise<void> {
    this.#takeArchives(auditKeyId(this.#keys.current));
    let chain = await this.#store.read(nextAuditChain, { after: null });
    while (chain !== undefined) {
      this.#total += await entriesKept(this.#store, chain);
      chain = await this.#store.read(nextAuditChain, { after: chain });
    }
  }

  async chain(chain: string): Promise<void> {
    for (let tries = 1; ; tries++) {
      const removed = await removedThrough(this.#store, chain);
      const walked = newWalk();
      try {
        await this.#walk(chain, walked);
      } catch (error) {
        if (!(error instanceof AuditProblem)) throw error;
        // Its entries may be missing because a segment was removed in the meantime.
        if (tries < maxTries && (await removedThrough(this.#store, chain)) !== removed) continue;
        walked.problem = error;
      }
      this.#keep(chain, walked);
      return;
    }
  }

  #keep(chain: string, walked: Walked): void {
    const { place, problem } = walked;
    const name = nameOf(chain);
    if (problem)
      this.#broken.push({ chain: name, sequence: problem.sequence, reason: problem.message });
    this.#noted.end(chain, place.sequence);
    const head = Buffer.from(place.mac).toString("hex");
    this.#chains.push({ chain: name, entries: place.sequence, head });
    this.#entries += walked.entries;
    this.#removed += walked.removed.sequence;
    this.#gaps.push(...walked.gaps);
    this.#discarded.push(...walked.discarded);
    if (walked.leftOver > 0) this.#leftOver.push({ chain: name, entries: walked.leftOver });
  }

  report(): AuditReport {
    // What was archived and is of no segment in the database.
    for (const [chain, segments] of this.#archived)
      for (const segment of segments.values())
        if (!this.#matched.has(segment))
          this.#broken.push({
            chain,
            sequence: segment.first,
            reason: "an archived segment that the database does not know",
          });
    return {
      entries: this.#entries + (this.#archives?.entries ?? 0),
      removed: this.#removed,
      chains: this.#chains,
      broken: this.#broken,
      missing: this.#noted.missing(),
      files: this.#files,
      gaps: this.#gaps,
      discarded: this.#discarded,
      leftOver: this.#leftOver,
    };
  }

  /** @throws AuditProblem */
  async #walk(chain: string, walked: Walked): Promise<void> {
    if (typeof chain !== "string") throw new AuditProblem(1, "its name is not a text");
    if (await this.#store.read(hasStrayEntries, { chain }))
      throw new AuditProblem(1, "an entry has a number that the server never gives");
    const upgrade = await this.#upgradeOf(chain);
    for (let number = 0; ; ) {
      const rows = await this.#store.read(listSegments, {
        chain,
        after: number,
        limit: segmentsAtOnce,
      });
      for (const row of rows) {
        number += 1;
        const next = walked.place.sequence + 1;
        const segment = authenticSegment(this.#seal, row);
        if (!segment) throw new AuditProblem(next, `segment ${number} is not authentic`);
        assertFollows(segment, number, walked.place, upgrade);
        await this.#segment(segment, walked, upgrade);
        assertUpgrade(walked.place, upgrade);
      }
      if (rows.length < segmentsAtOnce) break;
    }
    const { sequence: through } = walked.removed;
    walked.leftOver = await this.#store.read(countEntriesThrough, { chain, through });
    await this.#entriesUntil(chain, walked, upgrade);
    if (upgrade && walked.place.sequence < upgrade.last_sequence)
      throw new AuditProblem(
        walked.place.sequence + 1,
        "entries from before the upgrade are missing",
      );
  }

  async #segment(segment: Segment, walked: Walked, upgrade: Upgrade | undefined): Promise<void> {
    const { chain, first_sequence: first, last_sequence: last } = segment;
    const archived = this.#takeArchived(segment);
    if (segment.removed === null) {
      await this.#entriesUntil(chain, walked, upgrade, last);
      if (!sameBytes(walked.place.mac, segment.head))
        throw new AuditProblem(last, "a segment does not end with the entry it was sealed with");
      return;
    }
    if (walked.removed.sequence !== first - 1)
      throw new AuditProblem(first, "a segment was removed from the middle of a chain");
    walked.place = placeAfter(segment);
    walked.removed = walked.place;
    this.#noted.see(chain, last, segment.head);
    if (segment.exported === null) walked.discarded.push({ chain, from: first, to: last });
    else if (this.#archives && !archived) walked.gaps.push({ chain, from: first, to: last });
  }

  /** Walks entries up to one, or to the chain's end, each part in the format that it must have. */
  async #entriesUntil(
    chain: string,
    walked: Walked,
    upgrade: Upgrade | undefined,
    through?: number,
  ): Promise<void> {
    const legacyThrough = upgrade?.last_sequence ?? 0;
    if (upgrade && walked.place.sequence < legacyThrough) {
      await this.#refuseCopy(chain, walked.place);
      const until = Math.min(legacyThrough, through ?? legacyThrough);
      await this.#entriesOf(chain, 1, walked, until);
      assertUpgrade(walked.place, upgrade);
    }
    if (through === undefined || walked.place.sequence < through)
      await this.#entriesOf(chain, 2, walked, through);
  }

  async #entriesOf(
    chain: string,
    format: 1 | 2,
    walked: Walked,
    through: number | undefined,
  ): Promise<void> {
    const wanted = this.#noted.sequenceOf(chain);
    const onEntries = (entries: readonly WalkedEntry[]) => {
      const last = entries.at(-1);
      if (!last) return;
      walked.place = { sequence: last.sequence, mac: last.mac };
      const noted =
        wanted === undefined ? undefined : entries[wanted - (entries[0]?.sequence ?? 0)];
      if (noted) this.#noted.see(chain, noted.sequence, noted.mac);
      walked.entries += entries.length;
      const doneEntries = this.#entries + walked.entries;
      this.#onProgress({ doneEntries, totalEntries: Math.max(this.#total, doneEntries) });
    };
    walked.place = await walkChain({
      store: this.#store,
      keys: this.#keys,
      chain,
      format,
      from: walked.place,
      ...(through !== undefined && { through }),
      onEntries,
    });
  }

  async #upgradeOf(chain: string): Promise<Upgrade | undefined> {
    const row = await this.#store.read(findAuditUpgrade, { chain });
    const upgrade = row && authenticUpgrade(this.#seal, row);
    if (row && !upgrade) throw new AuditProblem(1, "its point of upgrade is not authentic");
    return upgrade;
  }

  /** Two chains of the old format with one first entry: one is a copy, from before the upgrade. */
  async #refuseCopy(chain: string, { sequence }: ChainPlace): Promise<void> {
    if (sequence > 0) return;
    const [first] = await this.#store.read(readAuditChain, { chain, after: 0, limit: 1 });
    if (!(first?.mac instanceof Uint8Array)) return;
    const mac = Buffer.from(first.mac).toString("base64");
    const other = this.#legacyChains.get(mac);
    if (other !== undefined && other !== chain)
      throw new AuditProblem(1, `the same entries as in chain ${other}`);
    this.#legacyChains.set(mac, chain);
  }

  #takeArchives(sealedBy: string): void {
    for (const segment of this.#archives?.segments ?? []) {
      const { file, chain, number } = segment;
      const of = this.#archived.get(chain) ?? new Map<number, ArchivedSegment>();
      const other = of.get(number);
      const name = `${chain}/${number}`;
      if (segment.sealedBy !== sealedBy)
        this.#files.push({ file, segment: name, reason: "it is of another database" });
      else if (other && other.head !== segment.head)
        this.#files.push({
          file,
          segment: name,
          reason: `it differs from the one in ${other.file}`,
        });
      else this.#archived.set(chain, of.set(number, segment));
    }
  }

  /** @throws AuditProblem if the archive holds something else */
  #takeArchived(segment: Segment): boolean {
    const { chain, number } = segment;
    const archived = this.#archived.get(chain)?.get(number);
    if (!archived) return false;
    this.#matched.add(archived);
    const same =
      archived.first === segment.first_sequence &&
      archived.last === segment.last_sequence &&
      archived.previous === Buffer.from(segment.previous ?? []).toString("hex") &&
      archived.head === Buffer.from(segment.head).toString("hex");
    if (!same)
      throw new AuditProblem(
        segment.first_sequence,
        `segment ${number} differs from the one in ${archived.file}`,
      );
    return true;
  }
}

/** How far a walk has come. */
interface Walked {
  place: ChainPlace;
  /** The end of the removed segments. */
  removed: ChainPlace;
  entries: number;
  leftOver: number;
  readonly gaps: EntryRange[];
  readonly discarded: EntryRange[];
  problem: AuditProblem | undefined;
}

function newWalk(): Walked {
  return {
    place: chainStart,
    removed: chainStart,
    entries: 0,
    leftOver: 0,
    gaps: [],
    discarded: [],
    problem: undefined,
  };
}

function assertFollows(
  segment: Segment,
  number: number,
  place: ChainPlace,
  upgrade: Upgrade | undefined,
): void {
  const next = place.sequence + 1;
  if (segment.number !== number || segment.first_sequence !== next)
    throw new AuditProblem(next, `segment ${number} is missing`);
  if (!sameBytes(placeBefore(segment).mac, place.mac))
    throw new AuditProblem(next, `segment ${number} does not follow the entry before it`);
  const format = upgrade && segment.last_sequence <= upgrade.last_sequence ? 1 : 2;
  if (segment.format !== format)
    throw new AuditProblem(next, `segment ${number} has another format than its entries`);
}

function assertUpgrade(place: ChainPlace, upgrade: Upgrade | undefined): void {
  if (place.sequence === upgrade?.last_sequence && !sameBytes(place.mac, upgrade.head))
    throw new AuditProblem(place.sequence, "the chain differs from the one that was upgraded");
}

/** SQLite keeps any type in any column. */
function nameOf(chain: unknown): string {
  return typeof chain === "string" ? chain : "(not a text)";
}

function sameBytes(one: Uint8Array, other: Uint8Array): boolean {
  return Buffer.from(one).equals(other);
}
