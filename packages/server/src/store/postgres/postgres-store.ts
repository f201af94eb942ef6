import pg from "pg";
import type { AuditEntry } from "../../audit/audit-entry.ts";
import { driveAsync } from "../drive.ts";
import { migrate, readMigrations } from "../migrations.ts";
import type { Operation } from "../operation.ts";
import { type Store, StoreError } from "../store.ts";
import { storeError } from "./postgres-error.ts";
import { execute, PostgresWriter, type Unit } from "./writer.ts";

export interface PostgresStoreOptions {
  /** `postgres://user:password@host:port/database`, with what else libpq's URLs may say. */
  readonly url: string;
  /** UTC now, for the migrations table. */
  readonly now: string;
  /** Connections of this process, half of them to write. Default 8, at least 2. */
  readonly connections?: number;
  /** How long to wait for a connection or a statement. Default 10,000. */
  readonly timeoutMs?: number;
}

/** Whoever holds this lock changes the schema. */
const migrationLock = 7_219_531;
/** More units than this in one transaction hold locks for too long. */
const maxBatch = 32;

/** The store on PostgreSQL, for any number of processes. Writers that find several units waiting commit them together. */
export class PostgresStore implements Store {
  readonly dialect = "postgres";
  readonly #pool: pg.Pool;
  readonly #idle: PostgresWriter[];
  readonly #writers: readonly PostgresWriter[];
  #queue: Unit[] = [];
  #pendingRecords = 0;
  #closed = false;

  private constructor(pool: pg.Pool, writers: readonly PostgresWriter[]) {
    this.#pool = pool;
    this.#writers = writers;
    this.#idle = [...writers];
  }

  /** @throws StoreError `unavailable` if the database does not answer, `schema` if its migrations do not fit */
  static async open(options: PostgresStoreOptions): Promise<PostgresStore> {
    const timeout = options.timeoutMs ?? 10_000;
    const config: pg.ClientConfig = {
      connectionString: options.url,
      connectionTimeoutMillis: timeout,
      query_timeout: timeout,
      statement_timeout: timeout,
      application_name: "chatelaine",
      types: { getTypeParser },
    };
    try {
      await migrateDatabase(config, options.now);
    } catch (error) {
      throw storeError(error);
    }
    const half = Math.max(1, Math.floor((options.connections ?? 8) / 2));
    const pool = new pg.Pool({ ...config, max: half });
    pool.on("error", () => undefined); // an idle connection was lost; the next query makes another
    return new PostgresStore(
      pool,
      Array.from({ length: half }, () => new PostgresWriter(config)),
    );
  }

  get pendingRecords(): number {
    return this.#pendingRecords;
  }

  async read<P, R>(operation: Operation<P, R>, parameters: P): Promise<R> {
    try {
      return await driveAsync(operation.steps(parameters), (statement) =>
        execute(this.#pool, statement),
      );
    } catch (error) {
      throw storeError(error);
    }
  }

  write<P, R>(operation: Operation<P, R>, parameters: P, audit?: AuditEntry): Promise<R> {
    return this.#enqueue({
      operation,
      parameters,
      ...(audit && { audit }),
    }) as Promise<R>;
  }

  async record(audit: AuditEntry): Promise<void> {
    this.#pendingRecords++;
    try {
      await this.#enqueue({ audit });
    } finally {
      this.#pendingRecords--;
    }
  }

  async startAudit(key: Uint8Array): Promise<void> {
    for (const writer of this.#writers) writer.startAudit(key);
  }

  async ping(): Promise<void> {
    try {
      await this.#pool.query("SELECT 1");
    } catch (error) {
      throw storeError(error);
    }
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    while (this.#queue.length > 0 || this.#idle.length < this.#writers.length)
      await new Promise((resolve) => setImmediate(resolve));
    await Promise.all(this.#writers.map((writer) => writer.close()));
    await this.#pool.end();
  }

  #enqueue(unit: Omit<Unit, "resolve" | "reject">): Promise<unknown> {
    if (this.#closed) return Promise.reject(new StoreError("unavailable", "store: closed"));
    return new Promise((resolve, reject) => {
      this.#queue.push({ ...unit, resolve, reject });
      this.#dispatch();
    });
  }

  #dispatch(): void {
    while (this.#queue.length > 0) {
      const writer = this.#idle.pop();
      if (!writer) return;
      const share = Math.ceil(this.#queue.length / (this.#idle.length + 1));
      void this.#commit(writer, this.#queue.splice(0, Math.min(share, maxBatch)));
    }
  }

  async #commit(writer: PostgresWriter, batch: readonly Unit[]): Promise<void> {
    await writer.commit(batch);
    this.#idle.push(writer);
    this.#dispatch();
  }
}

async function migrateDatabase(config: pg.ClientConfig, now: string): Promise<void> {
  const client = new pg.Client(config);
  client.on("error", () => undefined); // the query under way rejects, and says so
  await client.connect();
  try {
    const { rows } = await client.query<{ fsync: string }>("SHOW fsync");
    if (rows[0]?.fsync !== "on")
      throw new StoreError("unavailable", "open database: fsync is off, so nothing would last");
    await client.query("SET statement_timeout = 0");
    await client.query("BEGIN");
    await client.query("SELECT pg_advisory_xact_lock($1)", [migrationLock]);
    await driveAsync(migrate(readMigrations("postgres"), now), async (statement) => {
      if (statement.args.length > 0 || statement.sql.startsWith("SELECT"))
        return execute(client, statement);
      await client.query(statement.sql);
      return { rows: [], changes: 0 };
    });
    await client.query("COMMIT");
  } finally {
    await client.end();
  }
}

/** Counts and sequence numbers come as numbers, as they do from SQLite; they stay far below 2^53. */
const getTypeParser: pg.CustomTypesConfig["getTypeParser"] = (oid, format) => {
  if (oid === pg.types.builtins.INT8 && format !== "binary") return Number;
  return format === "binary"
    ? pg.types.getTypeParser(oid, "binary")
    : pg.types.getTypeParser(oid, "text");
};
