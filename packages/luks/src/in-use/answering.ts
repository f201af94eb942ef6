import { spawn as platformSpawn } from "node:child_process";
import { statSync } from "node:fs";
import { setTimeout as pause } from "node:timers/promises";
import { attributeOf, nodeOf } from "./block-devices.ts";
import { type Spawn, searchPath } from "./hold-file.ts";
import { deviceNumber } from "./identity.ts";
import { isRemote, type Mount, mountNamespaces, mountOf } from "./mount-namespaces.ts";
import { suspendedAtOrBelow } from "./suspended.ts";

// A call to storage that does not answer may never return, and Node.js has four threads for all such calls. So the first
// call to it is made by a child process.

/** How long storage may take, and what asks it. */
export interface AnsweringOptions {
  /** Default 1500. */
  readonly patienceMs?: number;
  /** Default: the platform's. */
  readonly spawn?: Spawn;
}

const defaultPatienceMs = 1500;
const pauseMs = 50;

/**
 * Finds the paths whose storage gives no answer: the server of a mount is away, a device is suspended, or a read does not
 * end in time. All are asked side by side, and each file server once.
 *
 * @param paths absolute; nothing needs to be there
 * @returns for each of them, why, and what to do first
 */
export async function silentAmong(
  paths: readonly string[],
  options: AnsweringOptions = {},
): Promise<ReadonlyMap<string, string>> {
  const { patienceMs = defaultPatienceMs, spawn = platformSpawn } = options;
  const [own] = mountNamespaces([]);
  const servers = new FileServers({ patienceMs, spawn });
  const silenceOf = async (path: string): Promise<string | undefined> => {
    const mount = own && mountOf(path, own);
    if (mount !== undefined && !(await servers.answer(mount))) {
      return `the file server of ${mount.folder} (${mount.source}) does not answer; first bring it back, or unmount it`;
    }
    const name = await staysSuspended(path, mount, patienceMs);
    if (name !== undefined) {
      return `${nodeOf(name)} is suspended; first dmsetup resume ${attributeOf(name, "dm/name")}`;
    }
    // Without the page cache. A file system that has no such reads, such as tmpfs, answers at once.
    const read = [`if=${path}`, "of=/dev/null", "bs=4096", "count=1", "iflag=direct"];
    if (await endsInTime("dd", read, patienceMs, spawn)) return undefined;
    return "its storage does not answer a read; first see the kernel's log (dmesg)";
  };
  const found = new Map<string, string>();
  await Promise.all(
    [...new Set(paths)].map(async (path) => {
      const reason = await silenceOf(path);
      if (reason !== undefined) found.set(path, reason);
    }),
  );
  return found;
}

/** Asks the server of each file system once. */
export class FileServers {
  readonly #options: Required<AnsweringOptions>;
  readonly #asked = new Map<string, Promise<boolean>>();

  constructor({ patienceMs = defaultPatienceMs, spawn = platformSpawn }: AnsweringOptions = {}) {
    this.#options = { patienceMs, spawn };
  }

  /**
   * True at once of a file system that has no server.
   *
   * @param root of the mount namespace, such as `/proc/1/root`; empty for our own
   */
  answer(mount: Mount, root = ""): Promise<boolean> {
    if (!isRemote(mount)) return Promise.resolve(true);
    const { patienceMs, spawn } = this.#options;
    // How much room there is, only the server knows; other questions may be answered by a cache.
    const ask = () => endsInTime("stat", ["-f", `${root}${mount.folder}`], patienceMs, spawn);
    const answer = this.#asked.get(mount.number) ?? ask();
    this.#asked.set(mount.number, answer);
    return answer;
  }
}

/** LVM suspends devices for moments. @returns the kernel's name of the device */
async function staysSuspended(
  path: string,
  mount: Mount | undefined,
  patienceMs: number,
): Promise<string | undefined> {
  const numbers = [mount?.number, path.startsWith("/dev/") ? numberOfNode(path) : undefined];
  const until = performance.now() + patienceMs;
  for (;;) {
    const [name] = numbers.flatMap((one) => (one && suspendedAtOrBelow(one)) || []);
    if (name === undefined || performance.now() > until) return name;
    await pause(pauseMs);
  }
}

/** Of a block device. The nodes under /dev are in memory. */
function numberOfNode(path: string): string | undefined {
  try {
    const status = statSync(path, { bigint: true });
    return status.isBlockDevice() ? deviceNumber(status.rdev) : undefined;
  } catch {
    return undefined;
  }
}

/** Whether a program ends in time, whatever it says. Where no program may be started, nothing can be asked: true. */
function endsInTime(
  program: string,
  args: readonly string[],
  patienceMs: number,
  spawn: Spawn,
): Promise<boolean> {
  return new Promise((resolve) => {
    try {
      const child = spawn(program, args, { stdio: "ignore", cwd: "/", env: { PATH: searchPath } });
      const timer = setTimeout(() => {
        // The signal may wait until the storage answers. This process does not.
        child.kill("SIGKILL");
        child.unref();
        resolve(false);
      }, patienceMs);
      const end = () => {
        clearTimeout(timer);
        resolve(true);
      };
      child.once("error", end);
      child.once("exit", end);
    } catch {
      resolve(true);
    }
  });
}
