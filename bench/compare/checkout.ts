import { execFileSync, spawnSync } from "node:child_process";
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

/** The checkout that this file belongs to. */
export const thisCheckout = fileURLToPath(new URL("../..", import.meta.url));

/** Another commit's packages, built, under this commit's benchmarks. */
export interface Checkout {
  readonly directory: string;
  /** The full hash. */
  readonly commit: string;
  remove(): void;
}

/**
 * Lays out a commit of this repository in a temporary folder and builds it. `bench/` and `interop/` are this commit's,
 * so that both sides are driven by the same programs; they use the public API alone.
 *
 * @throws Error if there is no such commit, or if it does not build
 */
export function checkOut(revision: string, log: (line: string) => void): Checkout {
  const commit = git("rev-parse", "--verify", "--end-of-options", `${revision}^{commit}`).trim();
  const directory = mkdtempSync(join(tmpdir(), "chatelaine-compare-"));
  const remove = () => rmSync(directory, { recursive: true, force: true });
  try {
    log(`building ${commit.slice(0, 12)} in ${directory}`);
    extract(commit, directory);
    for (const folder of ["bench", "interop"]) {
      rmSync(join(directory, folder), { recursive: true, force: true });
      cpSync(join(thisCheckout, folder), join(directory, folder), { recursive: true });
    }
    installModules(directory);
    build(directory);
    return { directory, commit, remove };
  } catch (error) {
    remove();
    throw error;
  }
}

function extract(commit: string, directory: string): void {
  const archive = execFileSync("git", ["-C", thisCheckout, "archive", commit], {
    maxBuffer: 512 << 20,
  });
  execFileSync("tar", ["-x", "-C", directory], { input: archive });
}

/** Those of this checkout where the lock file is the same, else its own. */
function installModules(directory: string): void {
  if (lockFile(directory) !== lockFile(thisCheckout)) {
    run("npm", ["ci", "--no-audit", "--no-fund", "--loglevel=error"], directory);
    return;
  }
  const modules = join(thisCheckout, "node_modules");
  mkdirSync(join(directory, "node_modules"));
  for (const name of readdirSync(modules)) {
    const [source, target] = [join(modules, name), join(directory, "node_modules", name)];
    // Links to the workspace's packages are relative: a copy of them leads to the copy's packages.
    if (name.includes("chatelaine")) {
      cpSync(source, target, { recursive: true, verbatimSymlinks: true });
    } else symlinkSync(source, target);
  }
}

function lockFile(root: string): string {
  return readFileSync(join(root, "package-lock.json"), "utf8");
}

function build(directory: string): void {
  const packages = ["keys", "luks", "volumes", "server", "cli"].map((name) => `packages/${name}`);
  run(join(thisCheckout, "node_modules", ".bin", "tsc"), ["-b", ...packages], directory);
}

function run(program: string, words: readonly string[], cwd: string): void {
  const { status, stdout, stderr, error } = spawnSync(program, words, { cwd, encoding: "utf8" });
  if (error) throw error;
  if (status !== 0) throw new Error(`${program} ${words.join(" ")}: ${stdout}${stderr}`);
}

function git(...words: readonly string[]): string {
  const { status, stdout, stderr } = spawnSync("git", ["-C", thisCheckout, ...words], {
    encoding: "utf8",
  });
  if (status !== 0) throw new Error(`git ${words[0]}: ${stderr.trim()}`);
  return stdout;
}
