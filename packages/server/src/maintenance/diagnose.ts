import { X509Certificate } from "node:crypto";
import { existsSync, statSync } from "node:fs";
import { Client } from "pg";
import type { ServerConfig } from "../config/config.ts";
import { checkRootKeys } from "../crypto/root-key/ring.ts";
import { ServerError } from "../model/server-error.ts";
import { openPolicy } from "../parts/open-policy.ts";
import { openProxies } from "../parts/open-proxies.ts";
import { findRootKeys, rootKeyPath } from "../parts/open-root-keys.ts";
import { openTls } from "../parts/open-tls.ts";
import { driveAsync, driveSync } from "../store/drive.ts";
import { pendingMigrations, readMigrations } from "../store/migrations.ts";
import type { Statement, StatementResult, Steps } from "../store/operation.ts";
import { listRootKeys } from "../store/operations/keys.ts";
import {
  connectionSecurity,
  refuseInsecureConnection,
} from "../store/postgres/connection-security.ts";
import { Connection } from "../store/sqlite/connection.ts";
import { callControl } from "./control.ts";
import { diagnoseAddresses } from "./diagnose-addresses.ts";
import { type Diagnosis, diagnosed, type Outcome, ok } from "./diagnosis.ts";
import { controlPath } from "./run-command.ts";

const dayMs = 86_400_000;

/** Checks the conditions of a server's start. Changes and creates nothing; a server may run at the same time. */
export async function diagnoseServer(config: ServerConfig): Promise<readonly Diagnosis[]> {
  return [
    await diagnosed("server", () => serverOf(config)),
    ...(await diagnoseAddresses(config)),
    await diagnosed("proxy", () => proxyOf(config)),
    ...(await runtimeOf(config)),
    await diagnosed("data directory", () => dataDirectoryOf(config)),
    await diagnosed("policy", () => {
      openPolicy(config);
      return ok(`the ${config.text("policy.rules")} rules${replaced(config)}`);
    }),
    await diagnosed("server certificate", () => certificateOf(config)),
    await diagnosed("database", () => databaseOf(config)),
    await diagnosed("root key", () => rootKeyOf(config)),
  ];
}

async function serverOf(config: ServerConfig): Promise<Outcome> {
  const running = await callControl(controlPath(config), "", []).catch((error: unknown) => {
    if (error instanceof ServerError) return true;
    throw error;
  });
  return running
    ? ok("runs")
    : { state: "warning", found: "does not run", fix: "chatelaine server start" };
}

async function proxyOf(config: ServerConfig): Promise<Outcome> {
  const { trustedProxies, header } = openProxies(config);
  if (trustedProxies) return ok(`${String(trustedProxies)} may name their client in ${header}`);
  const seen = await callControl(controlPath(config), "sees ignored proxy", []).catch(
    (error: unknown) => {
      if (error instanceof ServerError) return undefined; // a server of an earlier version
      throw error;
    },
  );
  if (seen?.result !== true) return ok("no proxy is trusted, and none was seen");
  return {
    state: "warning",
    found: "requests have X-Forwarded-For or Forwarded headers, and no proxy is trusted",
    fix: "if a proxy is in front, set listen.trustedProxies: all its clients count as one now",
  };
}

/** What the running server finds of its own process; nothing if none runs. */
async function runtimeOf(config: ServerConfig): Promise<readonly Diagnosis[]> {
  try {
    const answered = await callControl(controlPath(config), "runtime", []);
    return (answered?.result ?? []) as readonly Diagnosis[];
  } catch (error) {
    if (!(error instanceof ServerError)) return [];
    const found = "the running server is of an earlier version: restart it";
    return [{ check: "debugger", state: "not checked", found }];
  }
}

function dataDirectoryOf(config: ServerConfig): Outcome {
  const path = config.requiredText("dataDirectory");
  if (!existsSync(path)) return ok(`${path}: does not exist yet; the first start creates it`);
  const mode = statSync(path).mode & 0o777;
  if ((mode & 0o077) === 0) return ok(path);
  return {
    state: "warning",
    found: `${path}: mode ${mode.toString(8)} lets others look into it`,
    fix: `chmod 700 ${path}`,
  };
}

function replaced(config: ServerConfig): string {
  const file = config.text("policy.file");
  return file === undefined ? "" : `, single ones replaced by ${file}`;
}

