/**
 * The key server beside a bare `node:http` server that answers a constant, and beside a real Barbican
 * if BENCH_BARBICAN_URL and BENCH_BARBICAN_TOKEN name one; one run, one machine, one load generator.
 *
 * BENCH_SECONDS (default 3) a row. Each row is requests a second, and the median and 99th percentile in ms.
 */

import { fork } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { Agent, createServer, request as httpRequest } from "node:http";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const seconds = Number(process.env["BENCH_SECONDS"] ?? 3);
const connections = [1, 8, 32];

interface Peer {
  readonly name: string;
  readonly url: string;
  readonly token: string;
}

interface Shot {
  readonly method: string;
  readonly path: string;
  readonly body?: string;
  readonly accept?: string;
  readonly expected: number;
}

interface Answer {
  readonly status: number | undefined;
  readonly text: string;
}

const key = {
  name: "bench",
  algorithm: "aes",
  bit_length: 256,
  payload: Buffer.alloc(32, 7).toString("base64"),
  payload_content_type: "application/octet-stream",
  payload_content_encoding: "base64",
};
const keyBody = JSON.stringify(key);
const orderBody = JSON.stringify({ type: "key", meta: { algorithm: "aes", bit_length: 256 } });

function send(peer: Peer, agent: Agent, shot: Shot): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const outgoing = httpRequest(
      peer.url + shot.path,
      {
        agent,
        method: shot.method,
        headers: {
          "x-auth-token": peer.token,
          accept: shot.accept ?? "application/json",
          ...(shot.body !== undefined && {
            "content-type": "application/json",
            "content-length": Buffer.byteLength(shot.body),
          }),
        },
      },
      (incoming) => {
        let text = "";
        incoming.setEncoding("utf8").on("data", (chunk: string) => {
          text += chunk;
        });
        incoming.on("end", () => resolve({ status: incoming.statusCode, text }));
      },
    );
    outgoing.on("error", reject);
    outgoing.end(shot.body);
  });
}

async function measure(
  peer: Peer,
  parallel: number,
  next: () => Shot | undefined,
): Promise<string> {
  const agent = new Agent({ keepAlive: true, maxSockets: parallel });
  const times: number[] = [];
  const began = performance.now();
  const end = began + seconds * 1000;
  const lane = async () => {
    for (;;) {
      const shot = next();
      if (!shot || performance.now() > end) return;
      const start = performance.now();
      const { status, text } = await send(peer, agent, shot);
      if (status !== shot.expected)
        throw new Error(
          `${peer.name}: ${shot.method} ${shot.path}: ${status} ${text.slice(0, 200)}`,
        );
      times.push(performance.now() - start);
    }
  };
  await Promise.all(Array.from({ length: parallel }, lane));
  const elapsed = (performance.now() - began) / 1000;
  agent.destroy();
  const sorted = times.toSorted((a, b) => a - b);
  const at = (share: number) => (sorted[Math.floor(sorted.length * share)] ?? 0).toFixed(2);
  return `${Math.round(times.length / elapsed)} | ${at(0.5)} | ${at(0.99)}`;
}

async function create(peer: Peer, count: number): Promise<readonly string[]> {
  const agent = new Agent({ keepAlive: true, maxSockets: 16 });
  const ids: string[] = [];
  let left = count;
  const lane = async () => {
    while (left-- > 0) {
      const shot = { method: "POST", path: "/v1/secrets", body: keyBody, expected: 201 };
      const { text } = await send(peer, agent, shot);
      ids.push(String((JSON.parse(text) as { secret_ref: string }).secret_ref.split("/").pop()));
    }
  };
  await Promise.all(Array.from({ length: 16 }, lane));
  agent.destroy();
  return ids;
}

async function scenarios(peer: Peer, many: number): Promise<void> {
  const ids = await create(peer, 100);
  await create(peer, many);
  let turn = 0;
  const id = () => ids[turn++ % ids.length] ?? "";
  const octets = "application/octet-stream";
  const shots: readonly (readonly [string, () => Shot])[] = [
    ["GET metadata", () => ({ method: "GET", path: `/v1/secrets/${id()}`, expected: 200 })],
    [
      "GET payload",
      () => ({ method: "GET", path: `/v1/secrets/${id()}/payload`, accept: octets, expected: 200 }),
    ],
    [`list 10 of ${many}`, () => ({ method: "GET", path: "/v1/secrets?limit=10", expected: 200 })],
    ["POST secret", () => ({ method: "POST", path: "/v1/secrets", body: keyBody, expected: 201 })],
    [
      "POST key order",
      () => ({ method: "POST", path: "/v1/orders", body: orderBody, expected: 202 }),
    ],
  ];
  for (const [name, next] of shots)
    for (const parallel of connections)
      console.log(
        `| ${peer.name} | ${name} | ${parallel} | ${await measure(peer, parallel, next)} |`,
      );
  for (const parallel of connections) {
    const doomed = [...(await create(peer, Math.min(many, 3_000)))];
    const next = (): Shot | undefined => {
      const path = doomed.pop();
      return path === undefined
        ? undefined
        : { method: "DELETE", path: `/v1/secrets/${path}`, expected: 204 };
    };
    console.log(`| ${peer.name} | DELETE | ${parallel} | ${await measure(peer, parallel, next)} |`);
  }
}

