// `npm run prove -- NAME [ARGUMENTS]`: the proofs that take too long for every test run.
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";

/** Each proof is a program: it exits with 0 if it found nothing, and prints what it did. */
const proofs = {
  headers: "interop/headers/prove.ts",
  luks: "packages/luks/test/prove.ts",
  database: "packages/server/test/prove-database.ts",
  volumes: "packages/volumes/test/prove.ts",
};

const [name = "", ...rest] = process.argv.slice(2);
if (!Object.hasOwn(proofs, name)) {
  console.error(`prove ${name}: no such proof: give one of ${Object.keys(proofs).join(", ")}`);
  process.exit(2);
}
const file = fileURLToPath(new URL(`../${proofs[name]}`, import.meta.url));
process.exitCode = spawnSync(process.execPath, [file, ...rest], { stdio: "inherit" }).status ?? 1;
