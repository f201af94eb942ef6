import { spawn, spawnSync } from "node:child_process";
import { chownSync, existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** A PostgreSQL of the test's own, in a temporary folder, on loopback. */
export interface TestPostgres {
  /** A URL of a fresh, empty database. */
  newDatabase(): Promise<string>;
  /** Stops it as a crash would, without warning. */
  kill(): Promise<void>;
  /** Starts it again after {@link kill}. */
  start(): Promise<void>;
  stop(): Promise<void>;
}

/** The folder of Debian's PostgreSQL programs, or undefined if they are not installed. */
export function postgresPrograms(): string | undefined {
  const root = "/usr/lib/postgresql";
  if (!existsSync(root)) return undefined;
  const newest = readdirSync(root).toSorted((a, b) => Number(b) - Number(a))[0];
  return newest === undefined ? undefined : join(root, newest, "bin");
}

export async function startPostgres(): Promise<TestPostgres> {
  const programs = postgresPrograms();
  if (programs === undefined) throw new Error("PostgreSQL is not installed");
  const folder = mkdtempSync(join(tmpdir(), "chatelaine-postgres-"));
  const as = ids();
  if (as) chownSync(folder, as.uid, as.gid);
  const data = join(folder, "data");
  const init = spawnSync(
    join(programs, "initdb"),
    ["-D", data, "-A", "trust", "-U", "test", "-E", "UTF8"],
    { ...as, cwd: folder, encoding: "utf8" },
  );
  if (init.status !== 0) throw new Error(`initdb: ${init.stderr}`);
  const port = await freePort();
  const boot = () => {
    const args = [
      "-D",
      data,
      "-p",
      String(port),
      "-c",
      "listen_addresses=127.0.0.1",
      "-c",
      "unix_socket_directories=",
      "-c",
      "max_connections=100",
    ];
    return spawn(join(programs, "postgres"), args, { ...as, cwd: folder, stdio: "ignore" });
  };
  let child = boot();
  const { default: pg } = await import("pg");
  const admin = `postgres://test@127.0.0.1:${port}/postgres`;
  const query = async (sql: string) => {
    const client = new pg.Client({ connectionString: admin });
    client.on("error", () => undefined);
    try {
      await client.connect();
      await client.query(sql);
    } finally {
      await client.end().catch(() => undefined);
    }
  };
  const untilUp = async () => {
    for (let attempt = 0; ; attempt++) {
      try {
        return await query("SELECT 1");
      } catch (error) {
        if (attempt > 300) throw error;
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    }
  };
  const end = (signal: NodeJS.Signals) =>
    new Promise<void>((resolve) => {
      child.once("exit", () => resolve());
      child.kill(signal);
    });
  await untilUp();
  let count = 0;
  return {
    async newDatabase() {
      const name = `test${++count}`;
      await query(`CREATE DATABASE ${name}`);
      return `postgres://test@127.0.0.1:${port}/${name}`;
    },
    kill: () => end("SIGQUIT"),
    async start() {
      child = boot();
      await untilUp();
    },
    async stop() {
      await end("SIGINT");
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** PostgreSQL refuses to run as root. */
function ids(): { readonly uid: number; readonly gid: number } | undefined {
  if (process.getuid?.() !== 0) return undefined;
  return { uid: idOfPostgres("-u"), gid: idOfPostgres("-g") };
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      server.close(() => resolve(typeof address === "object" && address ? address.port : 0));
    });
  });
}

function idOfPostgres(flag: "-u" | "-g"): number {
  return Number(spawnSync("id", [flag, "postgres"], { encoding: "utf8" }).stdout);
}
