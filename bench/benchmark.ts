/** A line of a table. */
export interface Row {
  readonly name: string;
  /** What was measured, by heading with its unit. Rows with the same headings make one table. */
  readonly columns: Readonly<Record<string, number | string>>;
  /** Absent where there is a figure and no bar. */
  readonly verdict?: Verdict;
}

/** A figure that has to reach a bar. */
export interface Verdict {
  readonly value: number;
  /** `×`: how often better than the peer in the same run. */
  readonly unit: "×" | "ms" | "MiB";
  readonly bar: number;
  readonly sense: "at least" | "below";
}

/** A ratio to a peer, and the least that it must be. */
export function atLeast(value: number, bar: number): Verdict {
  return { value, unit: "×", bar, sense: "at least" };
}

export function below(value: number, unit: "ms" | "MiB", bar: number): Verdict {
  return { value, unit, bar, sense: "below" };
}

export function isMet({ value, bar, sense }: Verdict): boolean {
  return sense === "below" ? value < bar : value >= bar;
}

export interface Result {
  readonly rows: readonly Row[];
  /** Versions and circumstances that the figures depend on. */
  readonly notes: readonly string[];
}

export interface RunOptions {
  /** How often each figure is taken; each benchmark has a default of its own. */
  readonly rounds?: number;
  /** Takes a line of progress. */
  readonly log: (line: string) => void;
}

/** Runs one comparison; all sides in one run on one machine. */
export interface Benchmark {
  readonly name: string;
  readonly shows: string;
  run(options: RunOptions): Promise<Result>;
}
