/** One comparison. */
export interface Row {
  readonly name: string;
  /** What was measured, by heading with its unit. */
  readonly columns: Readonly<Record<string, number>>;
  /** How often better than the peer. */
  readonly ratio: number;
  /** The least that `ratio` must be. */
  readonly bar: number;
}

export interface Result {
  readonly rows: readonly Row[];
  /** Versions and circumstances that the figures depend on. */
  readonly notes: readonly string[];
}

export interface Benchmark {
  readonly name: string;
  readonly shows: string;
  run(options: { readonly rounds: number; readonly log: (line: string) => void }): Promise<Result>;
}
