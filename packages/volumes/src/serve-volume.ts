import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { resolve } from "node:path";
import type { Writable } from "node:stream";
import { refuseUnknownOptions } from "@chatelaine/keys";
import { VolumeError } from "./errors.ts";
import { startError, toolEnvironment } from "./host/run-tool.ts";
import { qemuDisk } from "./qemu.ts";
import type { VolumeContext } from "./volume-context.ts";

/** Where the disk is served, and whether it may be changed. */
export interface ServeVolumeOptions {
  /** Path of the Unix socket to make. */
  readonly socket: string;
  /** Default false. */
  readonly readOnly?: boolean | undefined;
}

/** A volume's plaintext on an NBD socket. */
export interface ServedVolume {
  /** Such as `nbd+unix:///?socket=/run/disk.sock`. */
  readonly uri: string;
  /** Of qemu-storage-daemon. */
  readonly pid: number;
  /** Ends it; everything written has reached the disk when this resolves. */
  close(): Promise<void>;
}

const program = "qemu-storage-daemon";

/**
 * Shows a volume's plaintext on an NBD socket, by qemu-storage-daemon: for hosts
 * whose kernel has no dm-crypt, and for programs that may not be root. The
 * passphrase reaches it on a pipe. Who may connect is what the socket's folder says.
 *
 * Needs the Debian package qemu-system-common.
 *
 * @throws as {@link qemuDisk}; `unsupported` if it is not installed, `tool_failed`
 */
export async function serveVolume(
  context: VolumeContext,
  path: string,
  options: ServeVolumeOptions,
): Promise<ServedVolume> {
  refuseUnknownOptions("serveVolume", options, ["socket", "readOnly"]);
  const { readOnly = false } = options;
  const socket = resolve(options.socket);
  const disk = await qemuDisk(context, path, { descriptor: 3, readOnly });
  const server = { addr: { type: "unix", path: socket } };
  const { nodeName } = disk;
  const served = {
    type: "nbd",
    id: "volume",
    "node-name": nodeName,
    name: "",
    writable: !readOnly,
  };
  const words = ["--nbd-server", JSON.stringify(server), "--export", JSON.stringify(served)];
  // Its greeting on standard output is last: when it comes, the socket is there.
  const monitor = ["--chardev", "stdio,id=monitor", "--monitor", "chardev=monitor"];
  // Node.js's own pipes are sockets, which /dev/fd cannot open: bash makes a true one, and becomes the program.
  const bash = ["-c", 'exec "$0" "$@" 3< <(exec cat <&4)', program];
  const child = spawn("bash", [...bash, ...disk.arguments, ...words, ...monitor], {
    stdio: ["pipe", "pipe", "pipe", "ignore", "pipe"],
    env: toolEnvironment(),
  });
  await disk.lendPassphrase((passphrase) => handOver(child, passphrase));
  await greeting(child, path);
  return {
    uri: `nbd+unix:///?socket=${encodeURIComponent(socket).replaceAll("%2F", "/")}`,
    pid: child.pid as number,
    close: async () => {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const gone = once(child, "exit");
      child.kill("SIGTERM");
      await gone;
    },
  };
}

/** Resolves once the pipe has the passphrase, which may then be zeroed. */
function handOver(child: ChildProcess, passphrase: Uint8Array): Promise<void> {
  const pipe = child.stdio[4] as Writable;
  return new Promise((done) => {
    // One that did not start, or failed early, reads nothing: `greeting` says why.
    pipe.on("error", () => done());
    pipe.end(passphrase, () => done());
  });
}

function greeting(child: ChildProcess, path: string): Promise<void> {
  let words = "";
  child.stderr?.setEncoding("utf8").on("data", (text: string) => {
    words = `${words}${text}`.slice(-1000);
  });
  return new Promise((ready, reject) => {
    child.once("error", (cause: NodeJS.ErrnoException) => reject(startError("bash", cause)));
    child.once("exit", (status) => {
      const reason = words.trim().split("\n").slice(-3).join("; ");
      const message = `serve ${path}: ${program}: status ${status ?? "none"}: ${reason}`;
      // What a shell says of a program that is not there.
      const missing = Object.assign(new Error(message), { code: "ENOENT" });
      reject(
        status === 127 ? startError(program, missing) : new VolumeError("tool_failed", message),
      );
    });
    child.stdout?.once("data", () => ready());
  });
}
