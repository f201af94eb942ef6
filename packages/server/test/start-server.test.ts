import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { generateKeyPairSync } from "node:crypto";
import { once } from "node:events";
import { chmodSync, readFileSync, writeFileSync } from "node:fs";
import { request as httpRequest, type IncomingMessage } from "node:http";
import { get } from "node:https";
import { type AddressInfo, connect } from "node:net";
import { join } from "node:path";
import { describe, it, type TestContext } from "node:test";
import { loadServerConfig } from "../src/config/config.ts";
import { type RunningServer, startServer } from "../src/startup/start-server.ts";
import { listSecrets } from "../src/store/operations/secrets.ts";
import { login } from "./support/builtin-harness.ts";
import { startHarness, temporaryFolder } from "./support/harness.ts";

/** Keystone is not asked by what these tests ask: they need no identity. */
async function start(
  t: TestContext,
  folder: string,
  flags: Record<string, string> = {},
): Promise<RunningServer> {
  const config = loadServerConfig({
    environment: {},
    flags: {
      "--listen-port": "0",
      "--data-directory": folder,
      "--identity-mode": "keystone",
      "--keystone-auth-url": "http://127.0.0.1:1/v3",
      "--keystone-username": "u",
      "--keystone-password": "p",
      "--log-file": join(folder, "log"),
      ...flags,
    },
  });
  const server = await startServer(config);
  t.after(() => server.close());
  return server;
}

/** A token of the administrator that the first start made. */
async function firstToken(url: string, folder: string): Promise<string> {
  const clouds = readFileSync(join(folder, "clouds.yaml"), "utf8");
  const password = /password: "?([\w-]{8,})/.exec(clouds)?.[1] ?? "";
  const answer = await fetch(`${url}/v3/auth/tokens`, {
    method: "POST",
    body: JSON.stringify(login(password, { name: "admin", project: "admin" })),
  });
  return answer.headers.get("x-subject-token") ?? "";
}

