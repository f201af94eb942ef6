import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import {
  copyFileSync,
  existsSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { describe, it, type TestContext } from "node:test";
import { AuditTrail } from "../src/audit/audit-trail.ts";
import { loadServerConfig, type ServerConfig } from "../src/config/config.ts";
import { RootKeyError } from "../src/crypto/root-key/root-key-error.ts";
import { RootKeyFile } from "../src/crypto/root-key/slots.ts";
import { restoreBackup } from "../src/maintenance/restore-backup.ts";
import { rotateProjectKeys } from "../src/maintenance/rotate-project-keys.ts";
import { runServerCommand } from "../src/maintenance/run-command.ts";
import type { AuditReport } from "../src/maintenance/verify-audit.ts";
import type { AuditEntry } from "../src/model/audit-entry.ts";
import { systemClock } from "../src/model/clock.ts";
import { createContext } from "../src/parts/create-context.ts";
import { RulePolicy } from "../src/policy/rule-policy.ts";
import { Retention } from "../src/services/retention.ts";
import { startServer } from "../src/startup/start-server.ts";
import { findProjectKeys } from "../src/store/operations/keys.ts";
import { SqliteStore } from "../src/store/sqlite/sqlite-store.ts";
import type { Store } from "../src/store/store.ts";
import { idOf, startHarness, temporaryFolder, testRootKeys } from "./support/harness.ts";
import { tamper } from "./support/tamper.ts";

function configOf(folder: string, more: Readonly<Record<string, string>> = {}): ServerConfig {
  const flags = { "--listen-port": "0", "--data-directory": folder, "--log-level": "silent" };
  return loadServerConfig({ environment: {}, flags: { ...flags, ...more } });
}

/** A whole server with built-in identity, and requests to it as its first user. */
async function start(t: TestContext, folder: string, config = configOf(folder)) {
  const server = await startServer(config);
  t.after(() => server.close());
  const { parse } = await import("yaml");
  const clouds = parse(readFileSync(join(folder, "clouds.yaml"), "utf8")) as {
    clouds: { chatelaine: { auth: { username: string; password: string; project_name: string } } };
  };
  const { username, password, project_name: project } = clouds.clouds.chatelaine.auth;
  const domain = { id: "default" };
  const login = await fetch(`${server.url}/v3/auth/tokens`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({
      auth: {
        identity: {
          methods: ["password"],
          password: { user: { name: username, domain, password } },
        },
        scope: { project: { name: project, domain } },
      },
    }),
  });
  assert.equal(login.status, 201);
  const token = login.headers.get("x-subject-token") ?? "";
  const { token: granted } = (await login.json()) as { token: { project: { id: string } } };
  const ask = (method: string, path: string, body?: object) =>
    fetch(server.url + path, {
      method,
      headers: { "x-auth-token": token, ...(body && { "content-type": "application/json" }) },
      ...(body && { body: JSON.stringify(body) }),
    });
  const store = async (payload: string) => {
    const answer = await ask("POST", "/v1/secrets", {
      payload,
      payload_content_type: "text/plain",
    });
    return idOf(((await answer.json()) as { secret_ref: string }).secret_ref);
  };
  const payload = async (id: string) => (await ask("GET", `/v1/secrets/${id}/payload`)).text();
  return { server, ask, store, payload, projectId: granted.project.id };
}

