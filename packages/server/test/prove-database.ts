/**
 * `npm run prove -- database [--short]`: changes, swaps, copies, deletes and puts back every column of every table, as
 * somebody who can write the database would, and asks the server for everything that may depend on it. What comes of each
 * must be "detected", or be documented, with a reason, in docs/database-tampering.md.
 *
 * On SQLite, and on PostgreSQL: the one of CHATELAINE_TEST_DATABASE, or one of its own (Debian, as root).
 */
import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { Client } from "pg";
import { rootKey, rootKeyRing } from "../src/crypto/root-key/ring.ts";
import { PostgresStore } from "../src/store/postgres/postgres-store.ts";
import { SqliteStore } from "../src/store/sqlite/sqlite-store.ts";
import { apply, type Change, changesOf, isFree, sameKey } from "./prove/changes.ts";
import { type Documented, lineOf, type Outcome, readDocumented } from "./prove/documented.ts";
import { rawPostgres, rawSqlite, type Table } from "./prove/raw-database.ts";
import type { Answer } from "./prove/requests.ts";
import { openScene, type Scene } from "./prove/scene.ts";

const short = process.argv.includes("--short");
/** Of each table, those with an older version first. */
const maxRows = short ? 1 : 4;
const now = "2026-01-01T00:00:00.000000";
const document = new URL("../../../docs/database-tampering.md", import.meta.url);

/** Tables that the server of this scene never writes, and the test that changes their rows. */
const elsewhere: Readonly<Record<string, string>> = {
  audit_upgrades: "packages/server/test/audit-upgrade.test.ts",
};

const documented = readDocumented(document);
const used = new Set<Documented>();
let failures = 0;

/** Prints at the end, because the other database is proved meanwhile. */
async function prove(name: string, scene: Scene): Promise<void> {
  const lines = [`\n${name}`];
  const began = performance.now();
  let changes = 0;
  for (const table of scene.tables) {
    const rows = await scene.rows(table);
    if (rows.length === 0) {
      const test = elsewhere[table.name];
      if (test === undefined) fail(`${table.name}: the scene has no row of it`);
      else lines.push(`${table.name}: see ${test}`);
      continue;
    }
    const older = scene.older.get(table.name) ?? [];
    const before = await scene.observe(table.name);
    const seen = new Map<string, Set<string>>();
    for (const change of changesOf({ table, rows, older }, maxRows)) {
      const outcome = await outcomeOf(scene, table, change, before);
      changes++;
      judge(change, outcome.outcome, outcome.why);
      const key = `${change.column}\t${change.kind}`;
      seen.set(key, (seen.get(key) ?? new Set()).add(outcome.outcome));
    }
    lines.push(...printed(table, seen));
    const after = await scene.observe(table.name);
    const [differing] = comparison(before, after);
    if (differing)
      fail(
        `${table.name}: after undoing every change, ${differing.probe} is another: ${differing.said}`,
      );
  }
  lines.push(`${name}: ${changes} changes, ${Math.round((performance.now() - began) / 1000)} s`);
  console.log(lines.join("\n"));
}

/** Makes one change, asks, and undoes it. */
async function outcomeOf(
  scene: Scene,
  table: Table,
  { removed, added }: Change,
  before: ReadonlyMap<string, Answer>,
): Promise<{ readonly outcome: Outcome; readonly why: string }> {
  const raw = scene.raw;
  for (const row of added)
    if (!removed.some((one) => sameKey(table, one, row)) && !(await isFree(raw, table, row)))
      return { outcome: "impossible", why: "there is such a row" };
  const counts = await raw.query("SELECT * FROM counts");
  try {
    await apply(raw, table, removed, added);
  } catch (error) {
    return { outcome: "impossible", why: String(error) };
  }
  try {
    const found = comparison(before, await scene.observe(table.name));
    for (const outcome of ["wrong", "detected", "hidden"] as const) {
      const probe = found.find((one) => one.outcome === outcome);
      if (probe) return { outcome, why: `${probe.probe}: ${probe.said}` };
    }
    return { outcome: "no effect", why: "every answer is the same" };
  } finally {
    await apply(raw, table, [...added, ...removed], removed);
    // On PostgreSQL what was stored meanwhile may have been counted in other rows.
    const counted = scene.tables.find(({ name }) => name === "counts") ?? table;
    await apply(raw, counted, await raw.query("SELECT * FROM counts"), counts);
  }
}

interface Difference {
  readonly probe: string;
  readonly outcome: Outcome;
  readonly said: string;
}

