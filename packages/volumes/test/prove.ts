// `npm run prove -- volumes [KILLS]`: kills at random instants and at every moment until there were 10,000, or as many as said.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const wanted = Number(process.argv[2] ?? 10_000);
const tests = fileURLToPath(new URL("kill.test.ts", import.meta.url));
const began = performance.now();
for (let kills = 0, round = 1; kills < wanted; round++) {
  // Every moment in the first round; in later ones, instants as they come.
  const more = await killAll(round === 1 ? "all" : "300", kills);
  kills += more;
  console.log(`round ${round}: ${kills} of ${wanted} kills, no violation, ${minutes()} min`);
}

/** @returns how many processes were killed */
async function killAll(moments: string, before: number): Promise<number> {
  const environment = { ...process.env, CHATELAINE_KILLS: moments };
  const child = spawn(process.execPath, ["--test", tests], {
    env: environment,
    stdio: ["ignore", "pipe", "inherit"],
  });
  const exit = once(child, "exit");
  const lines: string[] = [];
  let killed = 0;
  for await (const line of createInterface({ input: child.stdout })) {
    lines.push(line);
    const soFar = Number(/so far: (\d+) kills/.exec(line)?.[1]);
    if (soFar > 0) console.log(`${before + soFar} kills, ${minutes()} min`);
    killed = Number(/kills: (\d+)/.exec(line)?.[1] ?? killed);
  }
  const [status] = (await exit) as [number | null];
  if (status === 0 && killed > 0) return killed;
  console.error(lines.join("\n"));
  process.exit(1);
}

function minutes(): string {
  return ((performance.now() - began) / 60_000).toFixed(1);
}
