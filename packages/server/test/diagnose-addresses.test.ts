/** What `chatelaine server doctor` says of the addresses that clients are told, and what a start says of them. */

import assert from "node:assert/strict";
import { once } from "node:events";
import { readFileSync, writeFileSync } from "node:fs";
import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { describe, it, type TestContext } from "node:test";
import { loadServerConfig } from "../src/config/config.ts";
import { diagnoseServer } from "../src/maintenance/diagnose.ts";
import type { Diagnosis } from "../src/maintenance/diagnosis.ts";
import { isServerError } from "../src/model/server-error.ts";
import { startServer } from "../src/startup/start-server.ts";
import { temporaryFolder } from "./support/harness.ts";

async function started(t: TestContext, flags: Record<string, string>) {
  const folder = temporaryFolder(t);
  const all = {
    "--listen-port": "0",
    "--data-directory": folder,
    "--log-file": join(folder, "log"),
    ...flags,
  };
  const server = await startServer(loadServerConfig({ environment: {}, flags: all }));
  t.after(() => server.close());
  const doctor = async (more: Record<string, string> = {}) => {
    const config = loadServerConfig({ environment: {}, flags: { ...all, ...more } });
    const found = await diagnoseServer(config);
    return (check: string) => found.find((one) => one.check === check) as Diagnosis;
  };
  return { server, folder, doctor };
}

/** Something else than a key server, on a port of this host. */
async function listen(t: TestContext, listener: RequestListener): Promise<string> {
  const server = createServer(listener).listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => server.close().closeAllConnections());
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

function warningsIn(folder: string): readonly string[] {
  const lines = readFileSync(join(folder, "log"), "utf8").trim().split("\n");
  return lines
    .map((line) => JSON.parse(line) as { level: number; msg: string })
    .flatMap(({ level, msg }) => (level === 40 ? [msg] : []));
}

describe("the public address", () => {
  it("is good where this server answers under it, and not checked where none runs", async (t) => {
    const { server, doctor } = await started(t, {});
    const running = (await doctor())("public address");
    assert.deepEqual(running, {
      check: "public address",
      state: "ok",
      found: `${server.url} leads to this server`,
    });
    await server.close();
    assert.equal((await doctor())("public address").state, "not checked");
  });

  it("is warned of where nothing, or another thing, answers under it", async (t) => {
    const page = await listen(t, (_, reply) => reply.end("<html>It works!</html>"));
    const moved = await listen(t, (_, reply) =>
      reply.writeHead(301, { location: "https://keys.example.com/" }).end(),
    );
    for (const [url, found, fix] of [
      ["http://127.0.0.1:9", /ECONNREFUSED/, /set publicUrl/],
      ["http://keys.invalid", /ENOTFOUND|EAI_AGAIN/, /set publicUrl to a name/],
      [page, /status 200.*not this server/, /remove the path/],
      [moved, /redirects \(status 301\)/, /redirects to/],
    ] as const) {
      const { doctor } = await started(t, { "--public-url": url });
      const said = (await doctor())("public address");
      assert.equal(said.state, "warning", url);
      assert.match(said.found, found);
      assert.match(said.fix ?? "", fix);
    }
  });

  it("is bad where another key server answers under it", async (t) => {
    const other = await started(t, {});
    const { doctor } = await started(t, {
      "--public-url": `http://localhost:${other.server.port}`,
    });
    const said = (await doctor())("public address");
    assert.equal(said.state, "bad", said.found);
    assert.match(said.found, /clients are told another address/);
  });

  it("is warned of at the start and by the doctor where every address is served and none is set", async (t) => {
    for (const host of ["0.0.0.0", "::", "0:0::0"]) {
      const { server, folder, doctor } = await started(t, { "--listen-host": host });
      const said = (await doctor())("public address");
      assert.equal(said.state, "warning");
      assert.match(said.fix ?? "", /set publicUrl/);
      await server.close();
      assert.ok(warningsIn(folder).some((line) => /localhost: set publicUrl/.test(line)));
      const url = { "--listen-host": host, "--public-url": "http://127.0.0.1:9" };
      const set = await started(t, url);
      await set.server.close();
      assert.deepEqual(warningsIn(set.folder), []);
    }
  });
});

describe("clouds.yaml", () => {
  it("is warned of where it names an address that clients are told no more", async (t) => {
    const { server, folder, doctor } = await started(t, {});
    assert.equal((await doctor())("clouds.yaml").state, "ok");
    await server.close();
    const moved = { "--public-url": "https://keys.example.com" };
    const said = (await doctor(moved))("clouds.yaml");
    assert.equal(said.state, "warning");
    assert.match(said.found, /names http:\/\/127\.0\.0\.1:\d+, and clients are told https:/);
    assert.match(said.fix ?? "", /auth_url .* to https:\/\/keys\.example\.com\/v3$/);
    const accepted = { ...moved, "--accepted-addresses": server.url };
    assert.equal((await doctor(accepted))("clouds.yaml").state, "ok");
    writeFileSync(join(folder, "clouds.yaml"), "clouds: { mine: {} }\n");
    assert.equal((await doctor(moved))("clouds.yaml").state, "ok");
  });
});

describe("listen.host", () => {
  it("says what to write for an address in brackets, with a port, or in short", () => {
    for (const [host, said] of [
      ["[::1]", /without brackets: write ::1$/],
      ["[::1]:9311", /without brackets: write ::1, and listen\.port: 9311$/],
      ["127.0.0.1:9311", /must not have a port: write 127\.0\.0\.1, and listen\.port: 9311$/],
      ["keys.example.com:9311", /write keys\.example\.com, and listen\.port: 9311$/],
      ["http://127.0.0.1", /must be an address, not a URL/],
      ["*", /use 0\.0\.0\.0 \(IPv4\) or ::/],
      ["0", /in full: write 0\.0\.0\.0$/],
      ["127.1", /in full: write 127\.0\.0\.1$/],
      ["0x7f.1", /in full: write 127\.0\.0\.1$/],
      ["/run/chatelaine.sock", /must be an IP address or a host name/],
      ["a b", /must be an IP address or a host name/],
      ["-a", /must be an IP address or a host name/],
      ["user@host", /must be an IP address or a host name/],
      ["fe80::1%lo", /publicUrl must be set/],
    ] as const)
      assert.throws(
        () => loadServerConfig({ environment: {}, flags: { "--listen-host": host } }),
        (error) => isServerError(error, "invalid_config") && said.test(error.message),
        host,
      );
    for (const [host, form] of [
      ["::1", "::1"],
      ["0:0:0:0:0:0:0:0", "::"],
      ["::ffff:0.0.0.0", "0.0.0.0"],
      ["localhost", "localhost"],
      ["Keys.Example.com", "keys.example.com"],
      ["::", "::"],
    ] as const) {
      const config = loadServerConfig({ environment: {}, flags: { "--listen-host": host } });
      assert.equal(config.text("listen.host"), form);
    }
  });
});
