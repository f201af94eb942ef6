/** What another account of the host, or a file on it, gets of the memory of a process that holds keys. */
import assert from "node:assert/strict";
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync } from "node:fs";
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it, type TestContext } from "node:test";
import { fileURLToPath } from "node:url";
import type { Diagnosis } from "@chatelaine/server/diagnosis";

const main = fileURLToPath(new URL("../dist/main.js", import.meta.url));
const bin = fileURLToPath(new URL("../bin/chatelaine.js", import.meta.url));
/** Some runtimes that are tested need it, and warn of nothing then. */
const inherited = process.env["NODE_OPTIONS"] ?? "";
const linux = { skip: process.platform !== "linux" && "only Linux has /proc" };

function folder(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), "chatelaine-doors-"));
  t.after(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

interface Started {
  readonly child: ChildProcess;
  readonly url: string;
  readonly said: () => string;
}

interface StartOptions {
  readonly nodeOptions?: string;
  readonly environment?: Readonly<Record<string, string>>;
  readonly directory?: string;
  /** What starts it: given the program and its arguments. */
  readonly wrap?: (line: readonly string[]) => readonly string[];
}

/** Starts a command, and waits until it says where its server listens. */
async function startProcess(
  t: TestContext,
  words: readonly string[],
  { nodeOptions = "", environment = {}, directory, wrap = (line) => line }: StartOptions = {},
): Promise<Started> {
  const [program = "", ...rest] = wrap([process.execPath, main, ...words]);
  const child = spawn(program, rest, {
    stdio: ["ignore", "pipe", "pipe"],
    ...(directory !== undefined && { cwd: directory }),
    // A debugger that opens takes any free port, not one that another test may have.
    env: {
      PATH: process.env["PATH"],
      NODE_OPTIONS: `${inherited} --inspect-port=0 ${nodeOptions}`,
      ...environment,
    },
  });
  t.after(() => child.kill("SIGKILL"));
  let said = "";
  const url = await new Promise<string>((resolve, reject) => {
    const hear = (text: string) => {
      said += text;
      const found = /(http:\/\/127\.0\.0\.1:\d+)/.exec(said)?.[1];
      if (found !== undefined) resolve(found);
    };
    child.stdout?.setEncoding("utf8").on("data", hear);
    child.stderr?.setEncoding("utf8").on("data", hear);
    child.once("exit", () => reject(new Error(said)));
  });
  return { child, url, said: () => said };
}

function startServer(t: TestContext, options: StartOptions & { data: string }): Promise<Started> {
  const words = ["server", "start", "--listen-port", "0", "--data-directory", options.data];
  return startProcess(t, words, options);
}

/** The TCP ports on which a process listens. */
function listeningPorts(pid: number): readonly number[] {
  const inodes = new Set(
    readdirSync(`/proc/${pid}/fd`).flatMap((fd) => {
      try {
        return /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/${pid}/fd/${fd}`))?.[1] ?? [];
      } catch {
        return []; // closed meanwhile
      }
    }),
  );
  const listening = "0A";
  return ["tcp", "tcp6"].flatMap((table) =>
    readFileSync(`/proc/${pid}/net/${table}`, "utf8")
      .split("\n")
      .slice(1)
      .map((line) => line.trim().split(/\s+/))
      .filter(([, , , state, , , , , , inode]) => state === listening && inodes.has(inode ?? ""))
      .map(([, local]) => Number.parseInt(local?.split(":")[1] ?? "", 16)),
  );
}

/** The process has had time for whatever a signal makes it do: it answered so many requests since. */
async function askOften(url: string): Promise<void> {
  for (let round = 0; round < 200; round++)
    assert.equal((await fetch(`${url}/readiness`)).status, 200);
}

async function signalled({ child, url, said }: Started, signal: NodeJS.Signals): Promise<void> {
  const pid = child.pid ?? 0;
  const own = [Number(new URL(url).port)];
  assert.deepEqual(listeningPorts(pid), own);
  for (let times = 0; times < 3; times++) {
    child.kill(signal);
    await askOften(url);
  }
  assert.deepEqual(listeningPorts(pid), own, "nothing else listens");
  assert.doesNotMatch(said(), /Debugger/);
}

describe("a signal", () => {
  it("opens no debugger in the key server to other accounts", linux, async (t) => {
    const data = folder(t);
    const server = await startServer(t, { data });
    await signalled(server, "SIGUSR1");
    const doctor = spawnSync(
      process.execPath,
      [main, "server", "doctor", "--json", "--data-directory", data],
      { encoding: "utf8" },
    );
    const found = JSON.parse(doctor.stdout) as readonly Diagnosis[];
    for (const check of ["debugger", "memory files", "core dumps", "preloaded code"])
      assert.equal(found.find((one) => one.check === check)?.state, "ok", check);
  });

  it("opens no debugger in chatelaine start", linux, async (t) => {
    const words = ["start", "--data-directory", folder(t), "--port", "0"];
    await signalled(await startProcess(t, words), "SIGUSR1");
  });

  it("opens no debugger in a command that takes long", linux, async (t) => {
    const waiting: ServerResponse[] = [];
    const slow = createServer((_request, response) => waiting.push(response));
    slow.listen(0, "127.0.0.1");
    await once(slow, "listening");
    t.after(() => slow.close().closeAllConnections());
    const { port } = slow.address() as AddressInfo;
    const child = spawn(process.execPath, [main, "key", "list"], {
      stdio: ["ignore", "pipe", "pipe"],
      env: {
        NODE_OPTIONS: `${inherited} --inspect-port=0`,
        OS_AUTH_URL: `http://127.0.0.1:${port}/v3`,
        OS_USERNAME: "u",
        OS_PASSWORD: "p",
        OS_PROJECT_NAME: "p",
        OS_USER_DOMAIN_NAME: "Default",
        OS_PROJECT_DOMAIN_NAME: "Default",
      },
    });
    t.after(() => child.kill("SIGKILL"));
    let said = "";
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      said += text;
    });
    await once(slow, "request");
    child.kill("SIGUSR1");
    // It goes on: its next requests come when this one is refused.
    waiting.pop()?.writeHead(503).end();
    await once(slow, "request");
    assert.deepEqual(listeningPorts(child.pid ?? 0), []);
    const ended = once(child, "exit");
    waiting.pop()?.writeHead(401).end();
    await ended;
    assert.doesNotMatch(said, /Debugger/);
  });

  it("opens no debugger in a command that is still being loaded", () => {
    const hooks = `export async function load(url, context, next) {
      if (url.endsWith("/dist/main.js")) process.kill(process.pid, "SIGUSR1");
      return next(url, context);
    }`;
    const signalAtLoad = `import { register } from "node:module"; register(${JSON.stringify(
      `data:text/javascript,${encodeURIComponent(hooks)}`,
    )});`;
    const preload = `--import=data:text/javascript,${encodeURIComponent(signalAtLoad)}`;
    const { status, stderr } = spawnSync(process.execPath, [preload, bin, "--help"], {
      encoding: "utf8",
      env: { NODE_OPTIONS: `${inherited} --inspect-port=0` },
    });
    assert.equal(status, 0, stderr);
    assert.doesNotMatch(stderr, /Debugger/);
  });

  it("writes no memory and no report to a file, whatever NODE_OPTIONS says", async (t) => {
    const [data, directory] = [folder(t), folder(t)];
    const nodeOptions = [
      "--heapsnapshot-signal=SIGWINCH",
      "--report-on-signal",
      "--report-signal=SIGURG",
      "--report-on-fatalerror",
      "--report-uncaught-exception",
      `--report-directory=${directory}`,
      `--diagnostic-dir=${directory}`,
    ].join(" ");
    const { child, url } = await startServer(t, { data, directory, nodeOptions });
    for (const signal of ["SIGWINCH", "SIGURG"] as const) {
      child.kill(signal);
      await askOften(url);
    }
    const ended = once(child, "exit");
    child.kill("SIGTERM");
    assert.deepEqual(await ended, [0, null]);
    assert.deepEqual(readdirSync(directory), []);
  });

  it("that kills writes no core dump with memory in it", linux, async (t) => {
    const [data, directory] = [folder(t), folder(t)];
    const marker = "hushhush-in-memory";
    const { child } = await startServer(t, {
      data,
      directory,
      environment: { MARKER: marker },
      wrap: (line) => ["sh", "-c", 'ulimit -c unlimited; exec "$@"', "sh", ...line],
    });
    assert.match(readFileSync(`/proc/${child.pid}/coredump_filter`, "utf8"), /^0+\n$/);
    const ended = once(child, "exit");
    child.kill("SIGSEGV");
    assert.deepEqual(await ended, [null, "SIGSEGV"]);
    // Where core_pattern names a program, there is none here; the filter holds for it all the same.
    for (const name of readdirSync(directory))
      assert.equal(readFileSync(join(directory, name)).includes(marker), false, name);
  });
});

