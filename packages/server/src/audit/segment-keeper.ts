import type { Mac } from "../crypto/mac.ts";
import { nextStoredChain } from "../store/operations/audit.ts";
import { countSegments } from "../store/operations/audit-segments.ts";
import type { Store } from "../store/store.ts";
import { deleteRemoved } from "./remove-segments.ts";
import { entriesKept, type SealerOptions, SegmentSealer } from "./segment-sealer.ts";

const intervalMs = 300_000;

/** A record of years is sealed in many sweeps, so that requests hardly notice. */
const maxEntriesOfSweep = 500_000;

/** How large the audit record is, as of the last look. */
export interface RecordSize {
  /** Entries in the database. */
  readonly entries: number;
  /** Segments in the database that no file has yet. */
  readonly sealed: number;
  /** Segments in the database that may be removed. */
  readonly exported: number;
}

/** Seals what is due while the server runs, and finishes an interrupted removal. */
export class SegmentKeeper {
  readonly #store: Store;
  readonly #key: Mac;
  readonly #sealer: SegmentSealer;
  #size: RecordSize = { entries: 0, sealed: 0, exported: 0 };
  #timer: NodeJS.Timeout | undefined;
  #running: Promise<void> = Promise.resolve();

  constructor(options: SealerOptions) {
    this.#store = options.store;
    this.#key = options.key;
    this.#sealer = new SegmentSealer(options);
  }

  get size(): RecordSize {
    return this.#size;
  }

  start(): void {
    this.#running = this.#trySweep();
    this.#timer = setInterval(() => {
      this.#running = this.#running.then(() => this.#trySweep());
    }, intervalMs).unref();
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await this.#running;
  }

  /** Does what is due, once. */
  async sweep(): Promise<void> {
    await this.#sealer.sealAll({ maxEntries: maxEntriesOfSweep });
    await deleteRemoved(this.#store, this.#key);
    let entries = 0;
    let chain = await this.#store.read(nextStoredChain, { after: null });
    while (chain !== undefined) {
      entries += await entriesKept(this.#store, chain);
      chain = await this.#store.read(nextStoredChain, { after: chain });
    }
    this.#size = { entries, ...(await this.#store.read(countSegments, null)) };
  }

  async #trySweep(): Promise<void> {
    try {
      await this.sweep();
    } catch {
      // The database is away: the next turn is soon enough.
    }
  }
}
