// Makes a clone ready to run: installs what the lockfile names and builds what is stale.
// Plain JavaScript for Node.js 20, which runs it (`npm_node_execpath` is the Node.js that runs npm, not the workspace's
// own). Does nothing when nothing changed.
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
// By name, an older Node.js would refuse the import before it is told what it lacks.
import fs from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const stamp = join(root, "node_modules", ".installed-lock");
/** Of the oldest line that the packages support; its program needs nothing that Node.js 20 does not. */
const plainerRuntime = "22.23.3";

refuseOldNode();
installIfChanged();
ensureRuntime();
build();

function refuseOldNode() {
  if (Number(process.versions.node.split(".")[0]) >= 20) return;
  fail(
    `this is Node.js ${process.versions.node}; a clone needs 20 or later, and brings a newer one to run on`,
  );
}

function installIfChanged() {
  const lock = createHash("sha256")
    .update(fs.readFileSync(join(root, "package-lock.json")))
    .digest("hex");
  if (fs.existsSync(stamp) && fs.readFileSync(stamp, "utf8") === lock) return;
  console.error("chatelaine: installing dependencies (npm ci) …");
  if (!npm(["ci"])) {
    fail(
      "npm ci failed: see its message above; it needs the npm registry (directly, or through npm's `proxy` setting). Nothing is half done: the next try begins anew",
    );
  }
  fs.writeFileSync(stamp, lock);
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
  fs.mkdirSync(folder, { recursive: true });
  // First, or npm runs install scripts with it.
  fs.rmSync(node, { force: true });
  if (!npm(["install", "--prefix", folder, `node@${plainerRuntime}`])) {
    fail(`npm install failed: see its message above; or fix what keeps ${node} from running`);
  }
  fs.symlinkSync(join(folder, "node_modules", "node", "bin", "node"), node);
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
  if (!fs.existsSync(join(root, "packages", "cli", "dist", "main.js")))
    console.error("chatelaine: building …");
  const result = spawnSync(join(root, "node_modules", ".bin", "tsc"), ["-b"], {
    cwd: root,
    stdio: "inherit",
  });
  if (result.status !== 0) fail("tsc -b failed: the errors above must be fixed first");
}

function fail(message) {
  console.error(`chatelaine: ${message}`);
  process.exit(1);
}
