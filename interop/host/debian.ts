/** Debian packages: which are missing, and how they get installed. Nothing else of the host is changed. */
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, rmSync, writeFileSync } from "node:fs";

const policyFile = "/usr/sbin/policy-rc.d";

/** The names in `packages` that dpkg does not report as installed. */
export function missingPackages(packages: readonly string[]): string[] {
  if (packages.length === 0) return [];
  const query = spawnSync(
    "dpkg-query",
    ["-W", "-f=${Package} ${db:Status-Status}\n", ...packages],
    {
      encoding: "utf8",
    },
  );
  if (query.error) return [...packages];
  const installed = new Set(
    query.stdout
      .split("\n")
      .filter((line) => line.endsWith(" installed"))
      .map((line) => line.split(" ")[0]),
  );
  return packages.filter((name) => !installed.has(name));
}

/**
 * Installs what is missing, without recommended packages and without starting the services that come along.
 *
 * @throws Error with the reason when this is no Debian, the user is not root, or apt-get fails.
 */
export function installPackages(packages: readonly string[], log: (line: string) => void): void {
  const missing = missingPackages(packages);
  if (missing.length === 0) return;
  if (!existsSync("/usr/bin/apt-get")) {
    throw new Error(`install packages: no apt-get here; missing: ${missing.join(" ")}`);
  }
  if (process.getuid?.() !== 0) {
    throw new Error(`install packages: not root; run: apt-get install ${missing.join(" ")}`);
  }
  log(`apt-get install ${missing.join(" ")}`);
  withoutServiceStart(() => {
    if (!hasPackageLists()) apt(["update", "-qq"]);
    const install = ["install", "-y", "-qq", "--no-install-recommends", ...missing];
    try {
      apt(install);
    } catch {
      // The lists may be older than the mirror: what they name is gone there.
      apt(["update", "-qq"]);
      apt(install);
    }
  });
  const still = missingPackages(packages);
  if (still.length > 0) throw new Error(`install packages: still missing: ${still.join(" ")}`);
}

function apt(args: readonly string[]): void {
  const result = spawnSync("apt-get", ["-o", "DPkg::Lock::Timeout=600", ...args], {
    encoding: "utf8",
    maxBuffer: 64 << 20,
    env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" },
  });
  if (result.status === 0) return;
  const tail = `${result.stdout ?? ""}${result.stderr ?? ""}`
    .trim()
    .split("\n")
    .slice(-8)
    .join("\n");
  throw new Error(`apt-get ${args[0]} failed (status ${result.status}):\n${tail}`);
}

function hasPackageLists(): boolean {
  try {
    return readdirSync("/var/lib/apt/lists").some((name) => name.includes("Packages"));
  } catch {
    return false;
  }
}

/** Debian's own switch: while this file says 101, no package starts its service. */
function withoutServiceStart(install: () => void): void {
  if (existsSync(policyFile)) {
    install();
    return;
  }
  writeFileSync(policyFile, "#!/bin/sh\nexit 101\n", { mode: 0o755 });
  try {
    install();
  } finally {
    rmSync(policyFile, { force: true });
  }
}
