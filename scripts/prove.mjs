// `npm run prove -- NAME`: the proofs of one package that take too long for every test run.
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";

const [name = "", ...rest] = process.argv.slice(2);
const file = fileURLToPath(new URL(`../packages/${name}/test/prove.ts`, import.meta.url));
if (!/^[\w-]+$/.test(name) || !existsSync(file)) {
  console.error(`prove: give the name of a package that has test/prove.ts, such as luks`);
  process.exit(2);
}
process.exitCode = spawnSync(process.execPath, [file, ...rest], { stdio: "inherit" }).status ?? 1;
