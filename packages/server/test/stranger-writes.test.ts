import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it, type TestContext } from "node:test";
import { KeystoneApi } from "../src/identity/builtin/keystone-api/keystone-api.ts";
import { createLogger } from "../src/observe/log.ts";
import { all, operation } from "../src/store/operation.ts";
import { operations } from "./support/api.ts";
import { login, startBuiltinHarness } from "./support/builtin-harness.ts";

const tables = [
  "secrets",
  "payloads",
  "secret_metadata",
  "secret_consumers",
  "containers",
  "container_secrets",
  "container_consumers",
  "orders",
  "project_quotas",
  "acl_users",
  "counts",
  "identity_users",
  "identity_projects",
  "identity_assignments",
  "identity_application_credentials",
  "identity_tokens",
  "audit",
];

/** Rows of each table. */
const countRows = operation(import.meta.url, "countRows", function* () {
  const counts: Record<string, number> = {};
  for (const table of tables) counts[table] = (yield* all(`SELECT 1 FROM ${table}`)).length;
  return counts;
});

const auditBytes = operation(import.meta.url, "auditBytes", function* () {
  const rows = yield* all<{ line: string }>("SELECT line FROM audit");
  return rows.reduce((sum, { line }) => sum + line.length, 0);
});

/** What a stranger may send to log in, the same thing never twice. */
function guess(number: number): object {
  const [secret, name] = [`guess-${number}`, `name-${number % 7}`];
  const identity = [
    { methods: ["token"], token: { id: `invented-${number}` } },
    { methods: ["application_credential"], application_credential: { id: secret, secret } },
    login(secret, { name }).auth.identity,
    login(secret).auth.identity,
  ];
  return { auth: { identity: identity[number % 4] } };
}

describe("1,000 requests of a stranger", () => {
  it("leave a few entries in the audit record, and nothing else that stays", async (t) => {
    const { ask, store, identity } = await startBuiltinHarness(t);
    const before = await store.read(countRows, null);
    const bytesBefore = await store.read(auditBytes, null);
    const began = performance.now();
    const routes = [
      ...operations.map(({ method, path }) => [method, path.replaceAll(/\{\w+\}/g, "x")] as const),
      ...KeystoneApi.routes.map(
        ({ method, path }) => [method, path.replaceAll(/:\w+/g, "x")] as const,
      ),
    ];
    for (let i = 0; i < 1_000; i++) {
      const [method, path] = routes[i % routes.length] ?? ["GET", "/"];
      const token = i % 3 === 0 ? null : `invented-${i}`;
      const body = { name: `stranger-${i}`, payload: "x", payload_content_type: "text/plain" };
      const { status } = await ask(method, path, { token, ...(method !== "GET" && { body }) });
      assert.ok(status !== 201 && status < 500, `${method} ${path}: ${status}`);
      await ask("POST", "/v3/auth/tokens", { token: null, body: guess(i) });
    }
    await identity.close();
    const after = await store.read(countRows, null);
    const { audit: entries = 0, ...rows } = after;
    const { audit: entriesBefore = 0, ...rowsBefore } = before;
    assert.deepEqual(rows, rowsBefore);
    // However slow the machine is: the bound is one for each minute that it took.
    const most = 23 * Math.ceil((performance.now() - began) / 60_000);
    assert.ok(entries - entriesBefore <= most, `${entries - entriesBefore} entries`);
    const bytes = (await store.read(auditBytes, null)) - bytesBefore;
    assert.ok(bytes <= most * 400, `${bytes} bytes`);
  });

  it("leave a line each in the log, none of which is as long as they like", async (t) => {
    const folder = mkdtempSync(join(tmpdir(), "chatelaine-log-"));
    t.after(() => rmSync(folder, { recursive: true, force: true }));
    const file = join(folder, "log");
    const log = createLogger({ level: "info", file });
    const ask = await listening(t, log);
    const headers = {
      "user-agent": "u".repeat(15_000),
      "x-request-id": "i".repeat(1_000),
      "x-openstack-request-id": "i".repeat(1_000),
    };
    for (let i = 0; i < 1_000; i++) {
      const path = "p".repeat([2_000, 15_000][i % 2] ?? 0);
      await ask(["GET", "PROPFIND", "POST"][i % 3] ?? "GET", `/${path}`, headers);
    }
    await log.flush();
    const lines = readFileSync(file, "utf8").trim().split("\n");
    assert.equal(lines.length, 1_000);
    for (const line of lines) assert.ok(line.length < 1_024, line);
    assert.ok(
      lines.some((line) => line.includes("(2001 characters)")),
      "the length is said",
    );
  });

  it("make no more series of metrics than there are methods, routes and statuses", async (t) => {
    const { ask } = await startBuiltinHarness(t);
    const methods = ["GET", "PROPFIND", "MKCOL", "COPY", "LOCK", "SEARCH", "TRACE", "OPTIONS"];
    for (let i = 0; i < 1_000; i++)
      await ask(methods[i % methods.length] ?? "GET", `/${i}`, { token: null });
    const { text } = await ask("GET", "/metrics", { token: null });
    const series = text
      .split("\n")
      .filter((line) => line.startsWith("chatelaine_http_request_seconds_count"));
    assert.ok(series.length <= 4, series.join("\n"));
  });
});

async function listening(t: TestContext, log: ReturnType<typeof createLogger>) {
  const { server } = await startBuiltinHarness(t, { log });
  const url = await server.app.listen({ host: "127.0.0.1", port: 0 });
  return (method: string, path: string, headers: Record<string, string>) =>
    new Promise<number>((resolve, reject) => {
      const sent = request(`${url}${path}`, { method, headers }, (answer) => {
        answer.resume().on("end", () => resolve(answer.statusCode ?? 0));
      });
      sent.on("error", reject).end();
    });
}
