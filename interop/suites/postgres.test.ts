import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { stringify } from "yaml";
import { passwordToken } from "../barbican/keystone-admin.ts";
import { runTool } from "../host/run-tool.ts";
import { type Postgres, startPostgres } from "../postgres/postgres.ts";
import { KeyServerProcess, ServerFolder } from "../server/key-server.ts";
import { makeTenants } from "../server/tenants.ts";

const command = fileURLToPath(new URL("../../packages/cli/dist/main.js", import.meta.url));
const tests = fileURLToPath(new URL("../../packages/server/test/", import.meta.url));

describe("PostgreSQL under the key server", () => {
  let postgres: Postgres;
  before(async () => {
    postgres = await startPostgres();
  });
  after(() => postgres.stop());

  it("keeps the store's promises, the identity store's, and every behaviour of the server", async () => {
    const url = await postgres.createDatabase();
    const result = spawnSync(process.execPath, ["--test", `${tests}**/*.test.ts`], {
      encoding: "utf8",
      maxBuffer: 64 << 20,
      env: { ...withoutRunner(process.env), CHATELAINE_TEST_DATABASE: url },
    });
    assert.equal(result.status, 0, result.stdout.slice(-6_000));
    assert.match(result.stdout, /PostgreSQL keeps the store's promises/);
    const schemas = "select count(*) from pg_namespace where nspname like 'test\\_%'";
    assert.equal(postgres.sql(url, schemas).trim(), "0", "each test takes its schema along");
    await postgres.dropDatabase(url);
  });

  it("brings an empty database up to date once, with many nodes at it", async () => {
    const url = await postgres.createDatabase();
    const folder = new ServerFolder();
    const first = await KeyServerProcess.start(folder, { database: url });
    await first.stop();
    const fresh = await postgres.createDatabase();
    const nodes = await Promise.all(
      [1, 2, 3, 4].map(() => KeyServerProcess.start(folder, { database: fresh, ...keystone })),
    );
    const applied = "select count(*), count(distinct number) from migrations";
    const [rows, distinct] = postgres.sql(fresh, applied).trim().split("|");
    assert.equal(rows, distinct);
    assert.notEqual(rows, "0");
    for (const node of nodes) await node.stop();
    for (const used of [url, fresh]) await postgres.dropDatabase(used);
    folder.remove();
  });

  it("takes over a SQLite server with chatelaine server migrate-store: users, secrets and keys", async () => {
    const folder = new ServerFolder();
    const small = await KeyServerProcess.start(folder);
    const { alice } = await makeTenants(small.url, folder.adminPassword(), ["alice"]);
    const payload = "grown out of one file";
    const made = await fetch(`${small.url}/v1/secrets`, {
      method: "POST",
      headers: { "x-auth-token": await alice.token(), "content-type": "application/json" },
      body: JSON.stringify({ payload, payload_content_type: "text/plain" }),
    });
    const { secret_ref } = (await made.json()) as { readonly secret_ref: string };
    await small.stop();

    const url = await postgres.createDatabase();
    const config = join(folder.path, "large.yaml");
    writeFileSync(config, stringify({ dataDirectory: folder.path, database: url }), {
      mode: 0o600,
    });
    const migrate = () => {
      const args = ["server", "migrate-store", join(folder.path, "keys.db")];
      return runTool(process.execPath, [command, ...args, "--server-config", config]);
    };
    const report = JSON.parse(migrate()) as { readonly copied: Record<string, number> };
    assert.equal(report.copied["secrets"], 1);
    assert.throws(migrate, /not empty|already|filled/);

    const large = await KeyServerProcess.start(folder, { database: url });
    const login = { username: "alice", password: alice.environment["OS_PASSWORD"] ?? "" };
    const token = await passwordToken(`${large.url}/v3`, {
      ...login,
      projectName: "alice-project",
    });
    const read = await fetch(`${large.url}${new URL(secret_ref).pathname}/payload`, {
      headers: { "x-auth-token": token },
    });
    assert.equal(await read.text(), payload);
    await large.stop();
    await postgres.dropDatabase(url);
    folder.remove();
  });

  it("refuses a database that a newer version has changed", async () => {
    const url = await postgres.createDatabase();
    const folder = new ServerFolder();
    await (await KeyServerProcess.start(folder, { database: url })).stop();
    postgres.sql(url, "insert into migrations values (9999, 'later', 'x', 'x')");
    await assert.rejects(KeyServerProcess.start(folder, { database: url }), /migration 9999/);
    await postgres.dropDatabase(url);
    folder.remove();
  });
});

/** Nothing of it is asked in these tests: it saves the first user. */
const keystone = {
  identity: { mode: "keystone" },
  keystone: { authUrl: "http://127.0.0.1:9/v3", username: "nobody", password: "none" },
};

/** Node.js' test runner tells its children by a variable, and a runner within then reports to nobody. */
function withoutRunner(environment: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const { NODE_TEST_CONTEXT: _, ...rest } = environment;
  return rest;
}

describe("a database that goes away", () => {
  it("is 503 with Retry-After meanwhile, and is used again when it is back, with all that was acknowledged", async () => {
    // One of its own: nobody else's may be taken away.
    const directory = mkdtempSync(join(tmpdir(), "chatelaine-postgres-away-"));
    const postgres = await startPostgres({ directory, port: 15433 });
    const folder = new ServerFolder();
    const database = await postgres.createDatabase();
    const server = await KeyServerProcess.start(folder, { database });
    const { alice } = await makeTenants(server.url, folder.adminPassword(), ["alice"]);
    const token = await alice.token();
    const ask = (method: string, path: string, body?: object) =>
      fetch(`${server.url}${path}`, {
        method,
        headers: { "x-auth-token": token, "content-type": "application/json" },
        ...(body && { body: JSON.stringify(body) }),
        signal: AbortSignal.timeout(30_000),
      });
    const store = async (name: string) => {
      const answer = await ask("POST", "/v1/secrets", {
        name,
        payload: name,
        payload_content_type: "text/plain",
      });
      const json = (await answer.json()) as { readonly secret_ref?: string };
      return { status: answer.status, retryAfter: answer.headers.get("retry-after"), ...json };
    };
    try {
      const kept: string[] = [];
      for (const signal of ["SIGQUIT", "SIGINT"] as const) {
        // Requests are under way when it goes.
        const loaded = Promise.all(
          Array.from({ length: 40 }, async (_, n) => {
            const made = await store(`before-${signal}-${n}`);
            if (made.secret_ref !== undefined) kept.push(made.secret_ref);
            return made.status;
          }),
        );
        await postgres.halt(signal);
        assert.ok((await loaded).every((status) => status === 201 || status === 503));
        const away = await store("away");
        assert.deepEqual([away.status, away.retryAfter], [503, "1"]);
        assert.equal((await ask("GET", "/v1/secrets")).status, 503);
        assert.equal((await ask("GET", "/readiness")).status, 503);
        await postgres.resume();
        const back = await store(`after-${signal}`);
        assert.equal(back.status, 201);
        kept.push(back.secret_ref ?? "");
      }
      for (const ref of kept) {
        const answer = await ask("GET", `${new URL(ref).pathname}/payload`);
        assert.equal(answer.status, 200, ref);
      }
    } finally {
      await server.stop();
      await postgres.stop();
      folder.remove();
      rmSync(directory, { recursive: true, force: true });
    }
  });
});
