import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { RootKeyFile } from "../src/crypto/root-key/slots.ts";
import { migrateStore } from "../src/maintenance/migrate-store/copy-store.ts";
import { restoreBackup } from "../src/maintenance/restore-backup.ts";
import { runServerCommand } from "../src/maintenance/run-command.ts";
import { startServer } from "../src/startup/start-server.ts";
import { pendingMigrations, readMigrations } from "../src/store/migrations.ts";
import { operation } from "../src/store/operation.ts";
import { SqliteStore } from "../src/store/sqlite/sqlite-store.ts";
import { taggedTableNames } from "../src/store/tagged-tables.ts";
import {
  assertAnswersAsBefore,
  old,
  oldConfig,
  oldDataDirectory,
  send,
  startOnOld,
} from "./support/old-server.ts";
import { emptyDatabase, noPostgres } from "./support/test-store.ts";

const alice = { who: "alice" };

function database(folder: string, sql: string): void {
  const opened = new DatabaseSync(join(folder, "keys.db"));
  opened.exec(sql);
  opened.close();
}

/** What a writer of the database would do to have rows of his own taken for old ones. */
const removeEveryTrace = `
  DELETE FROM system_keys WHERE name LIKE 'row tags%';
  ${taggedTableNames
    .filter((table) => table !== "secrets" && table !== "containers")
    .map((table) => `UPDATE ${table} SET tag = NULL;`)
    .join("\n")}
  UPDATE identity_users SET enabled = 1;`;

/** What a version before the tags would find to do. */
export const pendingForOlder = operation(import.meta.url, "pendingForOlder", function* () {
  const known = readMigrations("sqlite").filter(({ number }) => number === 1 || number === 101);
  return (yield* pendingMigrations(known)).length;
});

describe("a database that 2da0dde wrote", () => {
  it("is tagged at the first start, and everything in it reads as before", async (t) => {
    const folder = oldDataDirectory(t);
    const server = await startOnOld(t, oldConfig(folder));
    await assertAnswersAsBefore(server);
    for (let tries = 0; ; tries++) {
      const order = await send(server, "GET", old.waiting, alice);
      if (order.bytes.toString().includes('"ACTIVE"')) break;
      assert.ok(tries < 100_000, order.bytes.toString());
      await new Promise((resolve) => setImmediate(resolve));
    }
    const id = old.deleted.slice(old.deleted.lastIndexOf("/") + 1);
    assert.equal((await send(server, "GET", old.deleted, alice)).status, 404);
    await runServerCommand(oldConfig(folder), "restore-secret", [id]);
    assert.equal((await send(server, "GET", old.deleted, alice)).status, 200);
    await server.close();
    assert.match(readFileSync(join(folder, "log"), "utf8"), /"tagged":\d+/);
    assert.equal((await new RootKeyFile(join(folder, "root-key")).open())?.rowsTagged, true);
    await assertAnswersAsBefore(await startOnOld(t, oldConfig(folder)));
  });

  for (const table of ["project_quotas", "secrets", "containers", "identity_tokens"])
    it(`is tagged to the end by the next start if the first is killed at ${table}`, async (t) => {
      const folder = oldDataDirectory(t);
      const script = fileURLToPath(new URL("support/tag-and-die.ts", import.meta.url));
      const killed = spawnSync(process.execPath, [script, folder, table], { encoding: "utf8" });
      assert.equal(killed.signal, "SIGKILL", killed.stderr);
      await assertAnswersAsBefore(await startOnOld(t, oldConfig(folder)));
    });

  it("is not tagged a second time: rows of the database's writer are not taken for old ones", async (t) => {
    const folder = oldDataDirectory(t);
    await (await startOnOld(t, oldConfig(folder))).close();
    database(folder, removeEveryTrace);
    await assert.rejects(startServer(oldConfig(folder)), /row tags: .*tag-rows/);
    await assert.rejects(runServerCommand(oldConfig(folder), "user list"), /row tags/);
  });

  it("does not let what was changed before the upgrade pass", async (t) => {
    const folder = oldDataDirectory(t);
    const path = old.answers.find((one) => one.path.startsWith("/v1/secrets/"))?.path ?? "";
    const id = path.slice(path.lastIndexOf("/") + 1);
    database(folder, `UPDATE secrets SET creator_id = 'mallory' WHERE id = '${id}'`);
    const server = await startOnOld(t, oldConfig(folder));
    assert.equal((await send(server, "GET", path, alice)).status, 500);
    await server.close();
    assert.match(readFileSync(join(folder, "log"), "utf8"), new RegExp(`"row":"secrets ${id}"`));
  });

  it("is not opened by an older version once it is upgraded", async (t) => {
    const folder = oldDataDirectory(t);
    await (await startOnOld(t, oldConfig(folder))).close();
    const store = await SqliteStore.open({ path: join(folder, "keys.db"), now: "2026" });
    t.after(() => store.close());
    await assert.rejects(store.read(pendingForOlder, null), /start the newer server/);
  });

  it("is restored from its backup, by the command if the root key has tagged rows before", async (t) => {
    const folder = oldDataDirectory(t);
    const config = oldConfig(folder);
    await restoreBackup(config, join(folder, "backup.db"));
    const server = await startOnOld(t, config);
    await assertAnswersAsBefore(server);
    await server.close();
    await restoreBackup(config, join(folder, "backup.db"));
    await assert.rejects(startServer(config), /tag-rows/);
    const report = (await runServerCommand(config, "tag-rows")) as { readonly tagged: number };
    assert.ok(report.tagged > 30);
    await assertAnswersAsBefore(await startOnOld(t, config));
  });

  it("is tagged by the command alone where the root key is given as a value", async (t) => {
    const folder = oldDataDirectory(t);
    const [, key = ""] = readFileSync(join(folder, "root-key"), "utf8").split(/1 |\n/).slice(1);
    const config = oldConfig(folder, { "--root-key-value": key });
    await assert.rejects(startServer(config), /tag-rows/);
    await runServerCommand(config, "tag-rows");
    await assertAnswersAsBefore(await startOnOld(t, config));
  });
});

describe("a database that 2da0dde wrote, in PostgreSQL", { skip: noPostgres }, () => {
  it("is tagged by the command, and everything in it reads as before", async (t) => {
    const folder = oldDataDirectory(t);
    const to = await emptyDatabase(t);
    // Without root keys the rows are copied as they are.
    await migrateStore({ from: join(folder, "keys.db"), to });
    const config = oldConfig(folder, { "--database": to });
    await assert.rejects(startServer(config), /tag-rows/);
    await runServerCommand(config, "tag-rows");
    await assertAnswersAsBefore(await startOnOld(t, config));
  });

  it("is tagged while it is moved there from SQLite", async (t) => {
    const folder = oldDataDirectory(t);
    const to = await emptyDatabase(t);
    const rootKeys = await new RootKeyFile(join(folder, "root-key")).open();
    assert.ok(rootKeys);
    const from = join(folder, "keys.db");
    const result = await migrateStore({ from, to, rootKeys, untaggedRows: "tag" });
    assert.deepEqual(result.damaged, []);
    await assertAnswersAsBefore(await startOnOld(t, oldConfig(folder, { "--database": to })));
  });
});
