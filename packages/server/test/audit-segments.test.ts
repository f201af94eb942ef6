import assert from "node:assert/strict";
import { existsSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { describe, it, type TestContext } from "node:test";
import { Client } from "pg";
import { sealMac } from "../src/audit/chain/audit-keys.ts";
import type { SegmentInfo } from "../src/audit/list-segments.ts";
import { auditKeys } from "../src/audit/open-audit.ts";
import { type SegmentLimits, SegmentSealer } from "../src/audit/segment-sealer.ts";
import { systemClock } from "../src/model/clock.ts";
import { ServerError } from "../src/model/server-error.ts";
import type { Operation } from "../src/store/operation.ts";
import { PostgresStore } from "../src/store/postgres/postgres-store.ts";
import { SqliteStore } from "../src/store/sqlite/sqlite-store.ts";
import { type Store } from "../src/store/store.ts";
import { type AuditScene, auditScene, sceneOn } from "./support/audit-scene.ts";
import { temporaryFolder, testRootKeys } from "./support/harness.ts";
import { emptyDatabase, noPostgres, storeKind } from "./support/test-store.ts";

const large: SegmentLimits = { entries: 1_000, bytes: 1_000_000, seconds: 1_000 };

async function sealerOf(
  scene: AuditScene,
  limits: SegmentLimits,
  inMs = 0,
): Promise<SegmentSealer> {
  const clock = systemClock();
  return new SegmentSealer({
    store: scene.store,
    clock: { nowMs: () => clock.nowMs() + inMs, timestamp: () => clock.timestamp() },
    key: sealMac((await auditKeys(scene.store, testRootKeys)).current),
    limits,
  });
}

async function seal(scene: AuditScene, limits: Partial<SegmentLimits>, inMs = 0): Promise<number> {
  return (await sealerOf(scene, { ...large, ...limits }, inMs)).sealAll();
}

async function segments(scene: AuditScene): Promise<readonly SegmentInfo[]> {
  return (await scene.command("audit segments")) as readonly SegmentInfo[];
}

async function states(scene: AuditScene): Promise<readonly string[]> {
  return (await segments(scene)).map(({ state, entries }) => `${state} ${entries}`);
}

/** Everything of a report that is not as it should be. */
async function problems(scene: AuditScene, ...args: readonly string[]): Promise<object> {
  const { broken, missing, files, gaps, leftOver } = await scene.verify(...args);
  return { broken, missing, files, gaps, leftOver };
}

const none = { broken: [], missing: [], files: [], gaps: [], leftOver: [] };

describe(`the life of an audit record in ${storeKind}`, () => {
  it("is cut by number, by size and by age of entries", async (t) => {
    const scene = await auditScene(t);
    await scene.write(7);
    assert.equal(await seal(scene, {}), 0);
    assert.equal(await seal(scene, { entries: 3 }), 2);
    assert.deepEqual(await states(scene), ["sealed 3", "sealed 3", "open 1"]);
    assert.equal(await seal(scene, { bytes: 50 }), 1);
    await scene.write(2);
    assert.equal(await seal(scene, {}, 999_000), 0);
    assert.equal(await seal(scene, {}, 1_001_000), 1);
    assert.equal(await seal(scene, {}, 1_001_000), 0);
    assert.deepEqual(await states(scene), ["sealed 3", "sealed 3", "sealed 1", "sealed 2"]);
    assert.deepEqual(await problems(scene), none);
  });

  it("is exported once, verified, removed, and one record with its files", async (t) => {
    const scene = await auditScene(t);
    const first = join(scene.folder, "first.jsonl");
    const second = join(scene.folder, "second.jsonl");
    await scene.write(4);
    const early = JSON.stringify(await scene.verify());
    await scene.command("audit seal");
    const sealed = (await segments(scene)).filter(({ state }) => state === "sealed");
    const exported = await scene.command("audit export", first);
    assert.deepEqual(exported, { path: first, segments: sealed.length, entries: 4 });
    assert.equal(statSync(first).mode & 0o777, 0o600);
    await assert.rejects(scene.command("audit export", second), /no sealed segment to export/);
    await scene.write(4);
    const noted = JSON.stringify(await scene.verify());
    await scene.command("audit seal");
    await scene.command("audit export", second);
    await scene.write(2);
    const before = await scene.command("audit list");
    assert.equal((before as readonly unknown[]).length > 10, true);
    const removed = (await scene.command("audit remove")) as { readonly entries: number };
    assert.ok(removed.entries >= 8);
    assert.deepEqual(await scene.command("audit remove"), { segments: 0, entries: 0 });
    // The database alone, and with its files: one record, in which nothing that was noted is missing.
    assert.deepEqual(await problems(scene, noted), none);
    assert.deepEqual(await problems(scene, "", first, second), none);
    assert.deepEqual(await problems(scene, early, second, first), none);
    await scene.write(1);
    assert.deepEqual(await problems(scene, noted, first, second), none);
  });

  it("is sealed by several nodes at once, each part by one of them", async (t) => {
    const scene = await auditScene(t);
    await scene.write(9);
    const nodes = Array.from({ length: 4 }, () => seal(scene, { entries: 2 }));
    const sealed = (await Promise.all(nodes)).reduce((sum, count) => sum + count);
    await seal(scene, { entries: 2 });
    const parts = (await segments(scene)).filter(({ state }) => state === "sealed");
    assert.equal(parts.length >= sealed, true);
    assert.equal(
      parts.every(({ entries }) => entries === 2),
      true,
    );
    assert.deepEqual(await problems(scene), none);
  });

  it("is sealed little by little where there is much of it", async (t) => {
    const scene = await auditScene(t);
    await scene.write(7);
    const sealer = await sealerOf(scene, { ...large, entries: 2 });
    assert.equal(await sealer.sealAll({ maxEntries: 3 }), 2);
    assert.ok((await sealer.sealAll({ maxEntries: 1_000 })) >= 1);
    assert.equal(await sealer.sealAll(), 0);
    assert.deepEqual(await problems(scene), none);
  });

  it("does not hide that an archive is missing", async (t) => {
    const scene = await auditScene(t);
    const [first, second] = ["first", "second"].map((name) => join(scene.folder, name));
    for (const file of [first, second]) {
      await scene.write(3);
      await scene.command("audit seal");
      await scene.command("audit export", file ?? "");
    }
    await scene.command("audit remove");
    const { gaps } = await scene.verify("", second ?? "");
    assert.ok(gaps.length > 0);
    assert.equal(gaps[0]?.from, 1);
  });

  it("keeps what was never exported, unless it is forced, and then says so", async (t) => {
    const scene = await auditScene(t);
    await scene.write(3);
    const file = join(temporaryFolder(t), "file");
    // The time is at fault, also while nothing waits for an export.
    const early = scene.command("audit export", file, "2026-13-45", "");
    await assert.rejects(early, /2026-13-45 is not a UTC time/);
    await scene.command("audit seal");
    assert.deepEqual(await scene.command("audit remove"), { segments: 0, entries: 0 });
    const later = "2999-01-01";
    await assert.rejects(scene.command("audit remove", later), /was never exported/);
    await assert.rejects(scene.command("audit remove", "", "force"), /give a time/);
    await assert.rejects(scene.command("audit remove", "yesterday", ""), /is not a UTC time/);
    assert.deepEqual(await scene.command("audit remove", "2000-01-01"), {
      segments: 0,
      entries: 0,
    });
    await scene.command("audit remove", later, "force");
    const report = await scene.verify();
    assert.equal(
      report.discarded.reduce((sum, { from, to }) => sum + to - from + 1, 0),
      report.removed,
    );
    assert.deepEqual(report.broken, []);
    assert.ok((await states(scene)).some((state) => state.startsWith("discarded")));
  });

  it("does not export a record that is not authentic, and leaves no file", async (t) => {
    const scene = await auditScene(t);
    await scene.write(4);
    await scene.command("audit seal");
    await scene.attack(
      "UPDATE audit SET line = replace(line, 'decrypt', 'encrypt') WHERE sequence = 1",
    );
    const file = join(scene.folder, "archive.jsonl");
    await assert.rejects(scene.command("audit export", file), /not authentic; run audit verify/);
    assert.deepEqual(
      readdirSync(scene.folder).filter((name) => name.includes("archive")),
      [],
    );
  });

  it("writes no archive over a file, or to a relative path", async (t) => {
    const scene = await auditScene(t);
    await scene.write(1);
    await scene.command("audit seal");
    const file = join(scene.folder, "archive.jsonl");
    await scene.command("audit export", file);
    await assert.rejects(scene.command("audit export", file, "", "again"), /it exists/);
    await assert.rejects(scene.command("audit export", "a.jsonl"), /not an absolute path/);
    await assert.rejects(
      scene.command("audit export", join(scene.folder, "none", "a.jsonl"), "", "again"),
      /cannot be written: ENOENT/,
    );
  });

  it("does not show entries that were slipped in where others were removed", async (t) => {
    const scene = await auditScene(t);
    await scene.write(2);
    await scene.command("audit seal");
    await scene.command("audit export", join(scene.folder, "a"));
    const [row] = await scene.look<{ readonly chain: string; readonly line: string }>(
      "SELECT chain, line FROM audit WHERE sequence = 1",
    );
    await scene.command("audit remove");
    await scene.attack(
      `INSERT INTO audit SELECT chain, 1, '${row?.line.replaceAll("alice", "mallory") ?? ""}', head
       FROM audit_segments WHERE chain = '${row?.chain ?? ""}' AND number = 1`,
    );
    const listed = JSON.stringify(await scene.command("audit list"));
    assert.equal(listed.includes("mallory"), false);
    const { leftOver } = await scene.verify();
    assert.equal(leftOver.length, 1);
    await scene.command("audit remove");
    assert.deepEqual(await problems(scene), none);
  });

  it("reads few entries at a time, however many there are", async (t) => {
    const scene = await auditScene(t);
    const lines = Array.from(
      { length: 2_500 },
      (_, n) => `["2026-01-01","r","u","p","a",null,"${n}"]`,
    );
    await scene.store.record(lines.join("\n"));
    let most = 0;
    const counting = await sceneOn(
      watched(scene.store, (rows) => {
        most = Math.max(most, rows);
      }),
      scene.folder,
    );
    const report = await counting.verify();
    assert.equal(report.entries >= 2_500, true);
    await counting.command("audit seal");
    await counting.command("audit export", join(scene.folder, "a"));
    assert.equal(most, 500);
  });
});

/** Tells how many rows each read gives. */
function watched(store: Store, onRows: (rows: number) => void): Store {
  return new Proxy(store, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name);
      if (name !== "read") return typeof value === "function" ? value.bind(target) : value;
      return async <P, R>(operation: Operation<P, R>, parameters: P): Promise<R> => {
        const result = await target.read(operation, parameters);
        if (Array.isArray(result)) onRows(result.length);
        return result;
      };
    },
  });
}

