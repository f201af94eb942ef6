import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { rm, writeFile } from "node:fs/promises";
import { resolve } from "node:path";
import type { Writable } from "node:stream";
import { pathToFileURL } from "node:url";
import { refuseUnknownOptions } from "@chatelaine/keys/interface";
import { requireUnused } from "../host/disk-use.ts";
import { startError, toolEnvironment } from "../host/run-tool.ts";
import { VolumeError } from "../model/errors.ts";
import type { VolumeContext } from "../model/volume-context.ts";
import type { TrustOptions } from "../record/trusted-volume.ts";
import { qemuDisk } from "./qemu.ts";

/** Where the disk is served, and whether it may be changed. */
/** Either a socket or a file. */
export interface ServeVolumeOptions extends TrustOptions {
  /** Path of the Unix socket to make. */
  readonly socket?: string | undefined;
  /** Path of the file to make: FUSE shows the plaintext as its contents, to the same user. Removed in the end. */
  readonly file?: string | undefined;
  /** Default false. */
  readonly readOnly?: boolean | undefined;
}

/** A volume's plaintext on an NBD socket, or as a file. */
export interface ServedVolume {
  /** Such as `nbd+unix:///?socket=/run/disk.sock` or `file:///run/disk.raw`. */
  readonly uri: string;
  /** Of qemu-storage-daemon. */
  readonly pid: number;
  /** Ends it; everything written has reached the disk when this resolves. */
  close(): Promise<void>;
}

const program = "qemu-storage-daemon";

/**
 * Shows a volume's plaintext on an NBD socket or as a file, by qemu-storage-daemon:
 * for hosts whose kernel has no dm-crypt, and for programs that may not be root. The
 * passphrase reaches it on a pipe. Who may connect is what the socket's folder says.
 *
 * Needs the Debian package qemu-system-common; for a file, fuse3 besides, and a
 * kernel with FUSE.
 *
 * @throws as {@link qemuDisk}; `busy` if it may write and anybody uses the disk; `exists` if the file is there already; `unsupported`
 *   if it is not installed, `tool_failed`
 */
export async function serveVolume(
  context: VolumeContext,
  path: string,
  options: ServeVolumeOptions,
): Promise<ServedVolume> {
  refuseUnknownOptions("serveVolume", options, ["socket", "file", "readOnly", "keyId"]);
  const { readOnly = false, keyId } = options;
  const place = placeOf(path, options);
  const disk = await qemuDisk(context, path, { descriptor: 3, readOnly, keyId });
  const node = { id: "volume", "node-name": disk.nodeName, writable: !readOnly };
  const words = exportArguments(place, node);
  // Its greeting on standard output is last: when it comes, the socket is there.
  const monitor = ["--chardev", "stdio,id=monitor", "--monitor", "chardev=monitor"];
  // Node.js's own pipes are sockets, which /dev/fd cannot open: bash makes a true one, and becomes the program.
  const bash = ["-c", 'exec "$0" "$@" 3< <(exec cat <&4)', program];
  await makeFile(place);
  if (!readOnly) {
    await requireUnused("serve", path).catch(async (error: unknown) => {
      await removeFile(place);
      throw error;
    });
  }
  const child = spawn("bash", [...bash, ...disk.arguments, ...words, ...monitor], {
    stdio: ["pipe", "pipe", "pipe", "ignore", "pipe"],
    env: toolEnvironment(),
  });
  await disk.lendPassphrase((passphrase) => handOver(child, passphrase));
  await greeting(child, path).catch(async (error: unknown) => {
    await removeFile(place);
    throw error;
  });
  return {
    uri: uriOf(place),
    pid: child.pid as number,
    close: async () => {
      if (child.exitCode === null && child.signalCode === null) {
        const gone = once(child, "exit");
        child.kill("SIGTERM");
        await gone;
      }
      await removeFile(place);
    },
  };
}

type Place =
  | { readonly type: "socket"; readonly path: string }
  | { readonly type: "file"; readonly path: string };

function placeOf(path: string, { socket, file }: ServeVolumeOptions): Place {
  if (socket !== undefined && file === undefined) return { type: "socket", path: resolve(socket) };
  if (file !== undefined && socket === undefined) return { type: "file", path: resolve(file) };
  throw new VolumeError("invalid_argument", `serve ${path}: give either a socket or a file`);
}

/** qemu-storage-daemon(1). */
function exportArguments({ type, path }: Place, node: object): readonly string[] {
  if (type === "file") {
    return ["--export", JSON.stringify({ type: "fuse", ...node, mountpoint: path })];
  }
  const server = { addr: { type: "unix", path } };
  const shown = { type: "nbd", ...node, name: "" };
  return ["--nbd-server", JSON.stringify(server), "--export", JSON.stringify(shown)];
}

function uriOf({ type, path }: Place): string {
  if (type === "file") return pathToFileURL(path).href;
  return `nbd+unix:///?socket=${encodeURIComponent(path).replaceAll("%2F", "/")}`;
}

/** FUSE mounts over a file; only one that we made is ours to remove. @throws `exists`, `io` */
async function makeFile({ type, path }: Place): Promise<void> {
  if (type !== "file") return;
  await writeFile(path, "", { flag: "wx", mode: 0o600 }).catch((cause: NodeJS.ErrnoException) => {
    const code = cause.code === "EEXIST" ? "exists" : "io";
    throw new VolumeError(code, `serve to ${path}: ${cause.message}`, { cause });
  });
}

async function removeFile({ type, path }: Place): Promise<void> {
  if (type === "file") await rm(path, { force: true });
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
