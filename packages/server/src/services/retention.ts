import { formatTimestamp } from "../model/clock.ts";
import { eraseDeleted } from "../store/operations/retention.ts";
import type { ServiceContext } from "./context.ts";

const batchSize = 100;
const intervalMs = 30_000;

/** Erases deleted secrets when their restore window closes. */
export class Retention {
  readonly #context: ServiceContext;
  #timer: NodeJS.Timeout | undefined;
  #running: Promise<void> = Promise.resolve();

  constructor(context: ServiceContext) {
    this.#context = context;
  }

  start(): void {
    this.#running = this.#trySweep();
    this.#timer = setInterval(() => {
      this.#running = this.#trySweep();
    }, intervalMs).unref();
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await this.#running;
  }

  /** Erases what is due; resolves to how many. */
  async sweep(): Promise<number> {
    const { store, clock, deleteRetentionSeconds } = this.#context;
    const deletedBy = formatTimestamp((clock.nowMs() - deleteRetentionSeconds * 1000) * 1000);
    let erased = 0;
    for (;;) {
      const count = await store.write(eraseDeleted, { deletedBy, limit: batchSize });
      erased += count;
      if (count < batchSize) return erased;
    }
  }

  async #trySweep(): Promise<void> {
    try {
      await this.sweep();
    } catch {
      // The database is away: the next turn is soon enough.
    }
  }
}