function chatelaine(nodeOptions: string, ...words: readonly string[]) {
  return chatelaineIn({ NODE_OPTIONS: `${inherited} ${nodeOptions}` }, ...words);
}

function chatelaineIn(environment: Readonly<Record<string, string>>, ...words: readonly string[]) {
  return spawnSync(process.execPath, [main, ...words], {
    encoding: "utf8",
    // A server that starts in spite of everything would serve for ever.
    timeout: 60_000,
    env: { PATH: process.env["PATH"], NODE_OPTIONS: inherited, ...environment },
  });
}

describe("a process that is told to accept every TLS certificate", () => {
  const variable = "NODE_TLS_REJECT_UNAUTHORIZED";
  const doctor = ["doctor", "--json"];

  it("sends no token and no key: the command refuses, and says what to do", (t) => {
    const data = folder(t);
    for (const words of [
      ["server", "start", "--listen-port", "0", "--data-directory", data],
      ["start", "--data-directory", data, "--once", "--port", "0"],
      ["key", "list"],
    ]) {
      const { status, stderr } = chatelaineIn({ [variable]: "0" }, ...words);
      assert.equal(status, 2, stderr);
      assert.match(stderr, /NODE_TLS_REJECT_UNAUTHORIZED=0 accepts every TLS certificate.*: unset/);
    }
    assert.deepEqual(readdirSync(data), [], "nothing was made");
  });

  it("is named by the doctor, and only where Node.js accepts them", () => {
    for (const [value, state] of [
      ["0", "bad"],
      ["1", "ok"],
      ["", "ok"],
    ] as const) {
      const { stdout } = chatelaineIn({ [variable]: value }, ...doctor);
      const all = JSON.parse(stdout) as readonly Diagnosis[];
      assert.equal(all.find(({ check }) => check === "TLS verification")?.state, state, value);
    }
  });
});

