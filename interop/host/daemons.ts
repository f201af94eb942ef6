import { spawn } from "node:child_process";
import { closeSync, mkdirSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import {
  formatIdentity,
  identityOf,
  isAlive,
  type ProcessIdentity,
  readIdentity,
} from "./process-identity.ts";
import { waitFor } from "./wait-for.ts";

export interface DaemonCommand {
  readonly command: string;
  readonly args: readonly string[];
  /** The child's whole environment, besides PATH and the no-proxy settings. */
  readonly env?: Readonly<Record<string, string>>;
  /** Numeric user and group to run as; the caller's by default. */
  readonly uid?: number;
  readonly gid?: number;
  /** What asks it to end; SIGTERM by default. */
  readonly stopSignal?: NodeJS.Signals;
}

/**
 * Background processes that outlive the program which started them, known by name through pid files in one directory.
 *
 * Only what was started through the same directory is ever stopped: a pid file names a process by number and start time.
 */
export class Daemons {
  readonly #run: string;
  readonly #log: string;

  /** @param directory gets `run/NAME.pid` and `log/NAME.log` */
  constructor(directory: string) {
    this.#run = join(directory, "run");
    this.#log = join(directory, "log");
    mkdirSync(this.#run, { recursive: true, mode: 0o755 });
    mkdirSync(this.#log, { recursive: true, mode: 0o755 });
  }

  isRunning(name: string): boolean {
    const identity = readIdentity(this.#pidFile(name));
    return identity !== undefined && isAlive(identity);
  }

  /** Starts it unless it runs. Resolves when the process exists, not when it is ready. */
  async start(name: string, daemon: DaemonCommand): Promise<void> {
    if (this.isRunning(name)) return;
    const log = openSync(join(this.#log, `${name}.log`), "a");
    const child = spawn(daemon.command, daemon.args, {
      detached: true,
      stdio: ["ignore", log, log],
      env: {
        PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        LC_ALL: "C.UTF-8",
        no_proxy: "127.0.0.1,localhost",
        ...daemon.env,
      },
      ...(daemon.uid === undefined ? {} : { uid: daemon.uid }),
      ...(daemon.gid === undefined ? {} : { gid: daemon.gid }),
    });
    closeSync(log);
    await new Promise<void>((resolve, reject) => {
      child.once("spawn", resolve);
      child.once("error", (cause) =>
        reject(new Error(`start ${name}: ${cause.message}`, { cause })),
      );
    });
    const identity = child.pid === undefined ? undefined : identityOf(child.pid);
    if (identity === undefined)
      throw new Error(`start ${name}: ended at once\n${this.logTail(name)}`);
    writeFileSync(this.#pidFile(name), formatIdentity(identity));
    child.unref();
  }

  /** Ends it and waits until it is gone; after 20 s it is killed. */
  async stop(name: string, signal: NodeJS.Signals = "SIGTERM"): Promise<void> {
    const file = this.#pidFile(name);
    const identity = readIdentity(file);
    if (identity !== undefined && isAlive(identity)) {
      process.kill(identity.pid, signal);
      await gone(name, identity).catch(async () => {
        process.kill(identity.pid, "SIGKILL");
        await gone(name, identity);
      });
    }
    rmSync(file, { force: true });
  }

  /** The last lines that it wrote, for an error message. */
  logTail(name: string): string {
    try {
      return readFileSync(join(this.#log, `${name}.log`), "utf8")
        .split("\n")
        .slice(-15)
        .join("\n");
    } catch {
      return "";
    }
  }

  #pidFile(name: string): string {
    return join(this.#run, `${name}.pid`);
  }
}

function gone(name: string, identity: ProcessIdentity): Promise<true> {
  return waitFor(`end of ${name}`, 20, () => (isAlive(identity) ? undefined : true));
}
