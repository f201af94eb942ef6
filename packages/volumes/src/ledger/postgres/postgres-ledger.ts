import { type ObjectId, objectId, refuseUnknownOptions } from "@chatelaine/keys/interface";
import { VolumeError } from "../../model/errors.ts";
import type {
  Ledger,
  Lock,
  OperationRecord,
  VolumeChange,
  VolumeFilter,
  VolumeRecord,
} from "../../model/ledger.ts";
import { readMigrations } from "../migrations.ts";
import {
  operationOf,
  operationRow,
  placeIsTaken,
  type Row,
  upsert,
  volumeOf,
  volumeRow,
} from "../rows.ts";
import { Locks } from "./locks.ts";
import { PostgresDatabase, type Query } from "./postgres-database.ts";
import { migrate } from "./postgres-migrations.ts";
import type { PostgresPool } from "./postgres-pool.ts";

/** Where a shared ledger is, and who asks. */
export interface PostgresLedgerOptions {
  /** A `Pool` of the package `pg`. It stays its owner's, who ends it after the ledger is closed. */
  readonly pool: PostgresPool;
  /**
   * Names this machine, for good; or all machines that see the same disks at the same
   * paths. What one host has begun is recovered by that host alone.
   */
  readonly host: string;
  /** Where the tables are; made if missing. Lower-case letters, digits and `_`. Default `chatelaine_ledger`. */
  readonly schema?: string | undefined;
  /**
   * Weakens security: accepts a database on another host without verified TLS, so that
   * the network between can read and change the ledger. Default false.
   */
  readonly insecureTransport?: boolean | undefined;
  /** How long a database that does not answer is asked again, in milliseconds. Default 10,000. */
  readonly timeoutMs?: number | undefined;
  /** How long after its last sign of life the lock of a process on another machine can be taken over, in milliseconds. Default 30,000. */
  readonly leaseMs?: number | undefined;
  /** Default the clock. Locks go by the database's own. */
  readonly now?: (() => Date) | undefined;
}

/**
 * Opens a ledger in PostgreSQL (12 or newer), for the processes of any number of
 * hosts; brings its schema up to date.
 *
 * @throws `unavailable`, `newer_ledger`, `unsupported`, `invalid_argument`, `io`
 */
export async function openPostgresLedger(options: PostgresLedgerOptions): Promise<Ledger> {
  refuseUnknownOptions("openPostgresLedger", options, [
    "pool",
    "host",
    "schema",
    "insecureTransport",
    "timeoutMs",
    "leaseMs",
    "now",
  ]);
  const { pool, host, schema = "chatelaine_ledger", now = () => new Date() } = options;
  const { timeoutMs = 10_000, leaseMs = 30_000, insecureTransport = false } = options;
  refuse(host === "", "host: the name of this machine is missing");
  refuse(!/^[a-z_][a-z0-9_]{0,62}$/.test(schema), `schema: ${schema} is not a name in lower case`);
  for (const [name, value] of Object.entries({ timeoutMs, leaseMs })) {
    refuse(
      !Number.isSafeInteger(value) || value < 1,
      `${name}: must be a whole number of at least 1`,
    );
  }
  const database = new PostgresDatabase(pool, { schema, timeoutMs, insecureTransport });
  await migrate(database, schema, readMigrations("postgres"), now());
  return new PostgresLedger(database, host, leaseMs, now);
}

function refuse(isWrong: boolean, reason: string): void {
  if (isWrong) throw new VolumeError("invalid_argument", `open ledger: ${reason}`);
}

class PostgresLedger implements Ledger {
  readonly host: string;
  readonly #database: PostgresDatabase;
  readonly #locks: Locks;
  readonly #now: () => Date;

  constructor(database: PostgresDatabase, host: string, leaseMs: number, now: () => Date) {
    this.host = host;
    this.#database = database;
    this.#locks = new Locks(database, host, leaseMs);
    this.#now = now;
  }

