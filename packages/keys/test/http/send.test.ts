import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer as createHttp, type RequestListener, type Server } from "node:http";
import { createServer as createHttps } from "node:https";
import { type AddressInfo, createServer as createTcp, type Server as TcpServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { after, before, describe, it } from "node:test";
import type { TLSSocket } from "node:tls";
import { fetchSend, type HttpRequest, nodeSend, type Send } from "../../src/http/send.ts";
import { transportFailure } from "../../src/http/transport-failure.ts";
import { refuses } from "../refuses.ts";
import { certificates } from "./certificates.ts";

const servers: (Server | TcpServer)[] = [];
let directory: string;

before(() => {
  directory = mkdtempSync(join(tmpdir(), "chatelaine-send-"));
  for (const [name, pem] of Object.entries(certificates)) writeFileSync(file(name), pem);
});
after(async () => {
  for (const server of servers) {
    if ("closeAllConnections" in server) server.closeAllConnections();
    server.close();
  }
  rmSync(directory, { recursive: true });
});

function file(name: string): string {
  return join(directory, `${name}.pem`);
}

async function listening(server: Server | TcpServer, scheme = "http"): Promise<URL> {
  servers.push(server);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return new URL(`${scheme}://127.0.0.1:${(server.address() as AddressInfo).port}/path?q=1`);
}

function request(url: URL, more: Partial<HttpRequest> = {}): HttpRequest {
  return {
    method: "GET",
    url,
    headers: { accept: "application/json" },
    body: undefined,
    signal: AbortSignal.timeout(5_000),
    ...more,
  };
}

const echo: RequestListener = (incoming, response) => {
  text(incoming).then(
    (body) => {
      const { method, url, headers } = incoming;
      response.writeHead(201, { "X-Mixed-Case": "yes" });
      return response.end(JSON.stringify({ method, url, headers, body }));
    },
    (error: Error) => response.destroy(error),
  );
};

for (const [name, make] of [
  ["nodeSend", () => nodeSend()],
  ["fetchSend", () => fetchSend(globalThis.fetch)],
] as const satisfies readonly (readonly [string, () => Send])[]) {
  describe(name, () => {
    const send = make();

    it("sends method, path, headers and body, and reads status, headers and body", async () => {
      const url = await listening(createHttp(echo));
      const body = Buffer.from('{"ö":1}');
      const response = await send(
        request(url, { method: "POST", body, headers: { "x-auth-token": "t" } }),
      );
      assert.equal(response.status, 201);
      assert.equal(response.headers.get("x-mixed-case"), "yes");
      const seen = JSON.parse(Buffer.from(response.body).toString()) as Record<string, unknown>;
      const headers = seen["headers"] as Record<string, string>;
      assert.deepEqual(
        [seen["method"], seen["url"], seen["body"]],
        ["POST", "/path?q=1", '{"ö":1}'],
      );
      assert.equal(headers["x-auth-token"], "t");
      assert.equal(headers["content-length"], String(body.length));
    });

    it("reuses one connection for calls one after the other", async () => {
      const sockets = new Set<unknown>();
      const url = await listening(
        createHttp((incoming, response) => {
          sockets.add(incoming.socket);
          response.end("{}");
        }),
      );
      for (let n = 0; n < 20; n += 1) await send(request(url));
      assert.ok(sockets.size <= (name === "nodeSend" ? 1 : 2), String(sockets.size));
    });

    it("follows no redirect", async () => {
      const paths: unknown[] = [];
      const url = await listening(
        createHttp((incoming, response) => {
          paths.push(incoming.url);
          response.writeHead(307, { location: "/elsewhere" }).end();
        }),
      );
      assert.equal((await send(request(url))).status, 307);
      assert.deepEqual(paths, ["/path?q=1"]);
    });

    it("rejects when the body ends too early", async () => {
      const url = await listening(
        createHttp((_, response) => {
          response.writeHead(200, { "content-length": "100" });
          response.write("half", () => response.destroy());
        }),
      );
      await assert.rejects(send(request(url)));
    });

    it("rejects when a chunked body ends too early", async () => {
      const url = await listening(
        createTcp((socket) => {
          socket.once("data", () => {
            socket.end("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhalf");
          });
        }),
      );
      await assert.rejects(send(request(url)));
    });

    it("rejects a body that has no end, without keeping it", async () => {
      const url = await listening(
        createHttp((_, response) => {
          response.on("error", () => {});
          const chunk = Buffer.alloc(1024 * 1024);
          const more = () => {
            while (!response.destroyed && response.write(chunk));
          };
          response.on("drain", more);
          more();
        }),
      );
      const thrown = await send(request(url)).catch((error: unknown) => error);
      assert.match(transportFailure(thrown).reason, /larger than 16777216 bytes/);
    });

    it("rejects when the signal fires, before the answer or in the middle of it", async () => {
      for (const begin of [false, true]) {
        const abort = new AbortController();
        const url = await listening(
          createHttp((_, response) => {
            if (!begin) abort.abort();
            else
              response.writeHead(200, { "content-length": "10" }).write("12", () => abort.abort());
          }),
        );
        await assert.rejects(send(request(url, { signal: abort.signal })));
      }
    });

    it("rejects what is no HTTP", async () => {
      const url = await listening(createTcp((socket) => socket.end("SSH-2.0-OpenSSH\r\n")));
      const thrown = await send(request(url)).catch((error: unknown) => error);
      assert.match(transportFailure(thrown).reason, /does not speak HTTP|no answer/);
    });

    it("says that nothing listens, and that nothing was sent", async () => {
      const thrown = await send(request(new URL("http://127.0.0.1:9/"))).catch((e: unknown) => e);
      const failure = transportFailure(thrown);
      // fetch refuses port 9 by itself.
      assert.ok(failure.neverSent || name === "fetchSend");
    });
  });
}

async function secureServer(requireClient = false): Promise<URL> {
  const server = createHttps(
    {
      cert: certificates.server,
      key: certificates.serverKey,
      ...(requireClient && { ca: certificates.ca, requestCert: true, rejectUnauthorized: true }),
    },
    (incoming, response) => {
      const peer = (incoming.socket as TLSSocket).getPeerCertificate();
      response.end(peer.subject?.CN ?? "nobody");
    },
  );
  return listening(server, "https");
}

describe("nodeSend with TLS", () => {
  it("trusts the CA that caFile names", async () => {
    const url = await secureServer();
    const response = await nodeSend({ caFile: file("ca") })(request(url));
    assert.equal(response.status, 200);
  });

  it("does not trust an unknown CA, and says how to name it", async () => {
    const url = await secureServer();
    const thrown = await nodeSend()(request(url)).catch((error: unknown) => error);
    const failure = transportFailure(thrown);
    assert.match(failure.reason, /not trusted: set tls\.caFile to its CA/);
    assert.equal(failure.neverSent, true);
  });

  it("does not accept a certificate for another host", async () => {
    const url = await secureServer();
    url.hostname = "127.0.0.2";
    const server = createHttps({ cert: certificates.server, key: certificates.serverKey });
    servers.push(server);
    server.listen(0, "127.0.0.2");
    await once(server, "listening");
    url.port = String((server.address() as AddressInfo).port);
    const thrown = await nodeSend({ caFile: file("ca") })(request(url)).catch((e: unknown) => e);
    assert.match(transportFailure(thrown).reason, /for another host/);
  });

  it("accepts any certificate only by a switch that says so", async () => {
    const url = await secureServer();
    assert.equal((await nodeSend({ insecureSkipVerification: true })(request(url))).status, 200);
  });

  it("presents a client certificate", async () => {
    const url = await secureServer(true);
    const own = { caFile: file("ca"), certificateFile: file("client"), keyFile: file("clientKey") };
    const response = await nodeSend(own)(request(url));
    assert.equal(Buffer.from(response.body).toString(), "client");
    await assert.rejects(nodeSend({ caFile: file("ca") })(request(url)));
  });

  it("presents a client certificate from one file with its key", async () => {
    const both = join(directory, "both.pem");
    writeFileSync(both, certificates.client + certificates.clientKey);
    const send = nodeSend({ caFile: file("ca"), certificateFile: both });
    assert.equal((await send(request(await secureServer(true)))).status, 200);
  });

  it("says that https was meant to be http", async () => {
    const url = await listening(createHttp(echo), "https");
    const thrown = await nodeSend()(request(url)).catch((error: unknown) => error);
    assert.match(transportFailure(thrown).reason, /http rather than https/);
  });

  for (const [label, tls, message] of [
    ["a CA file that is missing", { caFile: "/nowhere/ca.pem" }, /cannot read \/nowhere\/ca\.pem/],
    ["a key without its certificate", { keyFile: "k" }, /no certificateFile/],
    ["a misspelled switch", { insecure: true }, /unknown option "insecure"/],
  ] as const) {
    it(`refuses ${label}`, async () => {
      await refuses(() => nodeSend(tls as never), "invalid_argument", message);
    });
  }

  it("refuses files that are no PEM, or no pair, before any call", async () => {
    const garbage = join(directory, "garbage.pem");
    writeFileSync(garbage, "garbage");
    await refuses(() => nodeSend({ caFile: garbage }), "invalid_argument", /no PEM certificate/);
    for (const keyFile of [garbage, file("serverKey"), undefined]) {
      await refuses(
        () => nodeSend({ certificateFile: file("client"), keyFile }),
        "invalid_argument",
        /no PEM, or no pair/,
        [certificates.serverKey.split("\n")[1] ?? ""],
      );
    }
  });
});
