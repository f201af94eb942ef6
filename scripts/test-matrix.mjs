// Runs the packages' unit tests on every Node.js that they support: npm run test:matrix [-- VERSION…]. By default on the
// oldest and on 24; `npm test` is on 26, and the interop suite fresh-debian runs it on the newest 22.
// The oldest is exact; of a later line, the newest that npm has. Each is installed from npm into a scratch directory.
import { spawnSync } from "node:child_process";
import { existsSync, globSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const scratch = join(tmpdir(), "chatelaine-node-matrix");
/** Before 22.18 type stripping is behind a flag, and warns; also in what the tests spawn, which
 * some tell from their own arguments and some from the environment. */
const typeStripping = "--experimental-strip-types --disable-warning=ExperimentalWarning";
const asked = process.argv.slice(2);
const versions = asked.length > 0 ? asked : ["22.14.0", "24"];

const rows = versions.map((version) => {
  const node = install(version);
  const exact = output(node, ["--version"]).trim();
  console.log(`\n── unit tests on Node.js ${exact}`);
  const report = join(scratch, `${exact}.tap`);
  const start = performance.now();
  const files = globSync("packages/*/test/**/*.test.ts", { cwd: root });
  const result = spawnSync(
    node,
    [
      ...typeStripping.split(" "),
      "--test",
      // One more than by default: many tests wait for processes of their own.
      `--test-concurrency=${availableParallelism()}`,
      "--test-reporter=dot",
      "--test-reporter-destination=stdout",
    ].concat(["--test-reporter=tap", `--test-reporter-destination=${report}`], files),
    { cwd: root, stdio: ["ignore", "inherit", "inherit"], env: withoutRunner(node) },
  );
  const tap = readFileSync(report, "utf8");
  if (result.status !== 0) console.log(failuresIn(tap));
  const counts = Object.fromEntries(
    [...tap.matchAll(/^# (\w+) (\d+)$/gm)].map((match) => [match[1], Number(match[2])]),
  );
  const seeds = new Set([...tap.matchAll(/^\s*# seed (-?\d+)$/gm)].map((match) => match[1]));
  if (seeds.size > 0)
    console.log(`seeds of the random runs (CHATELAINE_SEED repeats one): ${[...seeds].join(" ")}`);
  const seconds = ((performance.now() - start) / 1000).toFixed(1);
  return { exact, counts, seconds, ok: result.status === 0 && counts.pass > 0 };
});

console.log("\nNode.js     tests  pass  fail  skipped  seconds");
for (const { exact, counts, seconds } of rows) {
  const columns = [counts.tests, counts.pass, counts.fail, counts.skipped, seconds];
  const widths = [7, 6, 6, 9, 9];
  console.log(exact.padEnd(10) + columns.map((c, i) => String(c).padStart(widths[i])).join(""));
}
if (rows.some((row) => !row.ok)) process.exit(1);
if (process.env.CI === "true" && rows.some((row) => row.counts.skipped > 0)) {
  console.error("test-matrix: CI=true: a skip is a failure");
  process.exit(1);
}

/** Path of that version's node. An exact version is installed once; of a line, npm is asked for the newest each time. */
function install(version) {
  const directory = join(scratch, version);
  const node = join(directory, "node_modules", ".bin", "node");
  if (existsSync(node) && /^\d+\.\d+\.\d+$/.test(version)) return node;
  mkdirSync(directory, { recursive: true });
  writeFileSync(join(directory, "package.json"), '{"private":true}');
  const options = ["--no-audit", "--no-fund", "--loglevel=error", "--prefix", directory];
  const result = spawnSync("npm", ["install", ...options, `node@${version}`], { stdio: "inherit" });
  if (result.status !== 0) {
    console.error(`test-matrix: npm could not install node@${version}: see its message above`);
    process.exit(1);
  }
  return node;
}

/** The failed tests of a TAP report with their details, and what the test files wrote to standard error. */
function failuresIn(tap) {
  const kept = [];
  let failing = false;
  for (const line of tap.split("\n")) {
    if (/^\s*not ok /.test(line)) failing = true;
    if (failing || /^# (?!Subtest|\w+ \d+$)/.test(line)) kept.push(line);
    if (/^\s*\.\.\.$/.test(line)) failing = false;
  }
  return kept.join("\n");
}

function output(command, args) {
  const result = spawnSync(command, args, { encoding: "utf8" });
  if (result.status !== 0) throw new Error(`${command} ${args.join(" ")}: ${result.stderr}`);
  return result.stdout;
}

/** Our environment, with that node first in PATH for what tests spawn, and no trace of a test runner around us. */
function withoutRunner(node) {
  const { NODE_TEST_CONTEXT: _, ...environment } = process.env;
  const PATH = `${dirname(node)}:${process.env.PATH}`;
  const NODE_COMPILE_CACHE = join(scratch, "compile-cache");
  return { ...environment, PATH, NODE_OPTIONS: typeStripping, NODE_COMPILE_CACHE };
}