describe("a running server's administrator", () => {
  it("rotates keys under load, and every payload still opens, then and after a restart", async (t) => {
    const folder = temporaryFolder(t);
    const first = await start(t, folder);
    const ids = await Promise.all(
      Array.from({ length: 120 }, (_, n) => first.store(`payload ${n}`)),
    );
    const config = configOf(folder);
    const rotation = new AbortController();
    const later: string[] = [];
    const load = (async () => {
      while (!rotation.signal.aborted) {
        later.push(await first.store(`later ${later.length}`));
        assert.equal(
          await first.payload(ids[later.length % ids.length] ?? ""),
          `payload ${later.length % ids.length}`,
        );
      }
    })();
    const before = (await new RootKeyFile(join(folder, "root-key")).open())?.current.checkValue;
    const rotated = await runServerCommand(config, "rotate project-keys");
    assert.ok((rotated as { payloads: number }).payloads >= ids.length);
    assert.equal(
      ((await runServerCommand(config, "rotate root-key")) as { rootKeyId: number }).rootKeyId,
      2,
    );
    rotation.abort();
    await load;
    const ring = await new RootKeyFile(join(folder, "root-key")).open();
    assert.deepEqual([ring?.all.size, ring?.current.id], [1, 2]);
    assert.notDeepEqual(ring?.current.checkValue, before);
    await first.server.close();
    const second = await start(t, folder);
    for (const [n, id] of ids.entries()) assert.equal(await second.payload(id), `payload ${n}`);
    for (const [n, id] of later.entries()) assert.equal(await second.payload(id), `later ${n}`);
  });

  it("finishes a rotation of the root key that was cut short", async (t) => {
    const folder = temporaryFolder(t);
    const first = await start(t, folder);
    const id = await first.store("kept");
    await first.server.close();
    await new RootKeyFile(join(folder, "root-key")).rotate(); // and then the power went
    const second = await start(t, folder);
    assert.equal(await second.payload(id), "kept");
    await runServerCommand(configOf(folder), "rotate root-key");
    assert.deepEqual(
      [...((await new RootKeyFile(join(folder, "root-key")).open())?.all.keys() ?? [])],
      [2],
    );
    assert.equal(await second.payload(id), "kept");
  });

  it("finishes a rotation of the project keys that was cut short, and leaves no old key", async (t) => {
    const folder = temporaryFolder(t);
    const clock = systemClock();
    const store = await SqliteStore.open({ path: join(folder, "keys.db"), now: clock.timestamp() });
    t.after(() => store.close());
    const { ask, server } = await startHarness(t, { store });
    const made = await Promise.all(
      Array.from({ length: 120 }, (_, n) =>
        ask("POST", "/v1/secrets", {
          body: { payload: `payload ${n}`, payload_content_type: "text/plain" },
        }),
      ),
    );
    const keys = async () => (await store.read(findProjectKeys, { projectId: "p" })).length;
    // The power goes with the second batch.
    let batches = 0;
    const write = store.write.bind(store);
    const { mock } = t.mock.method(store, "write", (...asked: Parameters<Store["write"]>) => {
      if (asked[0].name === "replaceOlder" && ++batches === 2) throw new Error("the power went");
      return write(...asked);
    });
    await assert.rejects(() => rotateProjectKeys(server.context), /the power went/);
    mock.restore();
    assert.equal(await keys(), 2);
    const done = await rotateProjectKeys(server.context);
    assert.equal(done.payloads, 70);
    assert.equal(await keys(), 1);
    for (const [n, { json }] of made.entries()) {
      const path = `/v1/secrets/${idOf(json["secret_ref"])}/payload`;
      assert.equal((await ask("GET", path)).text, `payload ${n}`);
    }
  });

  it("backs up while it runs and is written to, and restores with the same root key only", async (t) => {
    const folder = temporaryFolder(t);
    const config = configOf(folder);
    const first = await start(t, folder);
    const id = await first.store("in the backup");
    const backup = join(folder, "backup.db");
    const meanwhile = Promise.all(Array.from({ length: 50 }, (_, n) => first.store(`more ${n}`)));
    await runServerCommand(config, "backup", [backup]);
    await meanwhile;
    assert.equal(statSync(backup).mode & 0o777, 0o600);
    await assert.rejects(runServerCommand(config, "backup", [backup]), /it exists/);
    await first.ask("DELETE", `/v1/secrets/${id}`);
    await assert.rejects(restoreBackup(config, backup), /another process/);
    await first.server.close();
    await restoreBackup(config, backup);
    assert.ok(existsSync(join(folder, "keys.db.before-restore")));
    const second = await start(t, folder);
    assert.equal(await second.payload(id), "in the backup");
    for (const [n, other] of (await meanwhile).entries()) {
      const answer = await second.ask("GET", `/v1/secrets/${other}/payload`);
      if (answer.status === 404) continue;
      assert.deepEqual([answer.status, await answer.text()], [200, `more ${n}`]);
    }
    const report = (await runServerCommand(config, "audit verify")) as AuditReport;
    assert.deepEqual(report.broken, []);
    await second.server.close();
    const path = join(folder, "keys.db");
    const asItIs = () =>
      readdirSync(folder)
        .toSorted()
        .map((name) => [
          name,
          createHash("sha256")
            .update(readFileSync(join(folder, name)))
            .digest("hex"),
        ]);
    const before = asItIs();
    const unchanged = () => assert.deepEqual(asItIs(), before);
    const foreign = configOf(folder, { "--root-key-file": join(temporaryFolder(t), "other-key") });
    await new RootKeyFile(foreign.requiredText("rootKey.file")).create();
    await assert.rejects(restoreBackup(foreign, backup), RootKeyError);
    unchanged();
    const newer = join(temporaryFolder(t), "newer.db");
    copyFileSync(backup, newer);
    const future = new DatabaseSync(newer);
    future.exec("INSERT INTO migrations VALUES (9999, 'future', 'x', 'y')");
    future.close();
    await assert.rejects(restoreBackup(config, newer), /newer|does not know/);
    unchanged();
    // What is restored onto may be beyond repair: that is when one restores.
    writeFileSync(path, "y".repeat(50_000));
    await restoreBackup(config, backup);
    assert.equal(readFileSync(`${path}.before-restore`, "utf8"), "y".repeat(50_000));
    const third = await start(t, folder);
    assert.equal(await third.payload(id), "in the backup");
    await third.server.close();
    rmSync(path);
    await restoreBackup(config, backup);
    const fourth = await start(t, folder);
    assert.equal(await fourth.payload(id), "in the backup");
    await fourth.server.close();
    writeFileSync(join(folder, "rubbish"), "x".repeat(10_000));
    await assert.rejects(restoreBackup(config, join(folder, "rubbish")), { code: "integrity" });
    await assert.rejects(restoreBackup(config, join(folder, "none")), /no such file/);
  });

  it("reads the audit record", async (t) => {
    const folder = temporaryFolder(t);
    const config = configOf(folder);
    const { server, store, payload } = await start(t, folder);
    const id = await store("read me");
    await payload(id);
    const entries = (await runServerCommand(config, "audit list", ["10", id])) as AuditEntry[];
    assert.deepEqual(
      entries.map(({ action, outcome }) => [action, outcome]),
      [
        ["secrets:post", "ok"],
        ["secret:decrypt", "ok"],
      ],
    );
    const report = (await runServerCommand(config, "audit verify")) as AuditReport;
    assert.deepEqual([report.broken, report.missing], [[], []]);
    assert.ok(report.entries >= 2);
    await server.close();
  });

  for (const [what, broken, ...statements] of [
    ["was changed", 3, "UPDATE audit SET line = replace(line, 'ok', 'no') WHERE sequence = 3"],
    ["was taken out", 3, "DELETE FROM audit WHERE sequence = 3"],
    [
      "was taken out, the others moved up",
      3,
      "DELETE FROM audit WHERE sequence = 3",
      "UPDATE audit SET sequence = sequence + 1000000 WHERE sequence > 3",
      "UPDATE audit SET sequence = sequence - 1000001 WHERE sequence > 1000000",
    ],
    [
      "was slipped in",
      4,
      "UPDATE audit SET sequence = sequence + 1000001 WHERE sequence > 3",
      "UPDATE audit SET sequence = sequence - 1000000 WHERE sequence > 1000000",
      "INSERT INTO audit (chain, sequence, line, mac) SELECT chain, 4, line, mac FROM audit WHERE sequence = 3",
    ],
    [
      "was put in another's place",
      2,
      "UPDATE audit SET sequence = -2 WHERE sequence = 2",
      "UPDATE audit SET sequence = 2 WHERE sequence = 3",
      "UPDATE audit SET sequence = 3 WHERE sequence = -2",
    ],
    ["at the end was cut off", 0, "DELETE FROM audit WHERE sequence > 3"],
    ["of all was wiped away", 0, "DELETE FROM audit"],
  ] as const)
    it(`sees that an entry of the audit record ${what}`, async (t) => {
      const folder = temporaryFolder(t);
      const config = configOf(folder);
      const { server, store } = await start(t, folder);
      for (let n = 0; n < 5; n++) await store(`${n}`);
      const noted = (await runServerCommand(config, "audit verify")) as AuditReport;
      await server.close();
      const raw = await SqliteStore.open({ path: join(folder, "keys.db"), now: "x" });
      for (const sql of statements) await raw.write(tamper, { sql, args: [] });
      await raw.close();
      const report = JSON.stringify(noted);
      const after = (await runServerCommand(config, "audit verify", [report])) as AuditReport;
      const places = broken === 0 ? [] : [{ chain: "main", sequence: broken }];
      const found = after.broken.map(({ chain, sequence }) => ({ chain, sequence }));
      assert.deepEqual(found, places);
      const good = broken === 0 ? after.entries : broken - 1;
      assert.deepEqual(after.missing, [{ chain: "main", noted: noted.entries, found: good }]);
    });

  it("finds what was noted of the audit record in the longer one, and refuses what is no note", async (t) => {
    const folder = temporaryFolder(t);
    const config = configOf(folder);
    const { server, store } = await start(t, folder);
    const noted = JSON.stringify(await runServerCommand(config, "audit verify"));
    await store("more");
    await server.close();
    const after = (await runServerCommand(config, "audit verify", [noted])) as AuditReport;
    assert.deepEqual([after.broken, after.missing], [[], []]);
    for (const text of ["{", "null", "{}", '{"chains":[1]}', '{"chains":[{"chain":"main"}]}'])
      await assert.rejects(
        runServerCommand(config, "audit verify", [text]),
        /the noted file is not a report/,
        text,
      );
  });

  it("deletes a project with everything that is kept for it", async (t) => {
    const folder = temporaryFolder(t);
    const config = configOf(folder);
    const { server, ask, store, projectId } = await start(t, folder);
    const id = await store("of the project");
    await runServerCommand(config, "project delete", [projectId]);
    assert.equal((await ask("GET", `/v1/secrets/${id}/payload`)).status, 401);
    await assert.rejects(runServerCommand(config, "project delete", [projectId]), /find project/);
    const left = await server.server.context.store.read(findProjectKeys, { projectId });
    assert.deepEqual(left, []);
  });

  it("restores a deleted secret, and erases a project", async (t) => {
    const folder = temporaryFolder(t);
    const config = configOf(folder, { "--delete-retention-seconds": "60" });
    const { ask, store, payload, projectId } = await start(t, folder, config);
    const id = await store("back again");
    await ask("DELETE", `/v1/secrets/${id}`);
    assert.equal((await ask("GET", `/v1/secrets/${id}`)).status, 404);
    await runServerCommand(config, "restore-secret", [id]);
    assert.equal(await payload(id), "back again");
    await assert.rejects(runServerCommand(config, "restore-secret", [id]), /no deleted secret/);
    await assert.rejects(runServerCommand(config, "erase-project", ["x"]), /has no data/);
    assert.deepEqual(await runServerCommand(config, "erase-project", [projectId]), {
      projectId,
      secrets: 1,
      containers: 0,
      orders: 0,
    });
    assert.equal((await ask("GET", `/v1/secrets/${id}`)).status, 404);
    await assert.rejects(runServerCommand(config, "restore-secret", [id]), /no deleted secret/);
  });

  it("makes users, with and without a running server", async (t) => {
    const folder = temporaryFolder(t);
    const config = configOf(folder);
    await runServerCommand(config, "user create", ["bob", "correct horse"]);
    const { server } = await start(t, folder);
    const names = ((await runServerCommand(config, "user list")) as { name: string }[]).map(
      ({ name }) => name,
    );
    assert.deepEqual(names, ["admin", "bob"]);
    await assert.rejects(runServerCommand(config, "user create", ["bob", "x"]));
    await assert.rejects(runServerCommand(config, "constructor"), /unknown command/);
    assert.equal(statSync(join(folder, "control.sock")).mode & 0o777, 0o600);
    await server.close();
  });
});

