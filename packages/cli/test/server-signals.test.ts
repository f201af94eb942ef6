/** What signals do to a key server: none of them costs a request that is under way. */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it, type TestContext } from "node:test";
import { connect as connectTls } from "node:tls";
import { fileURLToPath } from "node:url";
import { certificate, expiredCertificate, privateKey } from "./certificates.ts";

const main = fileURLToPath(new URL("../dist/main.js", import.meta.url));
const inherited = process.env["NODE_OPTIONS"] ?? "";

function folder(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), "chatelaine-signals-"));
  t.after(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

interface Started {
  readonly child: ChildProcess;
  readonly url: string;
  readonly port: number;
  readonly data: string;
  readonly log: string;
}

/** Starts a command that serves, and waits until it says where. */
async function startProcess(
  t: TestContext,
  words: readonly string[],
  data: string,
): Promise<Started> {
  const child = spawn(process.execPath, [main, ...words], {
    stdio: ["ignore", "pipe", "pipe"],
    env: { PATH: process.env["PATH"], NODE_OPTIONS: inherited },
  });
  t.after(() => child.kill("SIGKILL"));
  t.signal.addEventListener("abort", () => child.kill("SIGKILL"));
  let said = "";
  const url = await new Promise<string>((resolve, reject) => {
    const hear = (text: string) => {
      said += text;
      const found = /(https?:\/\/(?:127\.0\.0\.1|localhost):\d+)/.exec(said)?.[1];
      if (found !== undefined) resolve(found);
    };
    child.stdout?.setEncoding("utf8").on("data", hear);
    child.stderr?.setEncoding("utf8").on("data", hear);
    child.once("exit", () => reject(new Error(said)));
  });
  return { child, url, port: Number(new URL(url).port), data, log: join(data, "server.log") };
}

function startServer(t: TestContext, ...flags: readonly string[]): Promise<Started> {
  const data = folder(t);
  const log = join(data, "server.log");
  const places = ["--data-directory", data, "--log-file", log, "--listen-port", "0"];
  return startProcess(t, ["server", "start", ...places, ...flags], data);
}

interface Line {
  readonly msg: string;
  readonly part?: string;
  readonly error?: string;
}

/** The lines of a log with this message, once there are so many of them. */
async function linesWith(file: string, message: string, count: number): Promise<readonly Line[]> {
  return until(`${count} lines "${message}"`, () => {
    const text = existsSync(file) ? readFileSync(file, "utf8") : "";
    // The last line may be half written.
    const lines = text.split("\n").slice(0, -1);
    const found = lines
      .map((line) => JSON.parse(line) as Line)
      .filter(({ msg }) => msg.startsWith(message));
    return found.length >= count ? found : undefined;
  });
}

/** Looks again and again, for half a minute at most. */
async function until<T>(what: string, look: () => T | undefined): Promise<T> {
  const end = performance.now() + 30_000;
  while (performance.now() < end) {
    const found = look();
    if (found !== undefined) return found;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error(`not there after half a minute: ${what}`);
}

async function untilGone(file: string): Promise<void> {
  await until(`${file} is gone`, () => (existsSync(file) ? undefined : true));
}

/** Half of a login: the server has its head, has asked for the rest, and waits for it. */
async function halfARequest(t: TestContext, port: number): Promise<Socket> {
  const socket = connect(port, "127.0.0.1");
  t.after(() => socket.destroy());
  socket.write(
    "POST /v3/auth/tokens HTTP/1.1\r\nhost: x\r\nconnection: close\r\n" +
      "expect: 100-continue\r\ncontent-length: 20\r\n\r\n",
  );
  const [asked] = (await once(socket.setEncoding("latin1"), "data")) as [string];
  assert.match(asked, /^HTTP\/1\.1 100 Continue\r\n\r\n$/);
  socket.write("{");
  return socket;
}

async function restOf(socket: Socket): Promise<string> {
  let said = "";
  socket.on("data", (more: string) => (said += more));
  socket.write(" ".repeat(18) + "}");
  await once(socket, "close");
  return said;
}

async function reload({ child, log }: Started, times: number): Promise<void> {
  child.kill("SIGHUP");
  await linesWith(log, "reloaded", times);
}

/** When the certificate that is served ends. */
async function certificateEnd(port: number, host = "127.0.0.1"): Promise<string> {
  const socket = connectTls({ port, host, rejectUnauthorized: false });
  await once(socket, "secureConnect");
  const { valid_to: end } = socket.getPeerCertificate();
  socket.destroy();
  return end;
}

describe("a key server that gets a signal", { timeout: 300_000 }, () => {
  it("finishes a request of which half had come when SIGHUP reloads it", async (t) => {
    const server = await startServer(t);
    const socket = await halfARequest(t, server.port);
    await reload(server, 1);
    assert.match(await restOf(socket), /^HTTP\/1\.1 400 /);
    assert.equal((await fetch(`${server.url}/readiness`)).status, 200);
  });

  it("finishes a request of which half had come when any other signal comes, and goes on", async (t) => {
    const server = await startServer(t);
    const socket = await halfARequest(t, server.port);
    for (const signal of [
      "SIGUSR1",
      "SIGUSR2",
      "SIGALRM",
      "SIGVTALRM",
      "SIGIO",
      "SIGPWR",
      "SIGSTKFLT",
      "SIGXCPU",
      "SIGXFSZ",
    ] as const) {
      server.child.kill(signal);
      // It has had time for whatever the signal makes it do: it answered so many requests since.
      for (let round = 0; round < 10; round++)
        assert.equal((await fetch(`${server.url}/readiness`)).status, 200, signal);
    }
    assert.match(await restOf(socket), /^HTTP\/1\.1 400 /);
  });

  for (const signal of ["SIGTERM", "SIGINT", "SIGQUIT"] as const)
    it(`finishes what it accepted at ${signal}, and leaves no control.sock`, async (t) => {
      const { child, port, data } = await startServer(t);
      const socket = await halfARequest(t, port);
      assert.ok(existsSync(join(data, "control.sock")));
      const ended = once(child, "exit");
      child.kill(signal);
      await untilGone(join(data, "control.sock"));
      assert.match(await restOf(socket), /^HTTP\/1\.1 400 /);
      assert.deepEqual(await ended, [0, null]);
    });

  it("ends at once at a second SIGTERM", async (t) => {
    const { child, port, data } = await startServer(t);
    await halfARequest(t, port);
    const ended = once(child, "exit");
    child.kill("SIGTERM");
    await untilGone(join(data, "control.sock"));
    child.kill("SIGTERM");
    assert.deepEqual(await ended, [null, "SIGTERM"]);
  });

  it("writes to a new log file at SIGHUP after the old one was moved away", async (t) => {
    const server = await startServer(t);
    await linesWith(server.log, "listening", 1);
    renameSync(server.log, `${server.log}.1`);
    await reload(server, 1);
    const moved = readFileSync(`${server.log}.1`, "utf8");
    await fetch(`${server.url}/healthcheck`);
    await linesWith(server.log, "request", 1);
    assert.equal(readFileSync(`${server.log}.1`, "utf8"), moved);
    assert.match(moved, /"listening"/);
  });

  it("reloads for every SIGHUP of a burst, the last one included, and stays up", async (t) => {
    const server = await startServer(t);
    for (let times = 0; times < 20; times++) server.child.kill("SIGHUP");
    await linesWith(server.log, "reloaded", 1);
    renameSync(server.log, `${server.log}.1`);
    await reload(server, 1);
    assert.equal((await fetch(`${server.url}/readiness`)).status, 200);
  });

  it("ends in order at SIGHUP if it is chatelaine start, and leaves no control.sock", async (t) => {
    const data = folder(t);
    const words = ["start", "--data-directory", data, "--port", "0"];
    const { child } = await startProcess(t, words, data);
    const ended = once(child, "exit");
    child.kill("SIGHUP");
    assert.deepEqual(await ended, [0, null]);
    assert.equal(existsSync(join(data, "control.sock")), false);
  });
});

describe("a key server with TLS", { timeout: 300_000 }, () => {
  for (const host of ["127.0.0.1", "localhost"])
    it(`serves a renewed certificate at SIGHUP on every address of ${host}, and keeps it if the next is broken`, async (t) => {
      const files = folder(t);
      const [cert, key] = [join(files, "certificate.pem"), join(files, "key.pem")];
      writeFileSync(cert, expiredCertificate);
      writeFileSync(key, privateKey, { mode: 0o600 });
      const tls = ["--tls-certificate-file", cert, "--tls-key-file", key, "--listen-host", host];
      const server = await startServer(t, ...tls);
      const addresses = host === "localhost" ? await addressesOf(server.port) : [host];
      const ends = () => Promise.all(addresses.map((one) => certificateEnd(server.port, one)));
      for (const end of await ends()) assert.match(end, /2020/);
      writeFileSync(cert, certificate);
      await reload(server, 1);
      for (const end of await ends()) assert.match(end, /2099/);
      writeFileSync(cert, certificate.slice(0, 200));
      await reload(server, 2);
      rmSync(key);
      await reload(server, 3);
      for (const end of await ends()) assert.match(end, /2099/);
      const failed = await linesWith(
        server.log,
        "reload failed; the previous configuration stays in use",
        2,
      );
      assert.deepEqual(
        failed.map(({ part }) => part),
        ["certificate", "certificate"],
      );
      assert.match(failed[1]?.error ?? "", /tls\.keyFile .*key\.pem.*ENOENT/);
    });
});

/** The addresses of this host alone on which a port is served. */
async function addressesOf(port: number): Promise<readonly string[]> {
  const served = await Promise.all(
    ["127.0.0.1", "::1"].map(async (host) => {
      const socket = connect(port, host);
      const connected = await once(socket, "connect").then(
        () => true,
        () => false,
      );
      socket.destroy();
      return connected ? [host] : [];
    }),
  );
  return served.flat();
}

const noTerminal = !existsSync("/usr/bin/script") && "script (bsdutils) makes the terminal";

describe("a key server in a terminal", { skip: noTerminal, timeout: 300_000 }, () => {
  it("ends in order when the terminal is closed, though that is a SIGHUP, too", async (t) => {
    const data = folder(t);
    const log = join(data, "server.log");
    const places = ["--data-directory", data, "--log-file", log, "--listen-port", "0"];
    const line = ["exec", process.execPath, main, "server", "start", ...places].join(" ");
    const terminal = spawn("script", ["--quiet", "--command", line, "/dev/null"], {
      stdio: ["pipe", "ignore", "ignore"],
      env: { PATH: process.env["PATH"], NODE_OPTIONS: inherited },
    });
    t.after(() => terminal.kill("SIGKILL"));
    await linesWith(log, "listening", 1);
    assert.ok(existsSync(join(data, "control.sock")));
    terminal.kill("SIGKILL");
    await untilGone(join(data, "control.sock"));
    await linesWith(log, "stopping", 1);
    assert.equal((await linesWith(log, "reloaded", 0)).length, 0);
  });
});
