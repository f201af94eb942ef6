import { randomBytes } from "node:crypto";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { Client } from "pg";
import { rootKey, rootKeyRing } from "../../src/crypto/root-key/ring.ts";
import { admitRootKeys } from "../../src/keyring/system-keys.ts";
import { systemClock } from "../../src/model/clock.ts";
import { openRowTags } from "../../src/row-tagging/open-row-tags.ts";
import { PostgresStore } from "../../src/store/postgres/postgres-store.ts";
import { SqliteStore } from "../../src/store/sqlite/sqlite-store.ts";
import type { Store } from "../../src/store/store.ts";

/** What every test's server has, unless it is about root keys. */
export const testRootKeys = rootKeyRing([rootKey(1, Buffer.alloc(32, 7))]);

const now = "2026-01-01T00:00:00.000000";

/** A `postgres://` URL: the same tests then run on PostgreSQL, each in a schema of its own. */
const database = process.env["CHATELAINE_TEST_DATABASE"];

/** What the tests run on. */
export const storeKind = database === undefined ? "SQLite" : "PostgreSQL";

/** An empty store that knows the key of its rows' tags. Whoever opens it closes it. @param folder where SQLite's file goes */
export async function openTestStore(
  t: TestContext,
  folder: string,
  rootKeys = testRootKeys,
): Promise<Store> {
  const store = await openEmptyStore(t, folder);
  await admitRootKeys(store, rootKeys, systemClock());
  await openRowTags(store, rootKeys, systemClock());
  return store;
}

async function openEmptyStore(t: TestContext, folder: string): Promise<Store> {
  if (database === undefined) return SqliteStore.open({ path: join(folder, "keys.db"), now });
  return PostgresStore.open({ url: await emptyDatabase(t), now, connections: 6 });
}

/** Why there is no {@link emptyDatabase}; false if there is. */
export const noPostgres =
  database === undefined && "runs on PostgreSQL: set CHATELAINE_TEST_DATABASE";

/** The URL of an empty place in PostgreSQL, gone after the test. */
export async function emptyDatabase(t: TestContext): Promise<string> {
  const url = database ?? "";
  const schema = `test_${randomBytes(8).toString("hex")}`;
  await execute(url, `CREATE SCHEMA ${schema}`);
  t.after(() => execute(url, `DROP SCHEMA ${schema} CASCADE`));
  const inSchema = new URL(url);
  inSchema.searchParams.set("options", `-c search_path=${schema}`);
  return inSchema.href;
}

async function execute(url: string, sql: string): Promise<void> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    await client.query(sql);
  } finally {
    await client.end();
  }
}
