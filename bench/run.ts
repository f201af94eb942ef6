/**
 * Runs benchmarks, each side by side with its peer in one run: `npm run bench -- NAME… [--rounds N] [--json]`.
 *
 * Ends with status 1 if a bar is missed.
 */
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { formatTable } from "../interop/report.ts";
import { adapter } from "./adapter.ts";
import type { Benchmark, Result } from "./benchmark.ts";
import { type Machine, thisMachine } from "./machine.ts";

/** To add a benchmark: its line here. */
const benchmarks: readonly Benchmark[] = [adapter];

/** Benchmarks whose bars are no ratios: programs of this folder that print a table of their own. */
const programs = [
  { name: "luks", shows: "LUKS in TypeScript against openssl, qemu-img and cryptsetup" },
] as const;

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { rounds: { type: "string", default: "40" }, json: { type: "boolean" } },
  });
  const chosen = benchmarks.filter((one) => positionals.includes(one.name));
  const run = programs.filter((one) => positionals.includes(one.name));
  if (positionals.length === 0 || chosen.length + run.length < positionals.length) {
    const known = [...benchmarks, ...programs].map(({ name, shows }) => [name, shows]);
    console.error(`usage: npm run bench -- NAME… [--rounds N] [--json]\n${formatTable(known)}`);
    return 2;
  }
  const machine = thisMachine();
  let missed = 0;
  for (const benchmark of chosen) {
    const log = (line: string) => console.error(`${benchmark.name}: ${line}`);
    const result = await benchmark.run({ rounds: Number(values.rounds), log });
    missed += result.rows.filter((row) => row.ratio < row.bar).length;
    if (values.json === true) {
      console.log(JSON.stringify({ benchmark: benchmark.name, machine, ...result }));
    } else print(benchmark, machine, result);
  }
  for (const { name } of run) missed += runProgram(name) === 0 ? 0 : 1;
  return missed === 0 ? 0 : 1;
}

function runProgram(name: string): number | null {
  const file = fileURLToPath(new URL(`${name}.ts`, import.meta.url));
  return spawnSync(process.execPath, [file], { stdio: "inherit" }).status;
}

function print(benchmark: Benchmark, machine: Machine, { rows, notes }: Result): void {
  const headings = Object.keys(rows[0]?.columns ?? {});
  console.log(`\n${benchmark.shows}`);
  console.log(
    `${machine.cpu}, ${machine.cores} cores, ${machine.memoryGiB} GiB, Linux ${machine.kernel}, Node.js ${machine.node}`,
  );
  for (const note of notes) console.log(note);
  console.log(
    `\n${formatTable([
      ["", ...headings, "ratio", "bar", ""],
      ...rows.map((row) => [
        row.name,
        ...headings.map((heading) => rounded(row.columns[heading] ?? 0)),
        `${row.ratio.toFixed(1)} ×`,
        `≥ ${row.bar} ×`,
        row.ratio >= row.bar ? "met" : "MISSED",
      ]),
    ])}`,
  );
}

function rounded(value: number): string {
  return Number.isInteger(value) ? String(value) : value.toFixed(1);
}

process.exitCode = await main();
