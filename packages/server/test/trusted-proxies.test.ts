import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it, type TestContext } from "node:test";
import { parse } from "yaml";
import { loadServerConfig } from "../src/config/config.ts";
import { diagnoseServer } from "../src/maintenance/diagnose.ts";
import { runServerCommand } from "../src/maintenance/run-command.ts";
import type { AuditEntry } from "../src/model/audit-entry.ts";
import { startServer } from "../src/startup/start-server.ts";
import { login } from "./support/builtin-harness.ts";
import { temporaryFolder } from "./support/harness.ts";

async function start(t: TestContext, trustedProxies: string) {
  const folder = temporaryFolder(t);
  const config = loadServerConfig({
    environment: {},
    flags: {
      "--listen-port": "0",
      "--data-directory": folder,
      "--log-file": join(folder, "log"),
      "--listen-trusted-proxies": trustedProxies,
    },
  });
  const server = await startServer(config);
  t.after(() => server.close());
  const { clouds } = parse(readFileSync(join(folder, "clouds.yaml"), "utf8")) as {
    clouds: { chatelaine: { auth: { password: string } } };
  };
  const { password } = clouds.chatelaine.auth;
  const logIn = async (secret: string, client: string) => {
    const answer = await fetch(`${server.url}/v3/auth/tokens`, {
      method: "POST",
      headers: { "x-forwarded-for": client },
      body: JSON.stringify(login(secret, { name: "admin", project: "admin" })),
    });
    await answer.arrayBuffer();
    return { status: answer.status, token: answer.headers.get("x-subject-token") ?? "" };
  };
  const proxyFound = async () =>
    (await diagnoseServer(config)).find(({ check }) => check === "proxy");
  const logged = () =>
    readFileSync(join(folder, "log"), "utf8")
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as Record<string, unknown>);
  return { server, config, password, logIn, proxyFound, logged };
}

describe("a proxy that the server trusts", () => {
  it("names the client to the limits, the log and the audit record alike", async (t) => {
    const { server, config, password, logIn, proxyFound, logged } = await start(t, "127.0.0.1");
    for (let i = 0; i < 10; i++)
      assert.equal((await logIn("wrong", "203.0.113.9, 192.0.2.7")).status, 401);
    assert.equal((await logIn(password, "192.0.2.7")).status, 429);
    const { status, token } = await logIn(password, "192.0.2.8");
    assert.equal(status, 201);
    const headers = { "x-auth-token": token, "x-forwarded-for": "2001:DB8::1" };
    const body = JSON.stringify({ name: "a secret" });
    const type = { "content-type": "application/json" };
    const made = await fetch(`${server.url}/v1/secrets`, {
      method: "POST",
      headers: { ...headers, ...type },
      body,
    });
    assert.equal(made.status, 201, await made.text());
    assert.equal((await proxyFound())?.state, "ok");
    await server.close();
    // The doctor asks the public address itself, from this host.
    const clients = logged().flatMap(({ client, path }) =>
      client === undefined || path === "/" ? [] : [client],
    );
    const tried = Array.from({ length: 11 }, () => "192.0.2.7");
    assert.deepEqual(clients, [...tried, "192.0.2.8", "2001:db8::1"]);
    const entries = (await runServerCommand(config, "audit list")) as readonly AuditEntry[];
    assert.deepEqual(
      entries.map(({ action, outcome, address, times }) => [action, outcome, address, times]),
      [
        ["identity:login:password", "ok", "192.0.2.8", undefined],
        ["secrets:post", "ok", "2001:db8::1", undefined],
        ["identity:login:password", "forbidden", "192.0.2.7", 10],
      ],
    );
  });
});

describe("a proxy that nobody told the server of", () => {
  it("is not believed, and doctor and the log say that there seems to be one", async (t) => {
    const { server, password, logIn, proxyFound, logged } = await start(t, "");
    assert.equal((await proxyFound())?.state, "ok");
    for (let i = 0; i < 10; i++) await logIn("wrong", `192.0.2.${i}`);
    assert.equal((await logIn(password, "192.0.2.99")).status, 429);
    const found = await proxyFound();
    assert.equal(found?.state, "warning");
    assert.match(String(found?.fix), /listen\.trustedProxies/);
    await server.close();
    const warnings = logged().filter(({ level }) => level === 40);
    assert.equal(warnings.length, 1);
    assert.match(String(warnings[0]?.["msg"]), /listen\.trustedProxies/);
    assert.ok(logged().every(({ client }) => client === undefined || client === "127.0.0.1"));
  });
});
