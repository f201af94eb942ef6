// Makes a clone ready to run: installs what the lockfile names and builds what is stale.
// Plain JavaScript for Node.js 20, because it runs before anything is installed. Does nothing when nothing changed.
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const stamp = join(root, "node_modules", ".installed-lock");

installIfChanged();
build();

function installIfChanged() {
  const lock = createHash("sha256")
    .update(readFileSync(join(root, "package-lock.json")))
    .digest("hex");
  if (existsSync(stamp) && readFileSync(stamp, "utf8") === lock) return;
  console.error("chatelaine: installing dependencies (npm ci) …");
  const npm = process.env.npm_execpath;
  const [command, args] = npm ? [process.execPath, [npm]] : ["npm", []];
  const result = spawnSync(
    command,
    [...args, "ci", "--no-audit", "--no-fund", "--loglevel=error"],
    {
      cwd: root,
      stdio: ["ignore", "inherit", "inherit"],
    },
  );
  if (result.status !== 0) {
    fail(
      "npm ci failed: see its message above; it needs the npm registry (directly, or through npm's `proxy` setting)",
    );
  }
  writeFileSync(stamp, lock);
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
