import { type ChildProcess, spawn } from "node:child_process";
import {
  chmodSync,
  closeSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  realpathSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { installPackages } from "../host/debian.ts";

/** Debian packages of the guest itself. What runs inside must be installed on the host. */
export const guestPackages = ["user-mode-linux", "kmod"] as const;

/** What Node.js has compiled, for all guests: to compile the command's code anew takes one three seconds. */
const compiled = fileURLToPath(new URL("../../node_modules/.cache/guests", import.meta.url));

export interface GuestOptions {
  /** Directories of the host that the guest may write to, at the same path. */
  readonly shares?: readonly string[];
  /** Disks: a file (its writes stay), or a size in bytes (empty, gone afterwards). In the guest `/dev/ubda`, `/dev/ubdb`, … */
  readonly disks?: readonly (string | number)[];
  /** Default 1024. */
  readonly memoryMiB?: number;
  /** Default 300. The guest is then killed, and the status is 124. */
  readonly timeoutSeconds?: number;
  /** Standard input of the command; empty by default. */
  readonly input?: string | Uint8Array;
  /** Variables of the command besides PATH, HOME and LC_ALL. */
  readonly environment?: Readonly<Record<string, string>>;
  /** Where the command starts; default the caller's directory. */
  readonly directory?: string;
  /** Called with each piece of standard output as it comes. */
  readonly onOutput?: (chunk: Uint8Array) => void;
  /** Cuts the guest's power when aborted: the status is 125. */
  readonly signal?: AbortSignal;
}

export interface GuestResult {
  /** The command's exit status; 124 after the time-out; 125 if the guest ended without one. */
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
  /** What the kernel said. */
  readonly console: string;
}

/**
 * Runs a command as root on a kernel of its own that has dm-crypt, LVM's targets, loop, NBD and iSCSI: Debian's
 * User-Mode Linux 6.1, an ordinary process that needs neither KVM nor privileges.
 *
 * The guest sees the host's file system; what it writes outside `shares` and `disks` is gone afterwards. It has one
 * CPU, no udevd, and boots in two to four seconds: run a whole test file in one boot.
 *
 * @throws Error when Debian's package cannot be installed or the kernel cannot be started
 */
export async function runInGuest(
  command: readonly string[],
  options: GuestOptions = {},
): Promise<GuestResult> {
  installPackages(guestPackages, (line) => console.error(`guest: ${line}`));
  // Unix socket paths are short, and the kernel keeps one here.
  const work = mkdtempSync(join(tmpdir(), "guest-"));
  try {
    return await boot(work, command, options);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

async function boot(
  work: string,
  command: readonly string[],
  options: GuestOptions,
): Promise<GuestResult> {
  mkdirSync(compiled, { recursive: true });
  const variables = { NODE_COMPILE_CACHE: compiled, ...options.environment };
  const environment = Object.entries(variables).map((pair) => pair.join("="));
  writeFileSync(join(work, "command"), list(command));
  writeFileSync(join(work, "environment"), list(environment));
  writeFileSync(
    join(work, "shares"),
    list([compiled, ...(options.shares ?? [])].map((s) => realpathSync(s))),
  );
  writeFileSync(join(work, "directory"), options.directory ?? process.cwd());
  writeFileSync(join(work, "stdin"), options.input ?? "", { mode: 0o600 });
  copyFileSync(join(dirname(fileURLToPath(import.meta.url)), "init.sh"), join(work, "init"));
  chmodSync(join(work, "init"), 0o755);

  const bootLog = openSync(join(work, "boot"), "w");
  const kernel = spawn(
    "/usr/bin/linux.uml",
    [
      ..."rootfstype=hostfs rootflags=/ ro quiet loglevel=4 selinux=0 random.trust_cpu=on".split(
        " ",
      ),
      // The console goes to descriptor 3; the two serial lines, standard output and error, to 4 and 5.
      ..."con=null con0=null,fd:3 ssl=null ssl0=null,fd:4 ssl1=null,fd:5".split(" "),
      `mem=${options.memoryMiB ?? 1024}M`,
      `umid=${basename(work)}`,
      `uml_dir=${work}`,
      `init=${join(work, "init")}`,
      `GUEST_CONTROL=${work}`,
      ...(options.disks ?? []).map((disk, index) => diskArgument(work, disk, index)),
    ],
    { detached: true, stdio: ["ignore", bootLog, bootLog, "pipe", "pipe", "pipe"] },
  );
  closeSync(bootLog);
  const [console, stdout, stderr] = [3, 4, 5].map((descriptor) =>
    collect(kernel, descriptor, descriptor === 4 ? options.onOutput : undefined),
  );
  const timedOut = await ended(kernel, options.timeoutSeconds ?? 300, options.signal);
  const read = (name: string) =>
    existsSync(join(work, name)) ? readFileSync(join(work, name), "utf8") : "";
  const status = read("status").trim();
  return {
    status: status === "" ? (timedOut ? 124 : 125) : Number(status),
    stdout: (await stdout) ?? "",
    stderr: (await stderr) ?? "",
    console: `${read("boot")}${(await console) ?? ""}`,
  };
}

/** How init.sh reads a list: each item ended by a zero byte. */
function list(items: readonly string[]): string {
  return items.map((item) => `${item}\0`).join("");
}

function diskArgument(work: string, disk: string | number, index: number): string {
  const letter = String.fromCharCode("a".charCodeAt(0) + index);
  if (typeof disk === "string") return `ubd${letter}=${realpathSync(disk)}`;
  const file = join(work, `disk-${letter}`);
  writeFileSync(file, "");
  truncateSync(file, disk);
  return `ubd${letter}=${file}`;
}

/** Everything that comes out of one of the kernel's lines, as text. */
function collect(
  kernel: ChildProcess,
  descriptor: number,
  onChunk: ((chunk: Uint8Array) => void) | undefined,
): Promise<string> {
  const stream = kernel.stdio[descriptor];
  const chunks: Buffer[] = [];
  if (stream === null || stream === undefined || !("read" in stream)) return Promise.resolve("");
  stream.on("data", (chunk: Buffer) => {
    chunks.push(chunk);
    onChunk?.(chunk);
  });
  // The kernel's death may reset the line: what came is all there is.
  stream.on("error", () => undefined);
  return new Promise((resolve) => {
    stream.on("close", () => resolve(Buffer.concat(chunks).toString()));
  });
}

/** Waits for the kernel's end; resolves to whether it had to be killed for lasting too long. */
async function ended(
  kernel: ChildProcess,
  timeoutSeconds: number,
  signal: AbortSignal | undefined,
): Promise<boolean> {
  let timedOut = false;
  const kill = () => {
    // The kernel runs its processes as processes of the host, in its own group.
    if (kernel.pid !== undefined) process.kill(-kernel.pid, "SIGKILL");
  };
  const timer = setTimeout(() => {
    timedOut = true;
    kill();
  }, timeoutSeconds * 1000);
  signal?.addEventListener("abort", kill);
  try {
    await new Promise<void>((resolve, reject) => {
      kernel.once("error", reject);
      kernel.once("exit", () => resolve());
      if (signal?.aborted === true) kill();
    });
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", kill);
  }
  return timedOut;
}
