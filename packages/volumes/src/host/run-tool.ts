import { spawn as platformSpawn } from "node:child_process";
import { existsSync } from "node:fs";
import { createInterface } from "node:readline";
import { VolumeError } from "../model/errors.ts";
import type { ToolArgument } from "./safe-text.ts";

/** What starts a program; `child_process.spawn` by default. */
export type Spawn = typeof platformSpawn;

export interface ToolOptions {
  /** To standard input, through a pipe. Where a key goes: never into arguments or environment. */
  readonly input?: Uint8Array;
  /** Statuses besides 0 that are no failure. Default none. */
  readonly accept?: readonly number[];
  /** Told of each line of standard output as it comes. */
  readonly onLine?: (line: string) => void;
  /** It goes on if this process dies, although nobody reads what it says. Default false. */
  readonly outlivesUs?: boolean;
  /** For a program that opens /dev/stdin: Node.js's own pipes are sockets, which cannot be opened. Default false. */
  readonly truePipe?: boolean;
  readonly spawn?: Spawn;
}

export interface ToolResult {
  readonly status: number;
  readonly stdout: string;
}

/** The Debian package that each program is in. */
const packageOf: Readonly<Record<string, string>> = {
  cryptsetup: "cryptsetup-bin",
  dmsetup: "dmsetup",
  losetup: "mount",
  lvcreate: "lvm2",
  lvextend: "lvm2",
  lvreduce: "lvm2",
  lvremove: "lvm2",
  lvs: "lvm2",
  lvchange: "lvm2",
  flock: "util-linux",
  virsh: "libvirt-clients",
  "qemu-storage-daemon": "qemu-system-common",
};

/**
 * Runs a program of the host to its end. It gets PATH and a neutral locale, and
 * nothing else of our environment.
 *
 * @throws `unsupported` if it is not installed, with the package to install;
 *   `tool_failed` with its status and last words
 */
export async function runTool(
  program: string,
  args: readonly ToolArgument[],
  {
    input,
    accept = [],
    onLine,
    outlivesUs = false,
    truePipe = false,
    spawn = platformSpawn,
  }: ToolOptions = {},
): Promise<ToolResult> {
  const env = toolEnvironment();
  const [started, startedArgs] = startOf(program, args, outlivesUs, truePipe);
  const child = spawn(started, startedArgs, { stdio: ["pipe", "pipe", "pipe"], env });
  const [out, error]: [Buffer[], Buffer[]] = [[], []];
  child.stdout.on("data", (chunk: Buffer) => out.push(chunk));
  if (onLine !== undefined) createInterface({ input: child.stdout }).on("line", onLine);
  child.stderr.on("data", (chunk: Buffer) => error.push(chunk));
  // A program that fails early reads no input.
  child.stdin.on("error", () => undefined);
  child.stdin.end(input);
  const status = await new Promise<number>((resolve, reject) => {
    child.once("error", (cause: NodeJS.ErrnoException) => reject(startError(program, cause)));
    child.once("close", (code) => resolve(code ?? 255));
  });
  if (status !== 0 && !accept.includes(status)) {
    const lastWords = Buffer.concat(error).toString().trim().split("\n").slice(-3).join("; ");
    const message = `${program} ${args[0] ?? ""}: status ${status}: ${lastWords}`;
    // What a shell says of a program that is not there.
    if ((truePipe || outlivesUs) && status === 127) {
      throw startError(program, Object.assign(new Error(message), { code: "ENOENT" }));
    }
    throw new VolumeError("tool_failed", message);
  }
  return { status, stdout: Buffer.concat(out).toString() };
}

/** Some programs are started by a shell, which becomes the program or feeds it. */
function startOf(
  program: string,
  args: readonly string[],
  outlivesUs: boolean,
  truePipe: boolean,
): readonly [string, string[]] {
  const shell = (script: string): readonly [string, string[]] => [
    "sh",
    ["-c", script, program, ...args],
  ];
  if (truePipe) return shell('cat | "$0" "$@"');
  // A signal that is ignored stays so in the program that the shell becomes.
  if (outlivesUs) return shell('trap "" PIPE; exec "$0" "$@"');
  return [program, [...args]];
}

/** What a program of the host gets of an environment. */
export function toolEnvironment(): NodeJS.ProcessEnv {
  return {
    PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    LC_ALL: "C",
    // Without udevd, as in a container, device nodes are made by LVM itself.
    DM_DISABLE_UDEV: existsSync("/run/udev/control") ? undefined : "1",
  };
}

/** Why a program did not start; with the package to install, if it is not there. */
export function startError(program: string, cause: NodeJS.ErrnoException): VolumeError {
  const debian = packageOf[program];
  return cause.code === "ENOENT" && debian !== undefined
    ? new VolumeError("unsupported", `${program}: not installed: apt-get install ${debian}`, {
        cause,
      })
    : new VolumeError("tool_failed", `${program}: ${cause.message}`, { cause });
}
