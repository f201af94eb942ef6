import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ServerError } from "../src/model/server-error.ts";
import { PostgresStore } from "../src/store/postgres/postgres-store.ts";
import { RecordQueue } from "../src/store/postgres/record-queue.ts";
import { StatementTexts, toPostgres } from "../src/store/postgres/statement-text.ts";

const now = "2026-01-01T00:00:00.000000";

// What needs no database. The store's promises, and the server's tests, run on a real one in the interop suite `postgres`.
describe("the PostgreSQL store", () => {
  it("says that nothing answers at an address", async () => {
    await assert.rejects(
      PostgresStore.open({ url: "postgres://x:hidden@127.0.0.1:1/x", now }),
      (error) =>
        error instanceof ServerError &&
        error.code === "unavailable" &&
        !error.message.includes("hidden"),
    );
  });

  it("refuses what is no URL of PostgreSQL, without showing it", async () => {
    for (const url of ["", "mysql://u:hidden@h/d", "postgres//u:hidden@h/d"])
      await assert.rejects(
        PostgresStore.open({ url, now }),
        (error) => error instanceof TypeError && !error.message.includes("hidden"),
      );
    await assert.rejects(
      PostgresStore.open({ url: "postgres://127.0.0.1/x", now, connections: 0 }),
      /connections must be a whole number/,
    );
  });

  it("numbers arguments, and reads what is for PostgreSQL only", () => {
    assert.equal(
      toPostgres("SELECT a FROM t WHERE b = ? AND c > ? LIMIT 1 /*pg FOR UPDATE SKIP LOCKED */"),
      "SELECT a FROM t WHERE b = $1 AND c > $2 LIMIT 1 FOR UPDATE SKIP LOCKED ",
    );
  });

  it("waits for every statement but those that can only change one row", () => {
    const texts = new StatementTexts();
    for (const [sql, expected] of [
      ["INSERT INTO t (a, b) VALUES (?, ?)", true],
      ["INSERT INTO t (a) VALUES (?) ON CONFLICT (a) DO UPDATE SET a = excluded.a", true],
      ["INSERT INTO t (a) VALUES (?) ON CONFLICT DO NOTHING", false],
      ["INSERT INTO t (a) VALUES (?) ON CONFLICT (a) DO UPDATE SET a = 1 WHERE t.a > 1", false],
      ["INSERT INTO t (a) VALUES (?) RETURNING a", false],
      ["INSERT INTO t (a) VALUES (?), (?)", false],
      ["INSERT INTO t (a) SELECT a FROM u", false],
      ["UPDATE t SET a = ?", false],
      ["DELETE FROM t", false],
      ["SELECT 1", false],
    ] as const)
      assert.equal(texts.of(sql).changesOne, expected, sql);
  });

  it("writes lines that come meanwhile together, in order, and fails only those of a failed write", async () => {
    const written: (readonly string[])[] = [];
    const queue = new RecordQueue(async (lines) => {
      written.push(lines);
      if (lines.includes("bad")) throw new Error("refused");
    });
    const first = [queue.add(["a"]), queue.add(["bad"]), queue.add(["b", "c"])];
    const outcomes = await Promise.allSettled(first);
    assert.ok(outcomes.every(({ status }) => status === "rejected"));
    await queue.add(["d"]);
    assert.deepEqual(written, [["a", "bad", "b", "c"], ["d"]]);
  });
});
