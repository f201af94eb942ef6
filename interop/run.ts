/**
 * Runs the suites against real peers: `npm run test:interop -- [NAME…] [--list] [--keep]`. `kernel` is the suite of
 * that name and all whose names begin with `kernel-`.
 *
 * Without a name it leaves out the suites that are marked as nightly, and says which.
 *
 * Installs the Debian packages that the chosen suites need, starts their peers once, runs the suites in two lanes,
 * prints a table, and stops what it started. In one lane are, one after the other, the suites that share peers; in the
 * other those that need none, and whichever lane is done first helps with these. A suite whose packages or peers cannot
 * be had is skipped with the reason; with `CI=true` any skip is a failure.
 */
import { dirname, join } from "node:path";
import { run } from "node:test";
import { spec } from "node:test/reporters";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { installPackages } from "./host/debian.ts";
import { type PeerName, peers } from "./peers.ts";
import { formatTable } from "./report.ts";
import { type Suite, suites } from "./suites.ts";

interface Outcome {
  readonly suite: Suite;
  readonly tests: number;
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
  readonly seconds: number;
  /** Why it did not run at all. */
  readonly absent?: string;
}

const here = dirname(fileURLToPath(import.meta.url));
const strict = process.env["CI"] === "true";
const log = (line: string) => console.error(`interop: ${line}`);

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { list: { type: "boolean" }, keep: { type: "boolean" } },
  });
  if (values.list === true) {
    console.log(formatTable([["suite", "proves"], ...suites.map((s) => [s.name, s.proves])]));
    return 0;
  }
  const unknown = positionals.filter((name) => !suites.some((suite) => isOf(suite, name)));
  if (unknown.length > 0) {
    log(`no suite ${unknown.join(", ")}; there are: ${suites.map((s) => s.name).join(", ")}`);
    return 2;
  }
  const chosen = positionals.length === 0 ? usual() : suites.filter(isNamed(positionals));
  const abort = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => abort.abort());

  const start = performance.now();
  const host = new Host();
  const outcomes = new Map<Suite, Outcome>();
  const sharing = chosen.filter((suite) => suite.peers.length > 0);
  // One iterator: what a lane takes of it the other does not get.
  const alone = chosen.filter((suite) => suite.peers.length === 0).values();
  const lanes = sharing.length === 0 ? [[alone]] : [[sharing, alone], [alone]];
  const print =
    sharing.length === 0 || sharing.length === chosen.length ? printAsItComes : printWhole;
  const runLane = async (lane: readonly Iterable<Suite>[]) => {
    for (const part of lane) {
      for (const suite of part) {
        if (abort.signal.aborted) return;
        outcomes.set(suite, await runSuite(suite, host, print, abort.signal));
      }
    }
  };
  try {
    await Promise.all(lanes.map(runLane));
  } finally {
    if (values.keep !== true) await host.stop();
  }
  const inOrder = chosen.flatMap((suite) => outcomes.get(suite) ?? []);
  return report(inOrder, chosen.length, performance.now() - start);
}

/** All suites but the nightly ones, which it names. */
function usual(): readonly Suite[] {
  const left = suites.filter(({ nightly }) => nightly === true);
  log(`left to .ci/nightly: ${left.map(({ name }) => name).join(", ")}`);
  return suites.filter((suite) => !left.includes(suite));
}

function isNamed(names: readonly string[]): (suite: Suite) => boolean {
  return (suite) => names.some((name) => isOf(suite, name));
}

/** Whether it is the suite of that name, or of its family. */
function isOf(suite: Suite, name: string): boolean {
  return suite.name === name || suite.name.startsWith(`${name}-`);
}

/** What has been installed and started for the suites so far. */
class Host {
  readonly #started = new Map<PeerName, { stop(): Promise<void> }>();
  readonly #failed = new Map<PeerName, Error>();

