/** Small programs of ours in the languages of real clients, each of which does what its client's users do. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

type Environment = Readonly<Record<string, string>>;

/** Whose key manager a program works with. */
export interface Subject {
  /** The `OS_*` variables of a member of a project that holds nothing, and holds nothing afterwards. */
  readonly environment: Environment;
  /** Another user, of another project. */
  readonly other: { readonly userId: string; readonly environment: Environment };
}

/** Runs a program of this folder, by the interpreter that its name asks for, until it says that all is done. */
export async function runProgram(name: string, environment: Environment): Promise<void> {
  const file = fileURLToPath(new URL(name, import.meta.url));
  const interpreter = name.endsWith(".rb") ? "/usr/bin/ruby" : "/usr/bin/python3";
  assert.match(await run(interpreter, [file], environment), /all done/);
}

/**
 * Makes a program of gophercloud-walk.go, with Debian's Go libraries and nothing from the network.
 *
 * @returns how to run it, and how to remove it
 */
export async function buildGophercloud(): Promise<{
  readonly walk: (subject: Subject) => Promise<void>;
  readonly remove: () => void;
}> {
  const folder = mkdtempSync(join(tmpdir(), "chatelaine-gophercloud-"));
  const program = join(folder, "walk");
  const source = fileURLToPath(new URL("gophercloud-walk.go", import.meta.url));
  // Without cgo no C compiler is needed.
  const debian = { GO111MODULE: "off", GOPATH: "/usr/share/gocode", CGO_ENABLED: "0" };
  await run("/usr/bin/go", ["build", "-o", program, source], { ...debian, GOCACHE: folder });
  return {
    async walk({ environment, other }) {
      const more = { OTHER_USER_ID: other.userId, OS_AUTH_URL: withoutVersion(environment) };
      assert.match(await run(program, [], { ...environment, ...more }), /all done/);
    },
    remove: () => rmSync(folder, { recursive: true }),
  };
}

/** Also by an address of Keystone without a version. */
export async function walkWithFog({ environment, other }: Subject): Promise<void> {
  const more = { OTHER_USER_ID: other.userId, OS_AUTH_URL: withoutVersion(environment) };
  await runProgram("fog-walk.rb", { ...environment, ...more });
}

/** Also by an address of Keystone without a version. */
export async function walkWithOpenstacksdk({ environment }: Subject): Promise<void> {
  const more = { OS_AUTH_URL: withoutVersion(environment) };
  await runProgram("openstacksdk-walk.py", { ...environment, ...more });
}

export async function walkWithSwift({ environment }: Subject): Promise<void> {
  // Swift's configuration has no region; this is how an operator gives its Castellan one.
  const more = { OS_BARBICAN__BARBICAN_REGION_NAME: environment["OS_REGION_NAME"] ?? "" };
  await runProgram("swift-walk.py", { ...environment, ...more });
}

/** With the other user as Octavia's own. */
export async function walkWithOctavia({ environment, other }: Subject): Promise<void> {
  const service = other.environment;
  const settings = `[certificates]
barbican_auth = barbican_acl_auth
region_name = ${environment["OS_REGION_NAME"]}
endpoint_type = public

[service_auth]
auth_type = password
auth_url = ${service["OS_AUTH_URL"]}
username = ${service["OS_USERNAME"]}
password = ${service["OS_PASSWORD"]}
user_domain_name = Default
project_name = ${service["OS_PROJECT_NAME"]}
project_domain_name = Default
`;
  await withSettings(
    () => settings,
    (file) => runProgram("octavia-walk.py", { ...environment, OCTAVIA_CONF: file }),
  );
}

/** Heat's engine with a database of its own. */
export async function walkWithHeat({ environment }: Subject): Promise<void> {
  await withSettings(heatSettings, (file) =>
    runProgram("heat-walk.py", { ...environment, HEAT_CONF: file }),
  );
}

function heatSettings(folder: string): string {
  return `[DEFAULT]
deferred_auth_method = password
auth_encryption_key = ${randomBytes(16).toString("hex")}

[database]
connection = sqlite:///${folder}/heat.sqlite
`;
}

/** Lends a configuration file, in a folder that goes with it. */
async function withSettings(
  settings: (folder: string) => string,
  use: (file: string) => Promise<void>,
): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "chatelaine-settings-"));
  const file = join(folder, "service.conf");
  writeFileSync(file, settings(folder), { mode: 0o600 });
  try {
    await use(file);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function withoutVersion(environment: Environment): string {
  return (environment["OS_AUTH_URL"] ?? "").replace(/\/v3$/, "");
}

/** @throws Error with what it wrote to standard error */
function run(command: string, args: readonly string[], environment: Environment): Promise<string> {
  const env = { PATH: "/usr/bin:/bin", HOME: "/nonexistent", LC_ALL: "C.UTF-8", ...environment };
  return new Promise((resolve, reject) => {
    execFile(command, args, { env, maxBuffer: 64 << 20 }, (error, stdout, stderr) => {
      if (error === null) resolve(stdout);
      else reject(new Error(`${args.at(0) ?? command}: ${stderr.slice(-4_000)}`, { cause: error }));
    });
  });
}
