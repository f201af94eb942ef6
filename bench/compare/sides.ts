/** What is measured of two commits, in turns. */

/** The two sides of a comparison, in this order in every table. */
export const sides = ["before", "now"] as const;
export type Side = (typeof sides)[number];
export type Both<T> = Readonly<Record<Side, T>>;

/** Samples of one row: one of each side a round. */
export interface Measured {
  readonly unit: "/s" | "ms" | "MiB";
  readonly before: number[];
  readonly now: number[];
}

/** All samples so far, by the name of their row. */
export class Samples {
  readonly rows = new Map<string, Measured>();

  add(name: string, unit: Measured["unit"], side: Side, sample: number): void {
    const row = this.rows.get(name) ?? { unit, before: [], now: [] };
    this.rows.set(name, row);
    row[side].push(sample);
  }
}

/** Each round begins with the side that the round before ended with, so that neither always comes first. */
export function turnOf(round: number): readonly Side[] {
  return round % 2 === 0 ? sides : sides.toReversed();
}

export interface ComparisonOptions {
  /** The root folders of the checkouts. */
  readonly checkouts: Both<string>;
  readonly rounds: number;
  /** Takes a line of progress. */
  readonly log: (line: string) => void;
}

/** Measures one group of rows. */
export type Comparison = (options: ComparisonOptions, samples: Samples) => Promise<void>;