function comparison(
  before: ReadonlyMap<string, Answer>,
  after: ReadonlyMap<string, Answer>,
): readonly Difference[] {
  const found: Difference[] = [];
  for (const [probe, answer] of before) {
    const later = after.get(probe) ?? { status: 0, body: "" };
    if (isDeepStrictEqual(answer, later)) continue;
    const said = `${later.status} ${JSON.stringify(later.body)?.slice(0, 300)}`;
    found.push({ probe, said, outcome: differenceOf(answer, later) });
  }
  return found;
}

function differenceOf(before: Answer, after: Answer): Outcome {
  if (after.status >= 500) return "detected";
  if (after.status >= 400) return "hidden";
  return before.status < 300 && isShorter(before.body, after.body) ? "hidden" : "wrong";
}

/** What follows from the lists of an answer. */
const derived = new Set(["total", "next", "previous"]);

/** True if an answer lacks members of lists, and has nothing else. */
function isShorter(before: unknown, after: unknown): boolean {
  if (isDeepStrictEqual(without(before), without(after))) return false;
  return isPart(before, after);
}

function isPart(before: unknown, after: unknown): boolean {
  if (Array.isArray(before) && Array.isArray(after))
    return after.every((item) => before.some((one) => isPart(one, item)));
  if (typeof before !== "object" || typeof after !== "object" || !before || !after)
    return isDeepStrictEqual(before, after);
  const [was, is] = [new Map(Object.entries(before)), new Map(Object.entries(after))];
  return [...is].every(
    ([name, value]) => derived.has(name) || (was.has(name) && isPart(was.get(name), value)),
  );
}

function without(body: unknown): unknown {
  if (typeof body !== "object" || body === null) return body;
  return Object.fromEntries(Object.entries(body).filter(([name]) => !derived.has(name)));
}

function judge(change: Change, outcome: Outcome, why: string): void {
  const line = lineOf(documented, change, outcome);
  if (line) used.add(line);
  else if (outcome !== "detected" && outcome !== "impossible")
    fail(`${change.table} ${change.column} ${change.kind}: ${outcome}, and not documented: ${why}`);
}

function printed(
  { name }: Table,
  seen: ReadonlyMap<string, ReadonlySet<string>>,
): readonly string[] {
  return [...seen].map(([key, found]) => {
    const [column = "", kind = ""] = key.split("\t");
    return `${name.padEnd(34)} ${column.padEnd(26)} ${kind.padEnd(8)} ${[...found].join(", ")}`;
  });
}

function fail(message: string): void {
  failures++;
  console.log(`FAILED ${message}`);
}

const rootKeys = rootKeyRing([rootKey(1, randomBytes(32))]);

async function onSqlite(): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "chatelaine-prove-"));
  try {
    const path = join(folder, "keys.db");
    const store = await SqliteStore.open({ path, now });
    const scene = await openScene(store, rootKeys, rawSqlite(path));
    try {
      await prove("SQLite", scene);
    } finally {
      await scene.close();
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function onPostgres(url: string): Promise<void> {
  const schema = `prove_${randomBytes(8).toString("hex")}`;
  const admin = new Client({ connectionString: url });
  await admin.connect();
  try {
    await admin.query(`CREATE SCHEMA ${schema}`);
    const inSchema = new URL(url);
    inSchema.searchParams.set("options", `-c search_path=${schema}`);
    const store = await PostgresStore.open({ url: inSchema.href, now, connections: 4 });
    const scene = await openScene(store, rootKeys, await rawPostgres(inSchema.href));
    try {
      await prove("PostgreSQL", scene);
    } finally {
      await scene.close();
    }
  } finally {
    await admin.query(`DROP SCHEMA IF EXISTS ${schema} CASCADE`);
    await admin.end();
  }
}

const given = process.env["CHATELAINE_TEST_DATABASE"] ?? "";
await Promise.all([onSqlite(), given === "" ? onOwnPostgres() : onPostgres(given)]);

/** The interop suites' own, which is outside this project. */
async function onOwnPostgres(): Promise<void> {
  const { href } = new URL("../../../interop/postgres/postgres.ts", import.meta.url);
  const { startPostgres } = (await import(href)) as {
    readonly startPostgres: () => Promise<{
      createDatabase(): Promise<string>;
      dropDatabase(url: string): Promise<void>;
      stop(): Promise<void>;
    }>;
  };
  const postgres = await startPostgres();
  const url = await postgres.createDatabase();
  try {
    await onPostgres(url);
  } finally {
    await postgres.dropDatabase(url);
    await postgres.stop();
  }
}

for (const line of documented)
  if (!short && !used.has(line))
    fail(
      `${document.pathname}: ${line.table} ${line.columns.join(", ")}: no change had this outcome`,
    );
console.log(failures === 0 ? "\nproved" : `\n${failures} failures`);
process.exitCode = failures === 0 ? 0 : 1;
