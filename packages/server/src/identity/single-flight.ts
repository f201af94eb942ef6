/** Lets those who ask the same at the same time share one answer. */
export class SingleFlight<Value> {
  readonly #underWay = new Map<string, Promise<Value>>();

  /** Runs `work` unless it runs already under this key; all get its result or its error. */
  do(key: string, work: () => Promise<Value>): Promise<Value> {
    const running = this.#underWay.get(key);
    if (running) return running;
    const started = work().finally(() => this.#underWay.delete(key));
    this.#underWay.set(key, started);
    return started;
  }

  /** How many different things are being asked. */
  get size(): number {
    return this.#underWay.size;
  }
}
