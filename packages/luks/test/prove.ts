/**
 * `npm run prove -- luks`: what takes too long for every test run. A million mutated headers, and a SIGKILL in the
 * middle of each write of each operation that changes a disk.
 */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { fuzzHeaders } from "./header-fuzzer.ts";

const rounds = 20;
const mutations = 50_000;
const totals = { mutations: 0, accepted: 0, slowestMs: 0, largestGrowthBytes: 0 };
const refused: Record<string, number> = {};
for (let round = 0; round < rounds; round++) {
  const summary = await fuzzHeaders(mutations, 1000 + round);
  totals.mutations += summary.mutations;
  totals.accepted += summary.accepted;
  totals.slowestMs = Math.max(totals.slowestMs, summary.slowestMs);
  totals.largestGrowthBytes = Math.max(totals.largestGrowthBytes, summary.largestGrowthBytes);
  for (const [code, count] of Object.entries(summary.refused)) {
    refused[code] = (refused[code] ?? 0) + count;
  }
  console.log(`fuzz: ${totals.mutations} mutations ${JSON.stringify({ ...totals, refused })}`);
}
assert.ok(totals.largestGrowthBytes < 64 * 1024 * 1024, "a header made us allocate over 64 MiB");

const kill = fileURLToPath(new URL("kill.test.ts", import.meta.url));
const { status } = spawnSync(process.execPath, ["--test", kill], {
  stdio: "inherit",
  env: { ...process.env, CHATELAINE_PROVE: "1" },
});
process.exitCode = status ?? 1;
