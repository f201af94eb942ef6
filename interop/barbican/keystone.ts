import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Daemons } from "../host/daemons.ts";
import { runTool } from "../host/run-tool.ts";
import { answers, waitFor } from "../host/wait-for.ts";
import { uwsgi } from "./front.ts";
import { type LabLayout, legacyRegion } from "./layout.ts";

/** Configures Keystone (schema, Fernet keys, first administrator) and starts it. */
export async function startKeystone(
  lab: LabLayout,
  daemons: Daemons,
  databaseUrl: string,
  adminPassword: string,
): Promise<void> {
  const home = join(lab.directory, "keystone");
  mkdirSync(home, { recursive: true, mode: 0o700 });
  writeFileSync(join(home, "keystone.conf"), configuration(lab, home, databaseUrl), {
    mode: 0o600,
  });
  const bootstrapped = join(home, "bootstrapped");
  if (!existsSync(bootstrapped)) {
    lab.log("Keystone: making its schema and its administrator");
    const manage = (...args: string[]) =>
      runTool("keystone-manage", ["--config-dir", home, ...args], {
        env: { OS_BOOTSTRAP_PASSWORD: adminPassword },
      });
    manage("db_sync");
    manage("fernet_setup", "--keystone-user", "root", "--keystone-group", "root");
    manage("credential_setup", "--keystone-user", "root", "--keystone-group", "root");
    const url = lab.keystoneUrl;
    manage(
      ..."bootstrap --bootstrap-username admin --bootstrap-project-name admin".split(" "),
      ..."--bootstrap-role-name admin --bootstrap-service-name keystone".split(" "),
      ...`--bootstrap-region-id ${legacyRegion} --bootstrap-admin-url ${url}`.split(" "),
      ...`--bootstrap-public-url ${url} --bootstrap-internal-url ${url}`.split(" "),
    );
    writeFileSync(bootstrapped, "");
  }
  await daemons.start(
    "keystone",
    uwsgi(lab, "keystone", "/usr/bin/keystone-wsgi-public", {
      // One: each process has a cache of its own, and would answer from it what another has changed.
      processes: 1,
      threads: 4,
      env: { OS_KEYSTONE_CONFIG_DIR: home },
    }),
  );
}

/** Resolves once Keystone answers. */
export async function keystoneReady(lab: LabLayout, daemons: Daemons): Promise<void> {
  await waitFor("Keystone", 60, () => answers(lab.keystoneUrl)).catch((cause: unknown) => {
    throw new Error(`Keystone did not start:\n${daemons.logTail("keystone")}`, { cause });
  });
}

function configuration(lab: LabLayout, home: string, databaseUrl: string): string {
  return `[DEFAULT]
log_file = ${join(lab.directory, "log", "keystone-app.log")}
max_token_size = 255
[database]
connection = ${databaseUrl}
[identity]
# Suites make hundreds of users, and Keystone's default costs a quarter of a second of a core for each and each login.
password_hash_rounds = 4
[token]
provider = fernet
expiration = 43200
[fernet_tokens]
key_repository = ${join(home, "fernet-keys")}
[fernet_receipts]
key_repository = ${join(home, "fernet-keys")}
[credential]
key_repository = ${join(home, "credential-keys")}
[cache]
enabled = true
backend = oslo_cache.dict
expiration_time = 60
[oslo_middleware]
enable_proxy_headers_parsing = true
`;
}
