// Makes a clone ready to run: installs what the lockfile names and builds what is stale.
// Plain JavaScript for Node.js 20, which runs it (`npm_node_execpath` is the Node.js that runs npm, not the workspace's
// own). Does nothing when nothing changed.
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const stamp = join(root, "node_modules", ".installed-lock");
/** Of the oldest line that the packages support; its program needs nothing that Node.js 20 does not. */
const plainerRuntime = "22.23.3";

installIfChanged();
ensureRuntime();
build();

function installIfChanged() {
  const lock = createHash("sha256")
    .update(readFileSync(join(root, "package-lock.json")))
    .digest("hex");
  if (existsSync(stamp) && readFileSync(stamp, "utf8") === lock) return;
  console.error("chatelaine: installing dependencies (npm ci) …");
  if (!npm(["ci"])) {
    fail(
      "npm ci failed: see its message above; it needs the npm registry (directly, or through npm's `proxy` setting)",
    );
  }
  writeFileSync(stamp, lock);
}

/** Node.js 26 wants libatomic1, which a minimal Debian lacks. */
function ensureRuntime() {
  const node = join(root, "node_modules", ".bin", "node");
  const { status, stderr, error } = spawnSync(node, ["--version"], { encoding: "utf8" });
  if (status === 0) return;
  const why = (error ? error.message : stderr).trim();
  console.error(
    `chatelaine: the workspace's own Node.js does not run here (${why}); installing ${plainerRuntime} in its place …`,
  );
  const folder = join(root, "node_modules", ".plainer-runtime");
  mkdirSync(folder, { recursive: true });
  // First, or npm runs install scripts with it.
  rmSync(node, { force: true });
  if (!npm(["install", "--prefix", folder, `node@${plainerRuntime}`])) {
    fail(`npm install failed: see its message above; or mend what keeps ${node} from running`);
  }
  symlinkSync(join(folder, "node_modules", "node", "bin", "node"), node);
}

/** Whether npm, the one that runs this script, did it. */
function npm(args) {
  const program = process.env.npm_execpath;
  const [command, first] = program ? [process.execPath, [program]] : ["npm", []];
  const quiet = ["--no-audit", "--no-fund", "--loglevel=error"];
  const { status } = spawnSync(command, [...first, ...args, ...quiet], {
    cwd: root,
    stdio: ["ignore", "inherit", "inherit"],
  });
  return status === 0;
}

function build() {
  const result = spawnSync(join(root, "node_modules", ".bin", "tsc"), ["-b"], {
    cwd: root,
    stdio: "inherit",
  });
  if (result.status !== 0) fail("tsc -b failed: the errors above must be mended first");
}

function fail(message) {
  console.error(`chatelaine: ${message}`);
  process.exit(1);
}