/** A process that dies at its nth use of the database: nothing that comes later reaches it. */
function dying(store: Store, calls: number): Store {
  let left = calls;
  return new Proxy(store, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name);
      if (typeof value !== "function") return value;
      return (...args: readonly unknown[]) => {
        if (left-- > 0) return value.apply(target, args) as unknown;
        return Promise.reject(new ServerError("unavailable", "dead"));
      };
    },
  });
}

describe("an audit record whose export and removal is cut short anywhere", () => {
  it("loses no entry, and is finished by the next call", async (t: TestContext) => {
    for (let calls = 1; ; calls++) {
      const scene = await auditScene(t);
      await scene.write(3);
      await scene.command("audit seal");
      const chain = await scene.chain();
      const noted = JSON.stringify(await scene.verify());
      const file = join(scene.folder, "cut.jsonl");
      const rest = join(scene.folder, "rest.jsonl");
      let died = false;
      try {
        const mortal = await sceneOn(dying(scene.store, calls), scene.folder);
        await mortal.command("audit export", file);
        await mortal.command("audit remove");
      } catch (error) {
        assert.match(String(error), /dead/);
        died = true;
      }
      // What the file does not hold whole is in the database.
      const files = existsSync(file) ? [file] : [];
      const left = await scene.verify(noted, ...files);
      assert.deepEqual(
        [left.broken, left.missing, left.files, left.gaps],
        [[], [], [], []],
        `${calls}`,
      );
      assert.ok(left.chains.some((head) => head.chain === chain && head.entries >= 3));
      await scene.command("audit export", rest).catch((error: unknown) => {
        assert.match(String(error), /no sealed segment to export/);
      });
      await scene.command("audit remove");
      const archives = [file, rest].filter((each) => existsSync(each));
      assert.deepEqual(await problems(scene, noted, ...archives), none, `${calls}`);
      await scene.store.close();
      if (!died) {
        assert.ok(calls > 20);
        return;
      }
    }
  });
});

