import { type ChildProcess, fork, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { stringify } from "yaml";

/** A server to fire at. */
export interface Peer {
  readonly name: string;
  readonly port: number;
  readonly token: string;
}

/** `node:http` with a constant, in a process of its own. */
export async function startBare(): Promise<Peer & { readonly pid: number; stop(): void }> {
  const child = fork(fileURLToPath(new URL("bare-server.ts", import.meta.url)));
  const [port] = (await once(child, "message")) as [number];
  return {
    name: "bare node:http",
    port,
    token: "x".repeat(43),
    pid: child.pid ?? 0,
    stop: () => child.kill(),
  };
}

/** A folder for one of our servers; it may be stopped and started again. */
export class OurServer implements Peer {
  readonly name: string;
  readonly directory = mkdtempSync(join(tmpdir(), "chatelaine-bench-"));
  port = 0;
  token = "";
  #child: ChildProcess | undefined;
  readonly #database: string | undefined;
  readonly #checkout: string;

  /**
   * @param database URL of a PostgreSQL; default SQLite
   * @param checkout whose command is started; default this one
   */
  constructor(
    name: string,
    options: { readonly database?: string; readonly checkout?: string } = {},
  ) {
    this.name = name;
    this.#database = options.database;
    this.#checkout = options.checkout ?? fileURLToPath(new URL("../..", import.meta.url));
  }

  /** Starts the command as a user would. @returns milliseconds from its start to its first answer */
  async start(): Promise<number> {
    this.port = await freePort();
    const file = join(this.directory, "server.yaml");
    const config = {
      dataDirectory: this.directory,
      listen: { host: "127.0.0.1", port: this.port },
      log: { file: join(this.directory, "log") },
      ...(this.#database !== undefined && { database: this.#database }),
    };
    // A file, because the database's URL has a password in it.
    writeFileSync(file, stringify(config), { mode: 0o600 });
    const command = join(this.#checkout, "packages/cli/bin/chatelaine.js");
    const began = performance.now();
    const child = spawn(process.execPath, [command, "server", "start", "--server-config", file], {
      stdio: ["ignore", "ignore", "pipe"],
    });
    this.#child = child;
    let errors = "";
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      errors = `${errors}${text}`.slice(-4_000);
    });
    // It says so when all is ready, the first user included; it answers some milliseconds earlier.
    while (!errors.includes("listens on")) {
      if (child.exitCode !== null) throw new Error(`${this.name}: did not start\n${errors}`);
      await sleep(5);
    }
    await fetch(`http://127.0.0.1:${this.port}/healthcheck`);
    return performance.now() - began;
  }

  /** Gets the first user's identity token. */
  async logIn(): Promise<void> {
    const clouds = readFileSync(join(this.directory, "clouds.yaml"), "utf8");
    const password = /^\s*password: "?([^"\n]+)"?$/m.exec(clouds)?.[1];
    const domain = { id: "default" };
    const identity = {
      methods: ["password"],
      password: { user: { name: "admin", domain, password } },
    };
    const scope = { project: { name: "admin", domain } };
    const answer = await fetch(`http://127.0.0.1:${this.port}/v3/auth/tokens`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ auth: { identity, scope } }),
    });
    this.token = answer.headers.get("x-subject-token") ?? "";
  }

  /** Of the process that serves; 0 while there is none. */
  get pid(): number {
    return this.#child?.pid ?? 0;
  }

  /** VmRSS, in MiB: what of the process is in memory, the program's own file and shared libraries included. */
  residentMiB(): number {
    const status = readFileSync(`/proc/${this.pid}/status`, "latin1");
    return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) / 1024;
  }

  async stop(): Promise<void> {
    const child = this.#child;
    this.#child = undefined;
    if (!child || child.exitCode !== null) return;
    const gone = once(child, "exit");
    child.kill("SIGTERM");
    await gone;
  }

  async remove(): Promise<void> {
    await this.stop();
    rmSync(this.directory, { recursive: true, force: true });
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}
