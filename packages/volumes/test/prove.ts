// `npm run prove -- volumes [KILLS]`: kills at random instants and at every moment until there were 10,000, or as many as said.
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";

const wanted = Number(process.argv[2] ?? 10_000);
const tests = fileURLToPath(new URL("kill.test.ts", import.meta.url));
const began = performance.now();
for (let kills = 0, round = 1; kills < wanted; round++) {
  // Every moment in the first round; in later ones, instants as they come.
  const environment = { ...process.env, CHATELAINE_KILLS: round === 1 ? "all" : "300" };
  const { status, stdout } = spawnSync(process.execPath, ["--test", tests], {
    encoding: "utf8",
    env: environment,
    stdio: ["ignore", "pipe", "inherit"],
    maxBuffer: 64 << 20,
  });
  const more = Number(/kills: (\d+)/.exec(stdout)?.[1]);
  if (status !== 0 || !(more > 0)) {
    console.error(stdout);
    process.exit(1);
  }
  kills += more;
  const minutes = ((performance.now() - began) / 60_000).toFixed(1);
  console.log(`round ${round}: ${kills} of ${wanted} kills, no violation, ${minutes} min`);
}
