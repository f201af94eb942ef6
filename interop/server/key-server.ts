/** Our own key server as a process, for suites that use it as a client would, or kill it. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { stringify } from "yaml";

/** Settings of the server, nested as in its configuration file. */
export type ServerSettings = Readonly<Record<string, unknown>>;

/** A folder for one server, or for several nodes of one: root key, clouds.yaml, SQLite file. */
export class ServerFolder {
  readonly path = mkdtempSync(join(tmpdir(), "chatelaine-server-"));

  /** Of built-in identity's first user. */
  adminPassword(): string {
    const clouds = readFileSync(join(this.path, "clouds.yaml"), "utf8");
    const password = /^\s*password: "?([^"\n]+)"?$/m.exec(clouds)?.[1];
    if (password === undefined) throw new Error("clouds.yaml: no password");
    return password;
  }

  remove(): void {
    rmSync(this.path, { recursive: true, force: true });
  }
}

let started = 0;

export class KeyServerProcess {
  readonly url: string;
  readonly #child: ChildProcess;

  private constructor(url: string, child: ChildProcess) {
    this.url = url;
    this.#child = child;
  }

  /** Starts one on a free port of 127.0.0.1. @throws Error with what it said, if it does not come up */
  static async start(
    folder: ServerFolder,
    settings: ServerSettings = {},
  ): Promise<KeyServerProcess> {
    started += 1;
    const file = join(folder.path, `node-${process.pid}-${started}.yaml`);
    const config = {
      dataDirectory: folder.path,
      listen: { host: "127.0.0.1", port: 0 },
      log: { level: "warn" },
      ...settings,
    };
    // A file, because the database's URL has a password in it.
    writeFileSync(file, stringify(config), { mode: 0o600 });
    const program = fileURLToPath(new URL("process.ts", import.meta.url));
    const child = spawn(process.execPath, [program, file], { stdio: ["ignore", "pipe", "pipe"] });
    let errors = "";
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      errors = `${errors}${text}`.slice(-4_000);
    });
    const lines = createInterface({ input: child.stdout });
    const first = await Promise.race([once(lines, "line"), once(child, "exit")]);
    const url = String(first[0]);
    if (!url.startsWith("http")) throw new Error(`key server: did not start\n${errors}`);
    return new KeyServerProcess(url, child);
  }

  /** Ends it as a power cut would. */
  async kill(): Promise<void> {
    await this.#end("SIGKILL");
  }

  /** Lets it finish what it accepted. */
  async stop(): Promise<void> {
    await this.#end("SIGTERM");
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const gone = once(this.#child, "exit");
    this.#child.kill(signal);
    await gone;
  }
}
