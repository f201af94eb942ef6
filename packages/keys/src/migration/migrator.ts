import { mayHaveTakenEffect } from "../http/may-have-taken-effect.ts";
import { KeyManagerError } from "../model/errors.ts";
import type { ObjectId } from "../model/managed-object.ts";
import type { MigrationJournal } from "./journal.ts";
import type { MigratedItem } from "./report.ts";
import { type Candidate, type Load, Skipped, type TransferItem } from "./transfer-item.ts";

export interface MigratorOptions {
  readonly journal: MigrationJournal;
  readonly concurrency: number;
  readonly dryRun: boolean;
  readonly verify: boolean;
  readonly signal: AbortSignal | undefined;
  readonly sleep: (ms: number) => Promise<void>;
}

/** How often to look for the result of a request whose reply was lost: the server may still be working. */
const looks = 4;
/** Before the second look; it doubles from then on. */
const firstPauseMs = 250;
/** What failed for want of an answer is tried once more, when everything else is done. */
const rounds = 2;

/**
 * Runs items so that each has one copy in the end, however often it is begun.
 *
 * Before a copy is made, the journal knows of the intention; afterwards, of the
 * copy. If the process dies, or the reply is lost, between the two, the copy is
 * among the target's things that are new and that nobody claims, and is found
 * there by its form and bytes before another one is made.
 */
export class Migrator {
  readonly #options: MigratorOptions;
  readonly #journal: MigrationJournal;

  constructor(options: MigratorOptions) {
    this.#options = options;
    this.#journal = options.journal;
  }

