import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Daemons } from "../host/daemons.ts";
import { runTool } from "../host/run-tool.ts";
import { answers, waitFor } from "../host/wait-for.ts";
import { uwsgi } from "./front.ts";
import { type LabLayout, legacyRegion } from "./layout.ts";

/** Both policy modes of Barbican's default rules. */
export type PolicyMode = "legacy" | "secure";

/** Configures and starts both Barbicans: two policies over one database and one key encryption key. */
export async function startBarbicans(
  lab: LabLayout,
  daemons: Daemons,
  databaseUrl: string,
  servicePassword: string,
): Promise<void> {
  const homes = {
    legacy: configure(lab, "legacy", lab.legacyUrl, databaseUrl, servicePassword),
    secure: configure(lab, "secure", lab.secureUrl, databaseUrl, servicePassword),
  };
  const migrated = join(lab.directory, "barbican-migrated");
  if (!existsSync(migrated)) {
    lab.log("Barbican: making its schema");
    const python = (home: string, code: string) =>
      runTool("/usr/bin/python3", ["-c", code], { cwd: lab.directory, env: { HOME: home } });
    const upgrade = "from barbican.cmd.db_manage import main; sys.argv = ['db', 'upgrade']; main()";
    python(homes.legacy, `import sys; ${upgrade}`);
    // The first start registers the secret store, and two workers that do so at once trip over each other.
    python(homes.secure, readFileSync(join(homes.secure, "wsgi.py"), "utf8"));
    writeFileSync(migrated, "");
  }
  const start = (mode: PolicyMode, processes: number) =>
    daemons.start(
      `barbican-${mode}`,
      uwsgi(lab, `barbican-${mode}`, join(homes[mode], "wsgi.py"), {
        processes,
        threads: 1,
        env: { HOME: homes[mode] },
      }),
    );
  await start("legacy", 2);
  await start("secure", 2);
}

/** Resolves once both answer. */
export async function barbicansReady(lab: LabLayout, daemons: Daemons): Promise<void> {
  for (const [mode, url] of [
    ["legacy", lab.legacyUrl],
    ["secure", lab.secureUrl],
  ] as const) {
    await waitFor(`Barbican (${mode})`, 60, () => answers(`${url}/healthcheck`)).catch((cause) => {
      throw new Error(`Barbican (${mode}) did not start:\n${daemons.logTail(`barbican-${mode}`)}`, {
        cause,
      });
    });
  }
}

/** Writes one instance's home (Barbican looks for its configuration in `~/.barbican`) and returns it. */
function configure(
  lab: LabLayout,
  mode: PolicyMode,
  url: string,
  databaseUrl: string,
  servicePassword: string,
): string {
  const home = join(lab.directory, `barbican-${mode}`);
  const directory = join(home, ".barbican");
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const policy =
    mode === "secure"
      ? "enforce_scope = true\nenforce_new_defaults = true"
      : "enforce_scope = false\nenforce_new_defaults = false";
  writeFileSync(
    join(directory, "barbican.conf"),
    `[DEFAULT]
sql_connection = ${databaseUrl}
db_auto_create = false
host_href = ${url}
log_file = ${join(lab.directory, "log", `barbican-${mode}-app.log`)}
${stores(mode)}
[crypto]
enabled_crypto_plugins = simple_crypto
[simple_crypto_plugin]
kek = ${keyEncryptionKey(lab)}
[queue]
enable = false
[keystone_authtoken]
auth_type = password
auth_url = ${lab.keystoneUrl}
www_authenticate_uri = ${lab.keystoneUrl}
username = barbican
password = ${servicePassword}
project_name = service
user_domain_name = Default
project_domain_name = Default
region_name = ${legacyRegion}
service_token_roles = service
service_token_roles_required = true
[oslo_policy]
${policy}
`,
    { mode: 0o600 },
  );
  const paste = join(directory, "paste.ini");
  writeFileSync(paste, pipelines);
  writeFileSync(
    join(home, "wsgi.py"),
    `from paste import deploy\napplication = deploy.loadapp("config:${paste}")\n`,
  );
  return home;
}

/** The secure one has the calls for several secret stores switched on, with one store behind them. */
function stores(mode: PolicyMode): string {
  if (mode === "legacy") return "[secretstore]\nenabled_secretstore_plugins = store_crypto";
  return `[secretstore]
enable_multiple_secret_stores = true
stores_lookup_suffix = software
[secretstore:software]
secret_store_plugin = store_crypto
crypto_plugin = simple_crypto
global_default = true`;
}

function keyEncryptionKey(lab: LabLayout): string {
  const file = join(lab.directory, "kek");
  if (!existsSync(file)) writeFileSync(file, randomBytes(32).toString("base64"), { mode: 0o600 });
  return readFileSync(file, "utf8");
}

/** Which middleware Barbican's API runs behind, by the names of its Python factories. */
const pipelines = `[composite:main]
use = egg:Paste#urlmap
/ = versions
/v1 = v1
/healthcheck = health

[pipeline:versions]
pipeline = proxy microversion versions_app

[pipeline:v1]
pipeline = proxy token context microversion v1_app

[app:versions_app]
paste.app_factory = barbican.api.app:create_version_app

[app:v1_app]
paste.app_factory = barbican.api.app:create_main_app

[app:health]
paste.app_factory = oslo_middleware:Healthcheck.app_factory

[filter:proxy]
paste.filter_factory = oslo_middleware:HTTPProxyToWSGI.factory

[filter:token]
paste.filter_factory = keystonemiddleware.auth_token:filter_factory

[filter:context]
paste.filter_factory = barbican.api.middleware.context:ContextMiddleware.factory

[filter:microversion]
paste.filter_factory = barbican.api.middleware.microversion:MicroversionMiddleware.factory
`;