describe("a deleted secret", () => {
  it("can be restored while its window is open, and is erased when it closes", async (t) => {
    let now = Date.parse("2030-01-01T00:00:00Z");
    const clock = systemClock(() => now);
    const { ask, store, server } = await startHarness(t, {
      clock,
      deleteRetentionSeconds: 60,
      defaultQuotas: { secrets: 1 },
    });
    const body = { name: "n", payload: "x", payload_content_type: "text/plain" };
    const id = idOf((await ask("POST", "/v1/secrets", { body })).json["secret_ref"]);
    const path = `/v1/secrets/${id}`;
    await ask("PUT", `${path}/metadata`, { body: { metadata: { k: "v" } } });
    const consumer = { service: "s", resource_type: "t", resource_id: "r" };
    await ask("POST", `${path}/consumers`, { body: consumer });
    assert.equal((await ask("DELETE", path)).status, 204);
    assert.equal((await ask("GET", path)).status, 404);
    assert.equal((await ask("GET", "/v1/secrets")).json["total"], 0);
    const { restoreSecret } = await import("../src/store/operations/retention.ts");
    const restoring = {
      id,
      defaultQuotas: { secrets: 1, consumers: 1 },
      now: clock.timestamp(),
    };
    await store.write(restoreSecret, restoring);
    assert.deepEqual((await ask("GET", `${path}/metadata`)).json, { metadata: { k: "v" } });
    assert.equal((await ask("GET", `${path}/payload`)).text, "x");
    assert.equal((await ask("POST", "/v1/secrets", { body })).status, 403);
    await ask("DELETE", path);
    const retention = new Retention(server.context);
    assert.equal(await retention.sweep(), 0);
    now += 61_000;
    assert.equal(await retention.sweep(), 1);
    assert.deepEqual(await store.write(restoreSecret, restoring), { refused: "not_found" });
  });
});

