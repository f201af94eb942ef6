import { type AuditEntry, auditLine } from "../model/audit-entry.ts";
import type { Clock } from "../model/clock.ts";
import type { Principal } from "../model/principal.ts";
import type { Store } from "../store/store.ts";
import { GatheredLines } from "./gathered-lines.ts";

export interface AuditTrailOptions {
  readonly store: Store;
  readonly clock: Clock;
  /**
   * True: a payload leaves only when its audit entry is on the disk. False
   * (default): entries are gathered for `gatherMs` and written together; at most
   * `maxPending` are outstanding, and while the record cannot be written, none leaves.
   */
  readonly durableReads?: boolean;
  /** Default 5,000. */
  readonly maxPending?: number;
  /** In milliseconds. Default 20. */
  readonly gatherMs?: number;
}

const taken = Promise.resolve();

/** Who did what: makes the entries, and sees that those of reads are not lost in silence. */
export class AuditTrail {
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #durableReads: boolean;
  readonly #maxPending: number;
  readonly #gatherMs: number;
  readonly #gathered = new GatheredLines();
  #timer: NodeJS.Timeout | undefined;
  #pending = 0;
  #writing: Promise<void> = Promise.resolve();
  #failing = false;

  constructor(options: AuditTrailOptions) {
    this.#store = options.store;
    this.#clock = options.clock;
    this.#durableReads = options.durableReads ?? false;
    this.#maxPending = options.maxPending ?? 5_000;
    this.#gatherMs = options.gatherMs ?? 20;
  }

  /** How many entries of reads are not on the disk yet. */
  get pending(): number {
    return this.#pending;
  }

  /** The entry of a write, which goes into the write's own transaction. */
  entry(principal: Principal, action: string, objectId?: string, outcome = "ok"): AuditEntry {
    const { requestId, userId, projectId, address } = principal;
    const at = this.#clock.timestamp();
    const entry = { at, requestId, userId, projectId, action, outcome };
    return {
      ...entry,
      ...(objectId !== undefined && { objectId }),
      ...(address !== undefined && { address }),
    };
  }

  /** Records a read, or a refusal. @throws `unavailable` if the record cannot be written */
  read(entry: AuditEntry): Promise<void> {
    if (this.#durableReads || this.#failing || this.#pending >= this.#maxPending)
      return this.#writeAtOnce(entry);
    this.#pending += 1;
    this.#gathered.add(auditLine(entry));
    this.#timer ??= setTimeout(() => this.#writeGathered(), this.#gatherMs);
    return taken;
  }

  /** Resolves when what was read so far is on the disk, or cannot be written. */
  async flush(): Promise<void> {
    this.#writeGathered();
    await this.#writing;
  }

  async #writeAtOnce(entry: AuditEntry): Promise<void> {
    await this.#store.record(auditLine(entry));
    this.#failing = false;
  }

  #writeGathered(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const { count } = this.#gathered;
    if (count === 0) return;
    const before = this.#writing;
    this.#writing = this.#write(this.#gathered.take(), count).then(() => before);
  }

  async #write(lines: string, count: number): Promise<void> {
    try {
      await this.#store.record(lines);
    } catch {
      this.#failing = true;
    }
    this.#pending -= count;
  }
}
