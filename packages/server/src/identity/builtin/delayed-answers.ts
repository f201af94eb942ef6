export interface DelayedAnswersOptions {
  readonly delayMs: number;
  /** When one more comes, the one that came first need not wait any longer. */
  readonly maxWaiting: number;
}

/** Lets answers wait. Nobody is refused, and no more wait than so many: each holds a request in memory. */
export class DelayedAnswers {
  /** First come, first. */
  readonly #waiting = new Set<() => void>();
  readonly #options: DelayedAnswersOptions;

  constructor(options: DelayedAnswersOptions) {
    this.#options = options;
  }

  /** How many wait. */
  get waiting(): number {
    return this.#waiting.size;
  }

  /** Resolves after the delay, or earlier if too many others wait. */
  wait(): Promise<void> {
    return new Promise((resolve) => {
      const go = () => {
        clearTimeout(timer);
        this.#waiting.delete(go);
        resolve();
      };
      const timer = setTimeout(go, this.#options.delayMs);
      this.#waiting.add(go);
      if (this.#waiting.size > this.#options.maxWaiting) this.#first()?.();
    });
  }

  /** Lets all of them go. */
  release(): void {
    for (const go of this.#waiting) go();
  }

  #first(): (() => void) | undefined {
    const [first] = this.#waiting;
    return first;
  }
}
