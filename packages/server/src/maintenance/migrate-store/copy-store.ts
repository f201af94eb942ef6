import { existsSync } from "node:fs";
import pg from "pg";
import { openAudit } from "../../audit/open-audit.ts";
import { checkRootKeys, type RootKeyRing } from "../../crypto/root-key/ring.ts";
import { ProjectKeys } from "../../keyring/project-keys.ts";
import { type Clock, systemClock } from "../../model/clock.ts";
import { ServerError } from "../../model/server-error.ts";
import { openRowTags, type RowTagsOptions } from "../../row-tagging/open-row-tags.ts";
import { listRootKeys } from "../../store/operations/keys.ts";
import { releaseClaims } from "../../store/operations/orders.ts";
import { poolConfig } from "../../store/postgres/postgres-options.ts";
import { PostgresStore } from "../../store/postgres/postgres-store.ts";
import { storeError } from "../../store/postgres/store-error.ts";
import { SqliteStore } from "../../store/sqlite/sqlite-store.ts";
import type { Store } from "../../store/store.ts";
import type { CopyProgress } from "./copy-progress.ts";
import { copyTables } from "./copy-tables.ts";
import { listSourceTables } from "./source-tables.ts";
import { type Verification, verifyObjects } from "./verify-objects.ts";

export interface MigrateStoreOptions {
  /** The SQLite file. No server may be running on it; it stays, brought up to date. */
  readonly from: string;
  /** `postgres://` URL of an empty database. */
  readonly to: string;
  /** Weakens security, see `PostgresStoreOptions`. Default false. */
  readonly insecureTransport?: boolean;
  /**
   * Those that the SQLite file was written with; the same go on with PostgreSQL.
   * Default: none, and then rows are compared, but no tag is checked and no payload opened.
   */
  readonly rootKeys?: RootKeyRing;
  /** As of `openRowTags`, for a SQLite file from before rows had tags. Default `refuse`. */
  readonly untaggedRows?: RowTagsOptions["untaggedRows"];
  /** Called after every few hundred rows. Default: nothing happens. */
  readonly onProgress?: (progress: CopyProgress) => void;
  readonly clock?: Clock;
}

export interface MigrateStoreResult extends Verification {
  /** Rows by table. */
  readonly tables: ReadonlyMap<string, number>;
}

/**
 * Copies a key server's whole database from SQLite to PostgreSQL: keys, secrets,
 * ACLs, consumers, containers, orders, quotas, identity, audit record.
 *
 * One transaction: whatever interrupts it, PostgreSQL is as empty as before, and
 * it can be run again. Before it commits, every row was read back and compared,
 * and every object's integrity tag checked and payload opened; what is damaged is
 * copied unchanged, and named in the result.
 *
 * @throws ServerError if PostgreSQL is not empty, or does not give back what was written
 * @throws `locked` while a server runs on the file; `schema`, `unavailable` of either database
 * @throws RootKeyError if the root keys are others; `untagged_rows`
 */
export async function migrateStore(options: MigrateStoreOptions): Promise<MigrateStoreResult> {
  const clock = options.clock ?? systemClock();
  const { from, to, rootKeys, insecureTransport = false } = options;
  if (!existsSync(from))
    throw new ServerError("not_found", `migrate store: there is no file ${from}`);
  const now = clock.timestamp();
  const source = await SqliteStore.open({ path: from, now });
  try {
    if (rootKeys) {
      checkRootKeys(rootKeys, await source.read(listRootKeys, null));
      const untaggedRows = options.untaggedRows ?? "refuse";
      await openAudit(source, rootKeys, untaggedRows === "tag");
      await openRowTags(source, rootKeys, clock, { untaggedRows });
    }
    const verification = rootKeys
      ? await verifyObjects(source, new ProjectKeys({ store: source, rootKeys, clock }))
      : { objects: 0, damaged: [] };
    // Who claimed an order on this file is no more: a node there may carry it out at once.
    await source.write(releaseClaims, null);
    // Brings the schema there.
    await (await PostgresStore.open({ url: to, now, connections: 1, insecureTransport })).close();
    const tables = await copyAll(source, options, now);
    return { ...verification, tables };
  } finally {
    await source.close();
  }
}

async function copyAll(
  source: Store,
  { to, insecureTransport = false, onProgress = () => undefined }: MigrateStoreOptions,
  now: string,
): Promise<ReadonlyMap<string, number>> {
  const pool = new pg.Pool(poolConfig({ url: to, now, connections: 1, insecureTransport }));
  pool.on("error", () => undefined);
  pool.on("connect", (client) => client.on("error", () => undefined));
  let client: pg.PoolClient | undefined;
  try {
    client = await pool.connect();
    await client.query("BEGIN");
    const tables = await source.read(listSourceTables, null);
    const counts = await copyTables(source, client, tables, onProgress);
    await client.query("COMMIT");
    return counts;
  } catch (error) {
    await client?.query("ROLLBACK").catch(() => undefined);
    throw storeError(error);
  } finally {
    client?.release(true);
    await pool.end();
  }
}