/** The ceiling that any server of this runtime has under this load generator. */
async function bare(): Promise<void> {
  const child = fork(fileURLToPath(import.meta.url), ["bare"], {
    stdio: ["ignore", "inherit", "inherit", "ipc"],
  });
  const [port] = (await once(child, "message")) as [number];
  const peer = { name: "bare node:http", url: `http://127.0.0.1:${port}`, token: "x" };
  for (const parallel of connections) {
    const row = await measure(peer, parallel, () => ({ method: "GET", path: "/", expected: 200 }));
    console.log(`| ${peer.name} | a constant | ${parallel} | ${row} |`);
  }
  child.kill();
}

async function ours(): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "chatelaine-bench-"));
  const began = performance.now();
  const child = fork(fileURLToPath(import.meta.url), ["ours", folder], {
    stdio: ["ignore", "inherit", "inherit", "ipc"],
  });
  const [url] = (await once(child, "message")) as [string];
  await fetch(`${url}/healthcheck`);
  const coldMs = Math.round(performance.now() - began);
  const clouds = readFileSync(join(folder, "clouds.yaml"), "utf8");
  const password = /^\s*password: "?([^"\n]+)"?$/m.exec(clouds)?.[1] ?? "";
  const domain = { id: "default" };
  const login = await fetch(`${url}/v3/auth/tokens`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({
      auth: {
        identity: {
          methods: ["password"],
          password: { user: { name: "admin", domain, password } },
        },
        scope: { project: { name: "admin", domain } },
      },
    }),
  });
  const token = login.headers.get("x-subject-token") ?? "";
  try {
    await scenarios({ name: "chatelaine, SQLite", url, token }, 10_000);
    const status = readFileSync(`/proc/${child.pid}/status`, "utf8");
    const resident = Math.round(Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) / 1024);
    console.log(
      `\nchatelaine: first answer ${coldMs} ms after its process was started, with the first user's password hashed; ${resident} MiB resident after all rows`,
    );
  } finally {
    child.kill("SIGTERM");
    await once(child, "exit");
    rmSync(folder, { recursive: true, force: true });
  }
}

async function main(): Promise<void> {
  console.log(
    `Node.js ${process.version}, ${cpus().length} × ${cpus()[0]?.model ?? "?"}, ${seconds} s a row; the load generator shares the machine\n`,
  );
  console.log(
    "| server | request | connections | requests/s | p50 ms | p99 ms |\n|---|---|---|---|---|---|",
  );
  await bare();
  await ours();
  const barbican = process.env["BENCH_BARBICAN_URL"];
  const token = process.env["BENCH_BARBICAN_TOKEN"];
  if (barbican && token) await scenarios({ name: "Barbican", url: barbican, token }, 300);
  else
    console.log("\nno Barbican beside it: BENCH_BARBICAN_URL and BENCH_BARBICAN_TOKEN are not set");
}

if (process.argv[2] === "bare") {
  const body = Buffer.from(JSON.stringify(key));
  const server = createServer((_request, response) => {
    response.writeHead(200, { "content-type": "application/json", "content-length": body.length });
    response.end(body);
  });
  server.listen(0, "127.0.0.1", () => {
    const address = server.address();
    process.send?.(typeof address === "object" ? address?.port : 0);
  });
} else if (process.argv[2] === "ours") {
  const { loadServerConfig, startServer } = await import("@chatelaine/server");
  const dataDirectory = process.argv[3] ?? "";
  const flags = {
    "--listen-port": "0",
    "--data-directory": dataDirectory,
    "--log-file": join(dataDirectory, "log"),
  };
  const server = await startServer(loadServerConfig({ environment: {}, flags }));
  process.once("SIGTERM", () => void server.close().then(() => process.exit(0)));
  process.send?.(server.url);
} else await main();