  /**
   * @param list of all the target's things of this kind
   * @param count called once for each item
   * @returns what became of each, in their order
   */
  async carry(
    items: readonly TransferItem[],
    list: () => Promise<readonly Candidate[]>,
    count: () => void,
  ): Promise<readonly MigratedItem[]> {
    const settled = new Map<ObjectId, MigratedItem>();
    let open = items;
    for (let round = 1; round <= rounds && open.length > 0; round++) {
      const present = await this.#reconcile(open, list);
      await pooled(open, this.#options.concurrency, async (item) => {
        const result = await this.#settle(item, present);
        const isFirst = !settled.has(item.sourceId);
        settled.set(item.sourceId, result);
        if (isFirst) count();
      });
      open = open.filter(({ sourceId }) => settled.get(sourceId)?.error?.retryable === true);
    }
    return items.flatMap(({ sourceId }) => settled.get(sourceId) ?? []);
  }

  /** Finds copies that are not in the journal. @returns the ids of everything in the target */
  async #reconcile(
    items: readonly TransferItem[],
    list: () => Promise<readonly Candidate[]>,
  ): Promise<ReadonlySet<ObjectId>> {
    const { dryRun, sleep } = this.#options;
    for (let look = 1; ; look++) {
      const candidates = await list();
      const ids = candidates.map(({ id }) => id);
      const present = new Set(ids);
      if (dryRun) return present;
      const missing: TransferItem[] = [];
      let blind = false;
      for (const item of items) {
        if (this.#stateOf(item) !== "intended") continue;
        const found = await this.#claim(item, candidates);
        if (found !== true) missing.push(item);
        if (found === undefined) blind = true;
      }
      if (missing.length === 0 || look === looks) {
        // As long as one cannot be looked for, its copy may be among those that nobody claims.
        if (!blind) {
          const unfulfilled = missing.map(({ sourceId }) => sourceId);
          this.#journal.settle(ids, unfulfilled);
        }
        return present;
      }
      await sleep(firstPauseMs * 2 ** (look - 1));
    }
  }

  /** @returns whether a copy was found; undefined if what to look for could not be read */
  async #claim(item: TransferItem, candidates: readonly Candidate[]): Promise<boolean | undefined> {
    const unclaimed = candidates.filter(({ id }) => this.#journal.isUnclaimed(id));
    if (unclaimed.length === 0) return false;
    try {
      const load = await item.load();
      for (const candidate of unclaimed) {
        if (!(await load.isCopy(candidate))) continue;
        this.#journal.made(item.sourceId, candidate.id);
        return true;
      }
      return false;
    } catch (error) {
      if (!(error instanceof KeyManagerError || error instanceof Skipped)) throw error;
      return error instanceof KeyManagerError && error.retryable ? undefined : false;
    }
  }

  async #settle(item: TransferItem, present: ReadonlySet<ObjectId>): Promise<MigratedItem> {
    const { kind, sourceId, name, type, refusal } = item;
    const described = { kind, sourceId, name, type, targetId: undefined };
    const reason = undefined;
    try {
      if (refusal !== undefined) throw new Skipped(refusal);
      const before = this.#copyOf(item, present);
      if (before?.state === "done") {
        const { targetId } = before;
        if (this.#options.verify) await this.#verify(item, targetId);
        return { ...described, targetId, outcome: "already there", reason, error: undefined };
      }
      if (this.#options.dryRun || this.#options.signal?.aborted === true) {
        return { ...described, outcome: "to do", reason, error: undefined };
      }
      const targetId = await this.#run(item, before?.targetId);
      return { ...described, targetId, outcome: "copied", reason, error: undefined };
    } catch (error) {
      if (error instanceof Skipped) {
        return { ...described, outcome: "skipped", reason: error.message, error: undefined };
      }
      if (!(error instanceof KeyManagerError)) throw error;
      return { ...described, outcome: "failed", reason: error.message, error };
    }
  }

  /** The copy that the journal knows, unless it has been deleted since. */
  #copyOf({ sourceId }: TransferItem, present: ReadonlySet<ObjectId>) {
    const progress = this.#journal.progress(sourceId);
    if (progress === undefined || progress.state === "intended") return undefined;
    if (present.has(progress.targetId)) return progress;
    if (!this.#options.dryRun) this.#journal.forget(sourceId);
    return undefined;
  }

  async #run(item: TransferItem, madeBefore: ObjectId | undefined): Promise<ObjectId> {
    const { sourceId } = item;
    const load = await loaded(item);
    const targetId = madeBefore ?? (await this.#create(sourceId, load));
    try {
      await load.complete(targetId, madeBefore === undefined);
    } catch (error) {
      // What may succeed next time is left for it; the journal knows it.
      if (error instanceof KeyManagerError && !error.retryable) {
        await this.#discard(sourceId, targetId, load);
      }
      throw error;
    }
    this.#journal.done(sourceId, targetId);
    return targetId;
  }

  async #create(sourceId: ObjectId, load: Load): Promise<ObjectId> {
    if (this.#journal.progress(sourceId) !== undefined) {
      throw new KeyManagerError(
        "unavailable",
        `${sourceId}: whether an earlier run has copied it could not be found out`,
      );
    }
    this.#journal.intend(sourceId);
    let targetId: ObjectId;
    try {
      targetId = await load.create();
    } catch (error) {
      if (error instanceof KeyManagerError && !mayHaveTakenEffect(error)) {
        this.#journal.forget(sourceId);
      }
      throw error;
    }
    this.#journal.made(sourceId, targetId);
    return targetId;
  }

  /** If it cannot be deleted, the journal goes on to know it, and the next run has another try. */
  async #discard(sourceId: ObjectId, targetId: ObjectId, load: Load): Promise<void> {
    try {
      await load.discard(targetId);
    } catch (error) {
      if (!(error instanceof KeyManagerError)) throw error;
      if (error.code !== "not_found") return;
    }
    this.#journal.forget(sourceId);
  }

  async #verify(item: TransferItem, targetId: ObjectId): Promise<void> {
    await (await loaded(item)).verify(targetId);
  }

  #stateOf({ sourceId }: TransferItem) {
    return this.#journal.progress(sourceId)?.state;
  }
}

async function loaded(item: TransferItem): Promise<Load> {
  try {
    return await item.load();
  } catch (error) {
    const isGone = error instanceof KeyManagerError && error.code === "not_found";
    throw isGone ? new Skipped("the source no longer has it") : error;
  }
}

async function pooled<T>(
  items: readonly T[],
  concurrency: number,
  work: (item: T) => Promise<void>,
): Promise<void> {
  const queue = items.values();
  const worker = async () => {
    for (const item of queue) await work(item);
  };
  // Nobody is left at work when this ends, whatever happens.
  const ends = await Promise.allSettled(Array.from({ length: concurrency }, worker));
  for (const end of ends) if (end.status === "rejected") throw end.reason;
}