/** What the doctor finds wrong with the process that it is. */
function wrongWith(nodeOptions: string): readonly Diagnosis[] {
  const doors = new Set([
    "debugger",
    "memory files",
    "core dumps",
    "preloaded code",
    "TLS verification",
  ]);
  const { stdout } = chatelaine(nodeOptions, "doctor", "--json");
  const all = JSON.parse(stdout) as readonly Diagnosis[];
  return all.filter(({ check, state }) => state !== "ok" && doors.has(check));
}

describe("a process with a debugger, or told to write its memory", () => {
  it("gets no key: the command refuses, and says what to do", (t) => {
    const data = folder(t);
    const server = ["server", "start", "--listen-port", "0", "--data-directory", data];
    const start = ["start", "--data-directory", data, "--once", "--port", "0"];
    const debug = /a debugger listens on 127\.0\.0\.1:\d+: .*without --inspect/;
    const snapshot = /--heapsnapshot-near-heap-limit writes the memory/;
    for (const [options, words, expected] of [
      ["--inspect=127.0.0.1:0", server, debug],
      ["--inspect=127.0.0.1:0", start, debug],
      ["--inspect=127.0.0.1:0", ["key", "list"], debug],
      ["--heapsnapshot-near-heap-limit=1", server, snapshot],
      ["--heapsnapshot_near_heap_limit 1", start, snapshot],
      [`--tls-keylog=${join(data, "tls")}`, server, /--tls-keylog writes the keys of TLS/],
    ] as const) {
      const { status, stderr } = chatelaine(options, ...words);
      assert.equal(status, 2, stderr);
      assert.match(stderr, expected);
    }
    assert.deepEqual(readdirSync(data), [], "nothing was made");
    assert.equal(chatelaine("--inspect=127.0.0.1:0", "server", "config").status, 0);
  });

  it("is looked for without loading a debugger, which takes 3 MiB", linux, () => {
    const url = import.meta.resolve("@chatelaine/server/runtime");
    const program = `import { closeRuntimeDoors, openDoors } from ${JSON.stringify(url)};
      closeRuntimeDoors();
      const open = openDoors({});
      console.log(open.length, process.moduleLoadList.includes("NativeModule inspector"));`;
    const see = (...options: readonly string[]) =>
      spawnSync(process.execPath, [...options, "--input-type=module", "--eval", program], {
        encoding: "utf8",
        env: { NODE_OPTIONS: inherited },
      }).stdout.trim();
    assert.equal(see(), "0 false");
    assert.equal(see("--inspect=127.0.0.1:0"), "1 true");
  });

  it("is named by the doctor", () => {
    assert.deepEqual(wrongWith(""), []);
    const [open] = wrongWith("--inspect=127.0.0.1:0");
    assert.deepEqual([open?.check, open?.state], ["debugger", "bad"]);
    const [writing] = wrongWith("--heapsnapshot-near-heap-limit=1");
    assert.deepEqual([writing?.check, writing?.state], ["memory files", "bad"]);
    const [loaded] = wrongWith("--import data:text/javascript,0");
    assert.deepEqual([loaded?.check, loaded?.state], ["preloaded code", "warning"]);
  });
});