function certificateOf(config: ServerConfig): Outcome {
  const file = config.text("tls.certificateFile");
  const tls = openTls(config);
  if (!tls) {
    const host = config.requiredText("listen.host");
    if (host === "127.0.0.1" || host === "::1" || host === "localhost")
      return ok(`none, and none needed: only this host reaches ${host}`);
    return {
      state: "warning",
      found: `none: keys travel in clear text to and from ${host}`,
      fix: "set tls.certificateFile and tls.keyFile, or put a proxy in front that has TLS",
    };
  }
  const left = new X509Certificate(tls.cert).validToDate.getTime() - Date.now();
  const fix = "renew it, and reload the server (SIGHUP)";
  if (left < 0) return { state: "bad", found: `${file}: it has expired`, fix };
  const found = `${file}: good for ${Math.floor(left / dayMs)} days`;
  return left < 14 * dayMs ? { state: "warning", found, fix } : ok(found);
}

async function databaseOf(config: ServerConfig): Promise<Outcome> {
  const database = config.path("database", "keys.db");
  const asked = await ask(config, pendingMigrations(readMigrations(dialectOf(database))));
  if (!asked) return ok(`${database}: does not exist yet; the first start creates it`);
  const name = isPostgres(database) ? "PostgreSQL" : database;
  const pending = asked.answer.length;
  const found =
    pending === 0
      ? `${name}: of this version`
      : `${name}: the next start applies ${pending} schema changes; make a backup first`;
  const insecure = insecureConnectionTo(database);
  if (!insecure) return ok(found);
  return {
    state: "warning",
    found: `${found}; ${insecure}`,
    fix: "set sslmode=verify-full in the database's URL, and postgres.insecureTransport: false",
  };
}

/** What of the connection is not protected, because the configuration allows that. */
function insecureConnectionTo(database: string): string | undefined {
  if (!isPostgres(database)) return undefined;
  switch (connectionSecurity(database)) {
    case "plaintext":
      return "the password and every row travel in clear text";
    case "unverified":
      return "its certificate is not verified: anyone on the network path can read and change every row";
    case "local":
    case "verified":
      return undefined;
  }
}

async function rootKeyOf(config: ServerConfig): Promise<Outcome> {
  const value = config.secret("rootKey.value");
  const path = rootKeyPath(config);
  const ring = await findRootKeys(config);
  const recorded = await ask(config, listRootKeys.steps(null)).catch(() => undefined);
  if (!ring) {
    if ((recorded?.answer.length ?? 0) === 0)
      return ok(`${path}: does not exist yet; the first start creates it`);
    return {
      state: "bad",
      found: `${path}: it is missing, and the database was written with a root key`,
      fix: "restore the file from its backup: without it no secret can be read",
    };
  }
  if (!recorded) return { state: "warning", found: "readable; the database could not be asked" };
  checkRootKeys(ring, recorded.answer);
  return ok(`${value ? "rootKey.value" : path}: it is the root key of the database`);
}

/**
 * Undefined if there is no such SQLite file.
 *
 * @throws `insecure` if a server would not use the connection either
 */
async function ask<T>(
  config: ServerConfig,
  steps: Steps<T>,
): Promise<{ readonly answer: T } | undefined> {
  const database = config.path("database", "keys.db");
  if (isPostgres(database)) {
    refuseInsecureConnection(database, config.boolean("postgres.insecureTransport"));
    return { answer: await askPostgres(database, steps) };
  }
  if (!existsSync(database) || statSync(database).size === 0) return undefined;
  const reader = Connection.reader(database);
  try {
    return { answer: driveSync(steps, (statement) => reader.execute(statement)) };
  } finally {
    reader.close();
  }
}

async function askPostgres<T>(url: string, steps: Steps<T>): Promise<T> {
  const client = new Client({ connectionString: url, connectionTimeoutMillis: 5_000 });
  client.on("error", () => undefined);
  try {
    await client.connect();
    return await driveAsync(steps, async ({ sql }: Statement): Promise<StatementResult> => {
      const { rows, rowCount } = await client.query(sql);
      return { rows, changes: rowCount ?? 0 };
    });
  } finally {
    await client.end();
  }
}

const isPostgres = (database: string) => /^postgres(ql)?:\/\//.test(database);

function dialectOf(database: string): "postgres" | "sqlite" {
  return isPostgres(database) ? "postgres" : "sqlite";
}
