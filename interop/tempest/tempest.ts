/** Debian's barbican-tempest-plugin, the API's own acceptance tests, on an endpoint of our choice. */
import { execFile } from "node:child_process";
import { randomUUID } from "node:crypto";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { BarbicanLab } from "../barbican/lab.ts";

export const tempestPackages = ["barbican-tempest-plugin", "python3-stestr", "tempest"] as const;

export interface TempestRun {
  readonly lab: BarbicanLab;
  /** The key manager to test, without `/v1`; it must accept the lab's identity tokens. */
  readonly url: string;
  /**
   * What the server enforces: `legacy` has the plugin's API tests with their project quotas, `secure` its role tests.
   * The plugin skips the other kind itself, class by class.
   */
  readonly rules: "legacy" | "secure";
  /** Regular expression that test names match; all of the plugin's by default. */
  readonly only?: string;
}

/** Test names without tempest's trailing `[id-…]`. */
export interface TempestResults {
  readonly passed: ReadonlySet<string>;
  readonly failed: ReadonlySet<string>;
  /** What stestr printed, tracebacks included, for an error message. */
  readonly output: string;
}

/**
 * Runs the plugin's tests, in two processes, with users that tempest makes in the lab's Keystone and removes again.
 *
 * The plugin looks at no region: it takes any endpoint of the key manager in the catalog. So the catalog shows none but
 * the one to test while it runs; the lab's own are shown again at its end, or when the lab next starts.
 *
 * @throws Error with the end of stestr's output when it ran no test
 */
export async function runTempest(run: TempestRun): Promise<TempestResults> {
  const region = `tempest-${randomUUID()}`;
  const directory = mkdtempSync(join(tmpdir(), "chatelaine-tempest-"));
  const admin = await run.lab.admin();
  const identity = await admin.serviceId("identity");
  const keyManager = await admin.serviceId("key-manager");
  const others = await admin.endpoints(keyManager);
  try {
    for (const { id } of others) await admin.showEndpoint(id, false);
    await admin.ensureEndpoint(identity, region, run.lab.keystoneUrl);
    await admin.ensureEndpoint(keyManager, region, run.url);
    configure(directory, run, region);
    return read(await stestr(directory, run.only ?? "."));
  } finally {
    await admin.removeRegion(region);
    for (const { id } of others) await admin.showEndpoint(id, true);
    rmSync(directory, { recursive: true, force: true });
  }
}

function configure(directory: string, run: TempestRun, region: string): void {
  for (const name of ["locks", "logs"]) mkdirSync(join(directory, name));
  const { admin } = run.lab.users;
  const enforced = run.rules === "secure";
  const options: Readonly<Record<string, Readonly<Record<string, string | boolean>>>> = {
    DEFAULT: { log_dir: join(directory, "logs"), log_file: "tempest.log" },
    oslo_concurrency: { lock_path: join(directory, "locks") },
    auth: {
      use_dynamic_credentials: true,
      create_isolated_networks: false,
      admin_username: admin.username,
      admin_password: admin.password,
      admin_project_name: admin.projectName,
      admin_domain_name: "Default",
      admin_system: "all",
      // Legacy rules know no `member`, secure ones no `creator`.
      tempest_roles: "creator,member",
    },
    identity: { auth_version: "v3", uri_v3: run.lab.keystoneUrl, region },
    "identity-feature-enabled": { api_v2: false, api_v3: true },
    service_available: {
      barbican: true,
      cinder: false,
      glance: false,
      neutron: false,
      nova: false,
      swift: false,
    },
    key_manager: { min_microversion: "1.0", max_microversion: "1.1" },
    enforce_scope: { barbican: enforced },
    barbican_rbac_scope_verification: { enforce_scope: enforced },
    // What these scenarios need is Nova, Cinder and Glance.
    ephemeral_storage_encryption: { enabled: false },
    image_signature_verification: { enforced: false },
    validation: { run_validation: false },
  };
  const text = Object.entries(options)
    .map(([section, values]) =>
      [`[${section}]`, ...Object.entries(values).map(([name, value]) => `${name} = ${value}`)].join(
        "\n",
      ),
    )
    .join("\n");
  writeFileSync(join(directory, "tempest.conf"), `${text}\n`, { mode: 0o600 });
  // Of one class, all tests in one process: its users are made once.
  const packages = "/usr/lib/python3/dist-packages";
  writeFileSync(
    join(directory, ".stestr.conf"),
    `[DEFAULT]\ntest_path=${packages}/barbican_tempest_plugin/tests\ntop_dir=${packages}\n` +
      "group_regex=([^\\.]*\\.)*\n",
  );
}

/** Failing tests give it a status of its own, which the results say better. */
function stestr(directory: string, only: string): Promise<string> {
  const options = {
    cwd: directory,
    maxBuffer: 64 << 20,
    env: {
      PATH: "/usr/bin:/bin",
      HOME: directory,
      LC_ALL: "C.UTF-8",
      no_proxy: "127.0.0.1",
      TEMPEST_CONFIG_DIR: directory,
      TEMPEST_CONFIG: "tempest.conf",
    },
  };
  return new Promise((resolve, reject) => {
    execFile(
      "/usr/bin/stestr",
      ["run", "--concurrency", "2", only],
      options,
      (error, stdout, stderr) => {
        if (error !== null && typeof error.code !== "number") reject(error);
        else resolve(`${stdout}\n${stderr}`);
      },
    );
  });
}

/** Reads lines such as `{0} a.b.Class.test_name[id-…] [0.12s] ... ok`; a class that could not be set up is a failure. */
function read(output: string): TempestResults {
  const passed = new Set<string>();
  const failed = new Set<string>();
  const line = /^\{\d+\} (\S+?)(?:\[\S*\])?(?: \(\S+\))?(?: \[\S+\])? \.\.\. (ok|FAILED)/gm;
  for (const [, name = "", word] of output.matchAll(line))
    (word === "ok" ? passed : failed).add(name);
  const sum = (what: string) => Number(new RegExp(`^ - ${what}: (\\d+)$`, "m").exec(output)?.[1]);
  if (passed.size === 0 || passed.size !== sum("Passed") || failed.size !== sum("Failed"))
    throw new Error(`tempest: cannot tell which tests ran\n${output.slice(-6_000)}`);
  return { passed, failed, output };
}