  async volume(id: string): Promise<VolumeRecord | undefined> {
    return (await this.#volumes("WHERE id = $1", [id]))[0];
  }

  async volumeAt(location: string): Promise<VolumeRecord | undefined> {
    return (await this.#volumes("WHERE host = $1 AND location = $2", [this.host, location]))[0];
  }

  async volumes(filter: VolumeFilter = {}): Promise<readonly VolumeRecord[]> {
    const { project = null, host = null, kind = null, keyId = null, parentId = null } = filter;
    return this.#volumes(
      `WHERE ($1::text IS NULL OR project = $1) AND ($2::text IS NULL OR host = $2)
        AND ($3::text IS NULL OR kind = $3) AND ($4::text IS NULL OR key_id = $4)
        AND ($5::text IS NULL OR parent_id = $5) ORDER BY created, id`,
      [project, host, kind, keyId, parentId],
    );
  }

  async operation(id: string): Promise<OperationRecord | undefined> {
    return (await this.#operations("WHERE id = $1", [id]))[0];
  }

  async unfinished(volumeId?: string): Promise<readonly OperationRecord[]> {
    return this.#operations(
      `WHERE phase NOT IN ('done', 'undone') AND ($1::text IS NULL OR volume_id = $1)
        ORDER BY created, id`,
      [volumeId ?? null],
    );
  }

  async write(operation: OperationRecord, changes: readonly VolumeChange[] = []): Promise<void> {
    const { id, volumeId } = operation;
    await this.#locks.fence(volumeId, `write operation ${id}`, async (query) => {
      await this.#put(query, "operations", operationRow(operation, this.#now()), operation.host);
      for (const change of changes) await this.#apply(query, change);
    });
  }

  lock(subject: string): Promise<Lock> {
    return this.#locks.take(subject);
  }

  quarantineKey(id: ObjectId, now: Date): Promise<Date> {
    return this.#database.transaction(`quarantine key ${id}`, async (query) => {
      await query("INSERT INTO quarantined_keys VALUES ($1, $2) ON CONFLICT DO NOTHING", [
        id,
        now.getTime(),
      ]);
      const { rows } = await query("SELECT since FROM quarantined_keys WHERE key_id = $1", [id]);
      return new Date(Number(rows[0]?.["since"] ?? now));
    });
  }

  async quarantinedKeys(): Promise<readonly ObjectId[]> {
    const rows = await this.#read("SELECT key_id FROM quarantined_keys ORDER BY since, key_id", []);
    return rows.map((row) => objectId(String(row["key_id"])));
  }

  async releaseKey(id: ObjectId): Promise<void> {
    await this.#database.transaction(`release key ${id}`, (query) =>
      query("DELETE FROM quarantined_keys WHERE key_id = $1", [id]),
    );
  }

  async close(): Promise<void> {
    await this.#locks.close();
    this.#database.close();
  }

  async #apply(query: Query, change: VolumeChange): Promise<void> {
    if (change.type === "remove") {
      await query("DELETE FROM volumes WHERE id = $1", [change.id]);
      return;
    }
    const { volume } = change;
    const { rows } = await query(
      "SELECT id, state FROM volumes WHERE host = $1 AND location = $2 AND id <> $3",
      [volume.host, volume.location, volume.id],
    );
    if (rows[0] !== undefined) {
      const { id, state } = rows[0];
      throw placeIsTaken(volume.location, { id, state });
    }
    await this.#put(query, "volumes", volumeRow(volume, this.#now()), volume.host);
  }

  async #put(query: Query, table: "volumes" | "operations", row: Row, host: string): Promise<void> {
    const { text, values } = upsert(table, { ...row, host }, (index) => `$${index + 1}`);
    await query(text, values);
  }

  async #volumes(where: string, values: readonly unknown[]): Promise<VolumeRecord[]> {
    const rows = await this.#read(`SELECT * FROM volumes ${where}`, values);
    return rows.map((row) => volumeOf(row, String(row["host"])));
  }

  async #operations(where: string, values: readonly unknown[]): Promise<OperationRecord[]> {
    const rows = await this.#read(`SELECT * FROM operations ${where}`, values);
    return rows.map((row) => operationOf(row, String(row["host"])));
  }

  async #read(text: string, values: readonly unknown[]): Promise<readonly Row[]> {
    const { rows } = await this.#database.transaction("read ledger", (query) =>
      query(text, values),
    );
    return rows as readonly Row[];
  }
}
