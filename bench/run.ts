/**
 * Runs benchmarks, each side by side with its peer in one run: `npm run bench -- NAME… [--rounds N] [--json]`, or side by
 * side with an earlier commit: `npm run bench -- compare COMMIT [NAME…]`.
 *
 * Ends with status 1 if a bar is missed, or if a row costs over 5 % more than at that commit.
 */
import { loadavg } from "node:os";
import { parseArgs } from "node:util";
import { formatTable } from "../interop/report.ts";
import { adapter } from "./adapter.ts";
import { type Benchmark, isMet, type Result, type Row, type Verdict } from "./benchmark.ts";
import { compare, comparisonGroups } from "./compare/compare.ts";
import { luks } from "./luks.ts";
import { type Machine, thisMachine } from "./machine.ts";
import { server, serverBars } from "./server/server.ts";
import { volumes } from "./volumes/volumes.ts";

/** To add a benchmark: its line here. */
const benchmarks: readonly Benchmark[] = [adapter, luks, server, serverBars, volumes];

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { rounds: { type: "string" }, json: { type: "boolean" } },
  });
  if (positionals[0] === "compare") {
    const [, revision, ...groups] = positionals;
    const rounds = Number(values.rounds ?? 10);
    const known = groups.every((name) => comparisonGroups.includes(name));
    if (revision !== undefined && known && Number.isInteger(rounds) && rounds >= 2) {
      return compare({ revision, groups, rounds, json: values.json === true });
    }
    console.error(
      `usage: npm run bench -- compare COMMIT [${comparisonGroups.join("|")}]… [--rounds N, at least 2] [--json]`,
    );
    return 2;
  }
  const chosen = benchmarks.filter((one) => positionals.includes(one.name));
  if (positionals.length === 0 || chosen.length < positionals.length) {
    const known = benchmarks.map(({ name, shows }) => [name, shows]);
    console.error(`usage: npm run bench -- NAME… [--rounds N] [--json]\n${formatTable(known)}`);
    return 2;
  }
  const machine = thisMachine();
  let missed = 0;
  for (const benchmark of chosen) {
    const log = (line: string) => console.error(`${benchmark.name}: ${line}`);
    const result = await benchmark.run({
      ...(values.rounds !== undefined && { rounds: Number(values.rounds) }),
      log,
    });
    missed += result.rows.filter(({ verdict }) => verdict && !isMet(verdict)).length;
    if (values.json === true) {
      console.log(JSON.stringify({ benchmark: benchmark.name, machine, ...result }));
    } else print(benchmark, machine, result);
  }
  return missed === 0 ? 0 : 1;
}

function print(benchmark: Benchmark, machine: Machine, { rows, notes }: Result): void {
  console.log(`\n${benchmark.shows}`);
  console.log(
    `${machine.cpu}, ${machine.cores} cores, ${machine.memoryGiB} GiB, Linux ${machine.kernel}, Node.js ${machine.node}; load average at the end ${loadavg()
      .map((load) => load.toFixed(1))
      .join(" ")}`,
  );
  for (const note of notes) console.log(note);
  const tables = Map.groupBy(rows, ({ columns }) => Object.keys(columns).join("\n"));
  for (const table of tables.values()) console.log(`\n${formatTable(linesOf(table))}`);
}

function linesOf(rows: readonly Row[]): readonly (readonly string[])[] {
  const headings = Object.keys(rows[0]?.columns ?? {});
  const judged = rows.some(({ verdict }) => verdict);
  return [
    ["", ...headings, ...(judged ? ["result", "bar", ""] : [])],
    ...rows.map(({ name, columns, verdict }) => [
      name,
      ...headings.map((heading) => shown(columns[heading] ?? "")),
      ...(verdict ? verdictCells(verdict) : []),
    ]),
  ];
}

function verdictCells(verdict: Verdict): readonly string[] {
  const { value, unit, bar, sense } = verdict;
  return [
    `${shown(value)} ${unit}`,
    `${sense === "below" ? "<" : "≥"} ${bar} ${unit}`,
    isMet(verdict) ? "met" : "MISSED",
  ];
}

function shown(value: number | string): string {
  if (typeof value === "string" || Number.isInteger(value)) return String(value);
  return value.toFixed(value < 10 ? 2 : 1);
}

process.exitCode = await main();
