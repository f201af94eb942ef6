/** One who waits for a turn. */
interface Waiting {
  readonly go: () => void;
  readonly refuse: () => void;
}

export interface FairTurnsOptions {
  /** Turns at the same time. */
  readonly concurrency: number;
  /** How many may wait. */
  readonly maxWaiting: number;
}

/**
 * Hands out turns, a few at a time, to one lane after another, so that a lane
 * with many who wait does not hold up a lane with one. If too many wait, the last
 * of the fullest lane makes room for one of a lane that has fewer.
 */
export class FairTurns {
  /** Lanes in the order of their next turn. None is empty. */
  readonly #lanes = new Map<string, Waiting[]>();
  readonly #options: FairTurnsOptions;
  #running = 0;
  #size = 0;

  constructor(options: FairTurnsOptions) {
    this.#options = options;
  }

  /** How many wait. */
  get waiting(): number {
    return this.#size;
  }

  /** Resolves to true when it is this one's turn, which {@link done} must end; to false if there is no room to wait. */
  take(lane: string): Promise<boolean> | true {
    if (this.#running < this.#options.concurrency) {
      this.#running += 1;
      return true;
    }
    if (this.#size >= this.#options.maxWaiting && !this.#makeRoom(lane))
      return Promise.resolve(false);
    return new Promise((resolve) => {
      const queue = this.#lanes.get(lane) ?? [];
      queue.push({ go: () => resolve(true), refuse: () => resolve(false) });
      this.#lanes.set(lane, queue);
      this.#size += 1;
    });
  }

  /** Ends a turn. It goes directly to the next, so that no newcomer can slip in between. */
  done(): void {
    const next = this.#next();
    if (next) next.go();
    else this.#running -= 1;
  }

  #next(): Waiting | undefined {
    const [lane] = this.#lanes;
    if (!lane) return undefined;
    const [name, queue] = lane;
    const next = queue.shift();
    this.#lanes.delete(name);
    if (queue.length > 0) this.#lanes.set(name, queue);
    this.#size -= 1;
    return next;
  }

  /** False if this lane is among the fullest itself. */
  #makeRoom(lane: string): boolean {
    const own = this.#lanes.get(lane)?.length ?? 0;
    const [fullest] = [...this.#lanes.values()].toSorted((a, b) => b.length - a.length);
    if (!fullest || fullest.length <= own + 1) return false;
    fullest.pop()?.refuse();
    this.#size -= 1;
    return true;
  }
}