  async prepare(suite: Suite): Promise<void> {
    installPackages(
      [...suite.peers.flatMap((name) => peers[name].packages), ...suite.packages],
      log,
    );
    for (const name of suite.peers) {
      if (this.#started.has(name)) continue;
      const before = this.#failed.get(name);
      if (before !== undefined) throw before;
      log(`starting ${name}`);
      try {
        this.#started.set(name, await peers[name].start());
      } catch (cause) {
        const error = new Error(`peer ${name}: ${messageOf(cause)}`);
        this.#failed.set(name, error);
        throw error;
      }
    }
  }

  async stop(): Promise<void> {
    for (const peer of this.#started.values()) await peer.stop();
    this.#started.clear();
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

type Output = AsyncIterable<string | Uint8Array>;
type Print = (output: Output) => Promise<void>;

const printAsItComes: Print = async (output) => {
  for await (const chunk of output) process.stdout.write(chunk);
};

/** At its end, so that two suites do not talk at once. */
const printWhole: Print = async (output) => {
  const chunks = await Array.fromAsync(output);
  for (const chunk of chunks) process.stdout.write(chunk);
};

async function runSuite(
  suite: Suite,
  host: Host,
  print: Print,
  signal: AbortSignal,
): Promise<Outcome> {
  const start = performance.now();
  const seconds = () => (performance.now() - start) / 1000;
  const none = { suite, tests: 0, passed: 0, failed: 0, skipped: 0 };
  try {
    await host.prepare(suite);
  } catch (error) {
    const absent = messageOf(error);
    log(`${suite.name}: skipped: ${absent}`);
    return { ...none, seconds: seconds(), absent };
  }
  log(suite.name);
  const stream = run({ files: [join(here, "suites", `${suite.name}.test.ts`)], signal });
  let counts = { ...none, failed: 1 };
  stream.on("test:summary", (summary) => {
    if (summary.file !== undefined) return;
    const { tests, passed, skipped, cancelled } = summary.counts;
    // What is not a pass or a skip counts as failed: cancelled tests, and hooks that threw.
    const missing = tests - passed - skipped - summary.counts.todo;
    const failed = Math.max(missing, cancelled, summary.success && tests > 0 ? 0 : 1);
    counts = { suite, tests, passed, failed, skipped };
  });
  await print(titled(suite, stream.compose(new spec())));
  return { ...counts, seconds: seconds() };
}

async function* titled(suite: Suite, output: Output): AsyncGenerator<string | Uint8Array> {
  yield `\n── ${suite.name}: ${suite.proves}\n`;
  yield* output;
}

function report(outcomes: readonly Outcome[], chosen: number, durationMs: number): number {
  const total = (key: "tests" | "passed" | "failed" | "skipped") =>
    outcomes.reduce((sum, outcome) => sum + outcome[key], 0);
  console.log(
    `\n${formatTable([
      ["suite", "tests", "passed", "failed", "skipped", "seconds", ""],
      ...outcomes.map((o) => [
        o.suite.name,
        String(o.tests),
        String(o.passed),
        String(o.failed),
        o.absent === undefined ? String(o.skipped) : "all",
        o.seconds.toFixed(1),
        o.absent === undefined ? "" : `skipped: ${o.absent.split("\n")[0]}`,
      ]),
    ])}\n`,
  );
  const absent = outcomes.filter((outcome) => outcome.absent !== undefined).length;
  // The same closing lines as node's own runner, over all suites.
  console.log(`ℹ tests ${total("tests")}`);
  console.log(`ℹ suites ${outcomes.length}`);
  console.log(`ℹ pass ${total("passed")}`);
  console.log(`ℹ fail ${total("failed")}`);
  console.log(`ℹ cancelled ${chosen - outcomes.length}`);
  console.log(`ℹ skipped ${total("skipped") + absent}`);
  console.log("ℹ todo 0");
  console.log(`ℹ duration_ms ${durationMs.toFixed(0)}`);
  if (total("failed") > 0 || outcomes.length < chosen) return 1;
  if (strict && total("skipped") + absent > 0) {
    log("CI=true: a skip is a failure");
    return 1;
  }
  return 0;
}

process.exitCode = await main();
