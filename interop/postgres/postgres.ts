/** A real PostgreSQL on a directory and a port of its own, run as Debian's user for it. */
import { randomBytes } from "node:crypto";
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Daemons } from "../host/daemons.ts";
import { installPackages } from "../host/debian.ts";
import { runTool } from "../host/run-tool.ts";
import { type Lease, SharedPeer } from "../host/shared-peer.ts";
import { waitFor } from "../host/wait-for.ts";

export const postgresPackages = ["postgresql"] as const;

export interface PostgresOptions {
  /** Where all state is kept; default `chatelaine-postgres` in the system's temporary directory. */
  readonly directory?: string;
  /** TCP port on 127.0.0.1; default 15432. */
  readonly port?: number;
  /** Settings beyond the defaults of Debian's version: `{ max_connections: "20" }`. */
  readonly settings?: Readonly<Record<string, string>>;
  /** Lines about slow steps; default standard error. */
  readonly log?: (line: string) => void;
}

/** A PostgreSQL on loopback, with a superuser of a random password. */
export interface Postgres {
  readonly port: number;
  /** Makes an empty database and returns its URL. */
  createDatabase(): Promise<string>;
  /** Deletes a database, whoever is connected to it. */
  dropDatabase(url: string): Promise<void>;
  /** Runs SQL as superuser; returns what `psql -At` prints. */
  sql(url: string, text: string): string;
  /** Stops it although others may use it, for tests of their own instance: `SIGINT` fast, `SIGQUIT` as in a crash. */
  halt(signal: "SIGINT" | "SIGQUIT"): Promise<void>;
  /** Starts it again after {@link halt}. */
  resume(): Promise<void>;
  /** Gives it back; the last user's call stops it. */
  stop(): Promise<void>;
}

interface Layout {
  readonly directory: string;
  readonly data: string;
  readonly port: number;
  readonly settings: Readonly<Record<string, string>>;
  readonly log: (line: string) => void;
}

/** The user that Debian's package makes: PostgreSQL refuses to run as root. */
const user = "postgres";

/**
 * Installs (from Debian) and starts PostgreSQL, or joins the one that runs on the same directory.
 *
 * @throws Error when packages cannot be installed or it does not start
 */
export async function startPostgres(options: PostgresOptions = {}): Promise<Postgres> {
  const directory = options.directory ?? join(tmpdir(), "chatelaine-postgres");
  mkdirSync(directory, { recursive: true });
  // PostgreSQL, another user, must get through to its data.
  chmodSync(directory, 0o755);
  const layout: Layout = {
    directory,
    data: join(directory, "data"),
    port: options.port ?? 15432,
    settings: options.settings ?? {},
    log: options.log ?? ((line) => console.error(`postgres: ${line}`)),
  };
  installPackages(postgresPackages, layout.log);
  const lease = await new SharedPeer(directory).enter(
    () => start(layout),
    () => halt(layout, "SIGINT"),
  );
  return describePostgres(layout, lease);
}

async function start(layout: Layout): Promise<string> {
  const passwordFile = join(layout.directory, "password");
  const owner = ids();
  if (!existsSync(join(layout.data, "PG_VERSION"))) {
    rmSync(layout.data, { recursive: true, force: true });
    mkdirSync(layout.data, { mode: 0o700 });
    chownSync(layout.data, owner.uid, owner.gid);
    writeFileSync(passwordFile, randomBytes(18).toString("base64url"), { mode: 0o600 });
    chownSync(passwordFile, owner.uid, owner.gid);
    asOwner(join(binaries(), "initdb"), [
      `--pgdata=${layout.data}`,
      `--username=${user}`,
      "--auth=scram-sha-256",
      `--pwfile=${passwordFile}`,
      "--encoding=UTF8",
      // Not C, so that an order that leans on the database's own collation shows.
      "--locale=C.UTF-8",
    ]);
    chmodSync(layout.data, 0o700);
  }
  const password = readFileSync(passwordFile, "utf8");
  await startDaemon(layout, password);
  return password;
}

async function startDaemon(layout: Layout, password: string): Promise<void> {
  const settings = {
    port: String(layout.port),
    listen_addresses: "127.0.0.1",
    unix_socket_directories: "",
    max_connections: "100",
    shared_buffers: "64MB",
    ...layout.settings,
  };
  const daemons = new Daemons(layout.directory);
  await daemons.start("postgres", {
    command: join(binaries(), "postgres"),
    args: [
      "-D",
      layout.data,
      ...Object.entries(settings).flatMap(([name, value]) => ["-c", `${name}=${value}`]),
    ],
    ...ids(),
    stopSignal: "SIGINT",
  });
  await waitFor("PostgreSQL", 60, () => {
    if (!daemons.isRunning("postgres"))
      throw new Error(`PostgreSQL ended:\n${daemons.logTail("postgres")}`);
    psql(urlOf(layout, password, "postgres"), "select 1");
    return true;
  });
}

async function halt(layout: Layout, signal: NodeJS.Signals): Promise<void> {
  await new Daemons(layout.directory).stop("postgres", signal);
}

let databases = 0;

function describePostgres(layout: Layout, lease: Lease<string>): Postgres {
  const admin = urlOf(layout, lease.value, "postgres");
  return {
    port: layout.port,
    async createDatabase() {
      databases += 1;
      const name = `test_${process.pid}_${databases}_${randomBytes(3).toString("hex")}`;
      psql(admin, `create database ${name}`);
      return urlOf(layout, lease.value, name);
    },
    async dropDatabase(url) {
      psql(admin, `drop database if exists ${new URL(url).pathname.slice(1)} with (force)`);
    },
    sql: psql,
    halt: (signal) => halt(layout, signal),
    resume: () => startDaemon(layout, lease.value),
    stop: () => lease.leave(),
  };
}

function urlOf(layout: Layout, password: string, database: string): string {
  return `postgres://${user}:${password}@127.0.0.1:${layout.port}/${database}`;
}

/** The password goes by the environment, not by the arguments, which everyone may read. */
function psql(url: string, sql: string): string {
  const { password, port, pathname } = new URL(url);
  const args = ["-XqAt", "-v", "ON_ERROR_STOP=1", "-h", "127.0.0.1", "-p", port, "-U", user];
  return runTool(join(binaries(), "psql"), [...args, "-d", pathname.slice(1)], {
    env: { PGPASSWORD: password, PGCONNECT_TIMEOUT: "5" },
    input: sql,
  });
}

/** Debian keeps each major version in a directory of its own: the newest. */
function binaries(): string {
  const root = "/usr/lib/postgresql";
  const newest = readdirSync(root).toSorted((a, b) => Number(b) - Number(a))[0];
  if (newest === undefined) throw new Error(`PostgreSQL: nothing in ${root}`);
  return join(root, newest, "bin");
}

function ids(): { readonly uid: number; readonly gid: number } {
  const line = readFileSync("/etc/passwd", "utf8")
    .split("\n")
    .find((entry) => entry.startsWith(`${user}:`));
  const [, , uid, gid] = line?.split(":") ?? [];
  if (uid === undefined || gid === undefined) throw new Error(`PostgreSQL: no user ${user}`);
  return { uid: Number(uid), gid: Number(gid) };
}

function asOwner(command: string, args: readonly string[]): void {
  runTool("setpriv", [`--reuid=${user}`, `--regid=${user}`, "--init-groups", command, ...args], {
    cwd: "/",
  });
}
