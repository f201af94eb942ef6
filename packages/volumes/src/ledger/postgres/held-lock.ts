import { randomUUID } from "node:crypto";
import { VolumeError } from "../../model/errors.ts";

/**
 * A lock of this process, as far as this process can know without asking.
 *
 * The database lets others take it `leaseMs` after it was last renewed. Its holder
 * stops after half that time, so that what he has begun on the disk has the other
 * half to end.
 */
export class HeldLock {
  readonly subject: string;
  /** Tells this holding from all others. */
  readonly token = randomUUID();
  readonly #leaseMs: number;
  readonly #abort = new AbortController();
  #timer: NodeJS.Timeout | undefined;

  constructor(subject: string, leaseMs: number) {
    this.subject = subject;
    this.#leaseMs = leaseMs;
  }

  get lost(): AbortSignal {
    return this.#abort.signal;
  }

  /** Whether the database has it, and it has not been ended. */
  get isTaken(): boolean {
    return this.#timer !== undefined;
  }

  /** @param sentAt when the statement that renewed it was sent, by `performance.now()` */
  renewed(sentAt: number): void {
    clearTimeout(this.#timer);
    const leftMs = sentAt + this.#leaseMs / 2 - performance.now();
    this.#timer = setTimeout(
      () => this.lose("it could not be renewed in the database in time"),
      Math.max(0, leftMs),
    );
    this.#timer.unref();
  }

  lose(reason: string): void {
    this.end();
    this.#abort.abort(new VolumeError("busy", `lock ${this.subject}: it is lost: ${reason}`));
  }

  end(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }
}
