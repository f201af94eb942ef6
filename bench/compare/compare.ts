import { formatTable } from "../../interop/report.ts";
import { thisMachine } from "../machine.ts";
import { median, pairedRatio, type RatioEstimate } from "../statistics.ts";
import { checkOut, thisCheckout } from "./checkout.ts";
import { compareServers } from "./server-rows.ts";
import { type Comparison, type Measured, Samples } from "./sides.ts";
import { compareVolumes } from "./volume-rows.ts";

/** By the name of the benchmark whose rows they are. */
const groups: Readonly<Record<string, Comparison>> = {
  "server-bars": compareServers,
  volumes: compareVolumes,
};

/** The most by which a row may cost more than before. */
const allowedGrowth = 0.05;

export interface CompareOptions {
  /** Any name of a commit that git knows. */
  readonly revision: string;
  /** `server-bars`, `volumes`; default both. */
  readonly groups: readonly string[];
  /** Pairs of samples a row. At least 2; default 10. */
  readonly rounds: number;
  readonly json: boolean;
}

export const comparisonGroups: readonly string[] = Object.keys(groups);

/**
 * Measures another commit and this checkout in turns on one machine, and prints how each row's cost has changed, with
 * its 95 % interval.
 *
 * @returns the exit status: 1 if a row costs over 5 % more, interval and all
 */
export async function compare(options: CompareOptions): Promise<number> {
  const other = checkOut(options.revision, log);
  try {
    const checkouts = { before: other.directory, now: thisCheckout };
    const samples = new Samples();
    for (const name of options.groups.length > 0 ? options.groups : comparisonGroups) {
      await groups[name]?.({ checkouts, rounds: options.rounds, log }, samples);
    }
    const rows = [...samples.rows].map(([name, measured]) => judge(name, measured));
    if (options.json) {
      console.log(JSON.stringify({ commit: other.commit, machine: thisMachine(), rows }));
    } else print(other.commit, options.rounds, rows);
    return rows.some(({ verdict }) => verdict === "costs more") ? 1 : 0;
  } finally {
    other.remove();
  }
}

function log(line: string): void {
  console.error(`compare: ${line}`);
}

interface ComparedRow {
  readonly name: string;
  readonly unit: Measured["unit"];
  readonly before: number;
  readonly now: number;
  /** Now to before, of what a unit of work costs: above 1 is slower, or larger. */
  readonly cost: RatioEstimate;
  /** `open`: the interval reaches beyond 5 %, and below it; more rounds would tell. */
  readonly verdict: "costs more" | "within 5 %" | "open";
}

/** @internal exported for its test */
export function judge(name: string, { unit, before, now }: Measured): ComparedRow {
  const cost = unit === "/s" ? pairedRatio(now, before) : pairedRatio(before, now);
  const verdict =
    cost.low > 1 + allowedGrowth
      ? "costs more"
      : cost.high <= 1 + allowedGrowth
        ? "within 5 %"
        : "open";
  return { name, unit, before: median(before), now: median(now), cost, verdict };
}

function print(commit: string, rounds: number, rows: readonly ComparedRow[]): void {
  const machine = thisMachine();
  console.log(`\n${commit.slice(0, 12)} and this checkout, in turns, ${rounds} rounds`);
  console.log(
    `${machine.cpu}, ${machine.cores} cores, ${machine.memoryGiB} GiB, Linux ${machine.kernel}, Node.js ${machine.node}`,
  );
  console.log("cost: of one unit of work, now to before; above 1 is slower, or larger\n");
  const lines = rows.map(({ name, unit, before, now, cost, verdict }) => [
    name,
    ...[before, now].map((value) => `${shown(value)} ${unit}`),
    cost.ratio.toFixed(3),
    `${cost.low.toFixed(3)} – ${cost.high.toFixed(3)}`,
    verdict,
  ]);
  console.log(formatTable([["", "before", "now", "cost", "95 % interval", ""], ...lines]));
}

function shown(value: number): string {
  return value.toFixed(value < 10 ? 2 : value < 1000 ? 1 : 0);
}