describe("an audit record in SQLite that was removed to its end", () => {
  it("goes on from its sealed head at the next start", async (t) => {
    const folder = temporaryFolder(t);
    const path = join(folder, "keys.db");
    const now = "2026-01-01T00:00:00.000000";
    const file = join(folder, "a.jsonl");
    let store = await SqliteStore.open({ path, now });
    const scene = await sceneOn(store, folder);
    await scene.write(3);
    await scene.command("audit seal");
    await scene.command("audit export", file);
    await scene.command("audit seal");
    await scene.command("audit remove", "2999-01-01", "force");
    await store.close();
    store = await SqliteStore.open({ path, now });
    t.after(() => store.close());
    const next = await sceneOn(store, folder);
    await next.write(2);
    assert.deepEqual(await problems(next, "", file), none);
  });
});

describe("an audit record in PostgreSQL", { skip: noPostgres }, () => {
  it("goes on in the same chain when a connection is replaced", async (t) => {
    const url = await emptyDatabase(t);
    const now = "2026-01-01T00:00:00.000000";
    const store = await PostgresStore.open({ url, now, connections: 1 });
    t.after(() => store.close());
    const scene = await sceneOn(store, temporaryFolder(t));
    await scene.write(2);
    const administrator = new Client({ connectionString: url });
    await administrator.connect();
    t.after(() => administrator.end());
    let lost = 0;
    for (let times = 0; times < 3; times++) {
      const [backend] = await scene.look<{ readonly pid: number }>(
        "SELECT pg_backend_pid() AS pid",
      );
      await administrator.query("SELECT pg_terminate_backend($1)", [backend?.pid]);
      // Whether the store has noticed yet is a matter of luck; if not, it ends this chain.
      await store.record('["2026-01-01","r","u","p","a",null,"ok"]').catch(() => lost++);
      await store.record('["2026-01-01","r","u","p","a",null,"ok"]');
    }
    const [row] = await scene.look<{ readonly n: number }>(
      "SELECT CAST(COUNT(DISTINCT chain) AS INTEGER) AS n FROM audit",
    );
    assert.ok((row?.n ?? 0) <= 1 + lost);
    assert.deepEqual(await problems(scene), none);
  });
});