describe("a server that listens", () => {
  it("tells its versions, its health and its figures, under the address it has", async (t) => {
    const { url } = await start(t, temporaryFolder(t));
    const versions = await fetch(url, { headers: { "openstack-api-version": "key-manager 1.1" } });
    assert.equal(versions.status, 300);
    assert.ok((await versions.text()).includes(`${url}/v1/`));
    assert.equal(await (await fetch(`${url}/healthcheck`)).text(), "OK");
    assert.equal((await fetch(`${url}/readiness`)).status, 200);
    const metrics = await (await fetch(`${url}/metrics`)).text();
    assert.match(
      metrics,
      /chatelaine_http_request_seconds_count\{method="GET",route="\/",status="300"\} 1/,
    );
    const build = (await (await fetch(`${url}/?build`)).json()) as { build: string };
    assert.match(build.build, /^\d+\.\d+\.\d+/);
    assert.equal((await fetch(`${url}/v1/secrets`, { method: "OPTIONS" })).status, 200);
    assert.equal(
      (await fetch(`${url}/v1/secrets`, { headers: { "x-auth-token": "x" } })).status,
      503,
    );
  });

  it("logs a request with its id, and never a token or a query", async (t) => {
    const folder = temporaryFolder(t);
    const server = await start(t, folder);
    const answer = await fetch(`${server.url}/v1/secrets?name=private`, {
      headers: { "x-auth-token": "hushhush" },
    });
    await server.close();
    const log = readFileSync(join(folder, "log"), "utf8");
    const lines = log
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    assert.ok(
      lines.some((line) => line["requestId"] === answer.headers.get("x-openstack-request-id")),
    );
    for (const secret of ["hushhush", "private"]) assert.equal(log.includes(secret), false);
  });

  it("starts again on its files, and not twice at once", async (t) => {
    const folder = temporaryFolder(t);
    const first = await start(t, folder);
    await assert.rejects(start(t, folder), /another process serves this database/);
    await first.close();
    await start(t, folder);
  });

  it("writes its last lines, and lets go of its database, though something cannot be closed", async (t) => {
    const folder = temporaryFolder(t);
    const running = await start(t, folder);
    const close = running.server.close.bind(running.server);
    t.mock.method(running.server, "close", async () => {
      await close();
      throw new Error("closed badly");
    });
    await assert.rejects(running.close(), /closed badly/);
    assert.match(readFileSync(join(folder, "log"), "utf8"), /"stopping"/);
    await start(t, folder);
  });

  it("refuses a file without certificates for Keystone, and a pipe in its place", async (t) => {
    const folder = temporaryFolder(t);
    const file = join(folder, "ca.pem");
    const flags = { "--keystone-ca-file": file };
    await assert.rejects(
      start(t, folder, flags),
      /^ServerError: keystone\.caFile .*ca\.pem: ENOENT/,
    );
    writeFileSync(file, "no certificate");
    await assert.rejects(
      start(t, folder, flags),
      /keystone\.caFile .*ca\.pem: it has no certificate/,
    );
    await assert.rejects(
      start(t, folder, { "--keystone-ca-file": "/dev/null" }),
      /keystone\.caFile .*regular file/,
    );
    await start(t, folder);
  });

  it("serves TLS 1.2 and newer, and nothing else on that port", async (t) => {
    const folder = temporaryFolder(t);
    const [key, cert] = [join(folder, "key.pem"), join(folder, "cert.pem")];
    const made = spawnSync("openssl", [
      "req",
      "-x509",
      "-newkey",
      "ec",
      "-pkeyopt",
      "ec_paramgen_curve:P-256",
      "-nodes",
      "-subj",
      "/CN=localhost",
      "-days",
      "2",
      "-keyout",
      key,
      "-out",
      cert,
    ]);
    if (made.error) return t.skip("openssl is not installed");
    const { port, url } = await start(t, folder, {
      "--tls-certificate-file": cert,
      "--tls-key-file": key,
    });
    assert.equal(url, `https://127.0.0.1:${port}`);
    const text = await new Promise<string>((resolve, reject) => {
      get(
        `${url}/healthcheck`,
        { ca: readFileSync(cert), servername: "localhost", checkServerIdentity: () => undefined },
        (response) => {
          response.setEncoding("utf8").on("data", resolve);
        },
      ).on("error", reject);
    });
    assert.equal(text, "OK");
    await assert.rejects(fetch(`http://127.0.0.1:${port}/healthcheck`));
    const again = (keyFile: string) =>
      start(t, temporaryFolder(t), {
        "--tls-certificate-file": cert,
        "--tls-key-file": keyFile,
      });
    const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
    const other = join(folder, "other.pem");
    writeFileSync(other, privateKey.export({ type: "pkcs8", format: "pem" }), { mode: 0o600 });
    await assert.rejects(again(other), /other\.pem: it is not the key of the first certificate/);
    writeFileSync(other, "no key", { mode: 0o600 });
    await assert.rejects(again(other), /not PEM, or has a passphrase/);
    const whole = readFileSync(cert, "utf8");
    writeFileSync(cert, `${whole}-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n`);
    await assert.rejects(
      again(key),
      /^ServerError: tls\.certificateFile .*cert\.pem: no server can/,
    );
    writeFileSync(cert, whole);
    chmodSync(key, 0o644);
    await assert.rejects(again(key), /mode 644 lets other users read it; run: chmod 600/);
  });

  it("refuses headers and bodies that are too large, and lines that are no HTTP", async (t) => {
    const folder = temporaryFolder(t);
    const { port, url } = await start(t, folder, {
      "--limits-payload-bytes": "1000",
      "--limits-body-bytes": "2000",
      "--identity-mode": "builtin",
    });
    // Nobody else's body is read.
    const token = await firstToken(url, folder);
    assert.equal((await fetch(url, { headers: { big: "x".repeat(40_000) } })).status, 431);
    const status = await new Promise<number | undefined>((resolve, reject) => {
      const request = httpRequest(
        `${url}/v1/secrets`,
        { method: "POST", headers: { "content-type": "text/plain", "x-auth-token": token } },
        (response) => {
          response.resume();
          resolve(response.statusCode);
        },
      );
      request.on("error", reject);
      request.end("x".repeat(3_000));
    });
    assert.equal(status, 413);
    const raw = await new Promise<string>((resolve, reject) => {
      const socket = connect(port, "127.0.0.1", () => socket.write("rubbish\r\n\r\n"));
      socket.on("data", (data) => resolve(data.toString()));
      socket.on("error", reject);
    });
    assert.match(raw, /^HTTP\/1\.1 400/);
  });

  it("answers 4xx, or hangs up, whatever is written to its socket", async (t) => {
    const { port, url } = await start(t, temporaryFolder(t));
    const post = "POST /v1/secrets HTTP/1.1\r\nhost: x\r\nconnection: close\r\n";
    for (const text of [
      "GET /v1/secrets\r\n\r\n",
      "GET /v1/secrets HTTP/1.1\r\n\r\n",
      "GET /v1/secrets HTTP/9.9\r\nhost: x\r\n\r\n",
      "GET http://evil.test/v1/secrets HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n",
      "GET evil HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n",
      "CONNECT evil.test:443 HTTP/1.1\r\nhost: x\r\n\r\n",
      "GET /v1/secrets HTTP/1.1\r\nhost: x\r\nupgrade: h2c\r\nconnection: upgrade\r\n\r\n",
      "GET /v1/secrets HTTP/1.1\r\nhost: x\r\nx-auth-token: a\0b\r\n\r\n",
      "GET /v1/secrets HTTP/1.1\r\nhost: x\r\n x-folded: header\r\n\r\n",
      "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
      `${post}content-length: 2\r\ncontent-length: 3\r\n\r\n{}`,
      `${post}content-length: 2\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n`,
      `${post}transfer-encoding: gzip, chunked\r\n\r\nzz\r\n`,
      `${post}content-length: -1\r\n\r\n`,
      `${post}content-length: 99999999999999999999\r\n\r\n`,
      `${post}expect: what\r\ncontent-length: 2\r\n\r\n{}`,
      "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    ]) {
      const answer = await new Promise<string>((resolve) => {
        let said = "";
        const socket = connect(port, "127.0.0.1", () => socket.end(text, "latin1"));
        socket.setEncoding("latin1").on("data", (more: string) => (said += more));
        socket.on("error", () => undefined);
        socket.on("close", () => resolve(said));
      });
      assert.match(answer, /^$|^HTTP\/1\.1 4\d\d /, JSON.stringify(text));
    }
    assert.equal((await fetch(`${url}/healthcheck`)).status, 200);
  });

  it("answers a request that names a type and has no body", { timeout: 20_000 }, async (t) => {
    const { server } = await startHarness(t);
    await server.app.listen({ host: "127.0.0.1", port: 0 });
    const { port } = server.app.server.address() as AddressInfo;
    const secret = "/v1/secrets/00000000-0000-4000-8000-000000000000";
    for (const [method, path, status] of [
      ["GET", secret, 404],
      ["DELETE", secret, 404],
      ["PUT", secret, 404],
      ["POST", "/v1/secrets", 400],
    ] as const) {
      const socket = connect(port, "127.0.0.1");
      t.signal.addEventListener("abort", () => socket.destroy());
      socket.write(
        `${method} ${path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n` +
          "x-auth-token: alice/p/member\r\ncontent-type: application/json\r\n\r\n",
      );
      const answer = (await Array.fromAsync(socket.setEncoding("latin1"))).join("");
      assert.match(answer, new RegExp(`^HTTP/1\\.1 ${status} `), method);
    }
  });

  it("finishes what it accepted before it stops, and takes no more", async (t) => {
    const { server, store } = await startHarness(t);
    await server.app.listen({ host: "127.0.0.1", port: 0 });
    const { port } = server.app.server.address() as AddressInfo;
    const body = JSON.stringify({ payload: "accepted", payload_content_type: "text/plain" });
    const request = httpRequest({
      port,
      method: "POST",
      path: "/v1/secrets",
      headers: {
        "x-auth-token": "alice/p/member",
        "content-type": "application/json",
        "content-length": body.length,
      },
    });
    const answered = once(request, "response");
    request.write(body.slice(0, 20));
    await once(server.app.server, "request");
    const closed = server.close();
    request.end(body.slice(20));
    const [answer] = (await answered) as [IncomingMessage];
    assert.equal(answer.statusCode, 201);
    answer.resume();
    await closed;
    await assert.rejects(fetch(`http://127.0.0.1:${port}/healthcheck`));
    const { rows } = await store.read(listSecrets, {
      scope: { ownedBy: "p" },
      conditions: [],
      sort: [],
      now: "2026-01-01T00:00:00.000000",
      limit: 10,
      offset: 0,
    });
    assert.equal(rows.length, 1);
  });

  it("hangs up on who sends too slowly, headers or body, and serves others meanwhile", async (t) => {
    const { port, url } = await start(t, temporaryFolder(t), {
      "--limits-request-timeout-ms": "200",
      "--identity-mode": "builtin",
    });
    const starts = [
      "POST /v1/secrets HTTP/1.1\r\nhost: x\r\n",
      "POST /v3/auth/tokens HTTP/1.1\r\nhost: x\r\ncontent-type: text/plain\r\ncontent-length: 9\r\n\r\nhalf",
    ];
    const answers = starts.map(
      (text) =>
        new Promise<string>((resolve) => {
          let answer = "";
          const socket = connect(port, "127.0.0.1", () => socket.write(text));
          socket.setEncoding("utf8").on("data", (more: string) => (answer += more));
          socket.on("error", () => undefined);
          socket.on("close", () => resolve(answer));
        }),
    );
    assert.equal((await fetch(`${url}/healthcheck`)).status, 200);
    for (const answer of await Promise.all(answers)) assert.match(answer, /^HTTP\/1\.1 408 /);
  });
});

describe("a database setting that names something else than a database", () => {
  for (const [what, content] of [
    ["a text", "key server\n".repeat(1_000)],
    ["a short text", "x"],
  ] as const)
    it(`says which file it is and what to do, and leaves it as it was: ${what}`, async (t) => {
      const folder = temporaryFolder(t);
      const file = join(folder, "notes.txt");
      writeFileSync(file, content);
      const failed =
        /database \S+notes\.txt: file is not a database; .*setting database.*server restore/;
      await assert.rejects(start(t, folder, { "--database": file }), failed);
      assert.equal(readFileSync(file, "utf8"), content);
    });

  it("says which file it is when it is a folder", async (t) => {
    const folder = temporaryFolder(t);
    await assert.rejects(start(t, folder, { "--database": folder }), (error: Error) =>
      error.message.includes(folder),
    );
  });

  it("does not speak of another process when the lock file is something else", async (t) => {
    const folder = temporaryFolder(t);
    writeFileSync(join(folder, "keys.db.lock"), "key server\n".repeat(1_000));
    await assert.rejects(start(t, folder), /keys\.db\.lock: file is not a database/);
  });
});
