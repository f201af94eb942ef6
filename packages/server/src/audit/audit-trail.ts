import type { Clock } from "../clock.ts";
import type { Principal } from "../principal.ts";
import type { Store } from "../store/store.ts";
import type { AuditEntry } from "./audit-entry.ts";

export interface AuditTrailOptions {
  readonly store: Store;
  readonly clock: Clock;
  /**
   * True: a payload leaves only when its audit entry is on the disk. False
   * (default): the entry is written within moments, together with others; at most
   * `maxPending` are outstanding, and while the record cannot be written, none leaves.
   */
  readonly durableReads?: boolean;
  /** Default 5,000. */
  readonly maxPending?: number;
}

/** Who did what: makes the entries, and sees that those of reads are not lost in silence. */
export class AuditTrail {
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #durableReads: boolean;
  readonly #maxPending: number;
  #failing = false;

  constructor(options: AuditTrailOptions) {
    this.#store = options.store;
    this.#clock = options.clock;
    this.#durableReads = options.durableReads ?? false;
    this.#maxPending = options.maxPending ?? 5_000;
  }

  /** The entry of a write, which goes into the write's own transaction. */
  entry(principal: Principal, action: string, objectId?: string, outcome = "ok"): AuditEntry {
    return {
      at: this.#clock.timestamp(),
      requestId: principal.requestId,
      userId: principal.userId,
      projectId: principal.projectId,
      action,
      ...(objectId !== undefined && { objectId }),
      outcome,
    };
  }

  /** Records a read, or a refusal. @throws StoreError if the record cannot be written */
  async read(entry: AuditEntry): Promise<void> {
    if (this.#durableReads || this.#failing || this.#store.pendingRecords >= this.#maxPending) {
      await this.#store.record(entry);
      this.#failing = false;
      return;
    }
    this.#store.record(entry, "soon").catch(() => {
      this.#failing = true;
    });
  }
}