describe("an erased project", () => {
  it("leaves nothing, and nobody else's counts wrong", async (t) => {
    const folder = temporaryFolder(t);
    const clock = systemClock();
    const store = await SqliteStore.open({ path: join(folder, "keys.db"), now: clock.timestamp() });
    t.after(() => store.close());
    const { ask } = await startHarness(t, { store });
    const body = { payload: "x", payload_content_type: "text/plain" };
    const id = idOf((await ask("POST", "/v1/secrets", { body })).json["secret_ref"]);
    await ask("POST", "/v1/containers", { body: { type: "generic" } });
    await ask("POST", "/v1/secrets", { body, token: "o/other/member" });
    const { eraseProject } = await import("../src/store/operations/projects.ts");
    await store.write(eraseProject, { projectId: "p" });
    assert.equal((await ask("GET", `/v1/secrets/${id}`)).status, 404);
    assert.equal((await ask("GET", "/v1/secrets")).json["total"], 0);
    assert.equal((await ask("GET", "/v1/secrets", { token: "o/other/member" })).json["total"], 1);
    // The project's old key is still in this process' memory, and must not be used again.
    const again = idOf((await ask("POST", "/v1/secrets", { body })).json["secret_ref"]);
    const fresh = await createContext({
      store,
      rootKeys: testRootKeys,
      clock,
      policy: new RulePolicy(),
      audit: new AuditTrail({ store, clock }),
    });
    assert.ok((await fresh.keys.active("p")).generation > 1);
    assert.equal((await ask("GET", `/v1/secrets/${again}/payload`)).text, "x");
  });
});
