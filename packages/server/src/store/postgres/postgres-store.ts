import { Pool, type PoolClient } from "pg";
import { RowTags } from "../../crypto/row-tags.ts";
import { type AuditEntry, auditLine } from "../../model/audit-entry.ts";
import { ServerError } from "../../model/server-error.ts";
import { driveAsync } from "../drive.ts";
import { migrate, readMigrations } from "../migrations.ts";
import type { Operation, Statement, StatementResult } from "../operation.ts";
import { isRefused, type Store } from "../store.ts";
import { ConnectionAudit } from "./connection-audit.ts";
import { type PostgresStoreOptions, poolConfig } from "./postgres-options.ts";
import { RecordQueue } from "./record-queue.ts";
import { StatementTexts } from "./statement-text.ts";
import { isConnectionLost, isWorthAnotherTry, storeError } from "./store-error.ts";
import { Transaction } from "./transaction.ts";

export type { PostgresStoreOptions };

/** Of a transaction that lost a race, or whose connection had died before it committed. */
const maxTries = 4;

/** Any number: what all nodes lock while they bring the schema up to date. */
const migrationLock = 7_024_593_811;

/**
 * The store on PostgreSQL, for any number of processes at once. Each operation
 * has a connection of the pool to itself; a connection that breaks is replaced,
 * so that a database that was away is used again as soon as it is back.
 */
export class PostgresStore implements Store {
  readonly dialect = "postgres";
  readonly #pool: Pool;
  readonly #texts = new StatementTexts();
  readonly #audits = new WeakMap<PoolClient, ConnectionAudit>();
  /** Chains of connections that were closed: the next connections continue them. */
  readonly #freeAudits: ConnectionAudit[] = [];
  readonly #records = new RecordQueue((lines) => this.#appendRecords(lines));
  #auditKey: Uint8Array | undefined;
  #rowTags: RowTags | undefined;
  #underWay = 0;
  #idle: (() => void) | undefined;
  #closed = false;

  private constructor(options: PostgresStoreOptions) {
    this.#pool = new Pool(poolConfig(options));
    // The pool drops an idle connection that breaks; one in use fails its query.
    this.#pool.on("error", () => undefined);
    this.#pool.on("connect", (client) => client.on("error", () => undefined));
    this.#pool.on("remove", (client) => {
      const audit = this.#audits.get(client);
      if (this.#audits.delete(client) && audit) this.#freeAudits.push(audit);
    });
  }

  /**
   * Connects, and brings the schema up to date while other nodes wait.
   *
   * @throws `unavailable` if the database cannot be reached, `schema` if its migrations do not fit
   */
  static async open(options: PostgresStoreOptions): Promise<PostgresStore> {
    const store = new PostgresStore(options);
    try {
      await store.#run((client) => store.#migrate(client, options.now));
      return store;
    } catch (error) {
      await store.#pool.end();
      throw error;
    }
  }

  read<P, R>(operation: Operation<P, R>, parameters: P): Promise<R> {
    return this.#run((client) =>
      driveAsync(
        operation.steps(parameters),
        (statement) => this.#query(client, statement),
        this.#rowTags,
      ),
    );
  }

  write<P, R>(operation: Operation<P, R>, parameters: P, audit?: AuditEntry): Promise<R> {
    return this.#run((client, transaction) =>
      this.#transact(client, transaction(), operation, parameters, audit),
    );
  }

  record(lines: string): Promise<void> {
    return this.#records.add(lines.split("\n"));
  }

  async startAudit(key: Uint8Array): Promise<void> {
    this.#auditKey = Uint8Array.from(key);
  }

  async startRowTags(keys: readonly Uint8Array[]): Promise<void> {
    this.#rowTags = new RowTags(keys);
  }

  async ping(): Promise<void> {
    await this.#run((client) => client.query("SELECT 1"));
  }

  async close(): Promise<void> {
    await this.#records.settled();
    if (this.#closed) return;
    this.#closed = true;
    if (this.#underWay > 0)
      await new Promise<void>((resolve) => {
        this.#idle = resolve;
      });
    await this.#pool.end();
  }

  async #transact<P, R>(
    client: PoolClient,
    transaction: Transaction,
    operation: Operation<P, R>,
    parameters: P,
    audit: AuditEntry | undefined,
  ): Promise<R> {
    const value = await driveAsync(
      operation.steps(parameters),
      (statement) => transaction.execute(statement),
      this.#rowTags,
    );
    if (!isRefused(value)) {
      if (!audit) await transaction.commit();
      else await this.#append(client, [auditLine(audit)], transaction);
      return value;
    }
    await transaction.rollback();
    if (audit)
      await this.#append(
        client,
        [auditLine(audit, value.refused)],
        new Transaction(client, this.#texts),
      );
    return value;
  }

  #appendRecords(lines: readonly string[]): Promise<void> {
    return this.#run((client, transaction) => this.#append(client, lines, transaction()));
  }

  /** Ends a transaction with lines of the audit record. */
  async #append(
    client: PoolClient,
    lines: readonly string[],
    transaction: Transaction,
  ): Promise<void> {
    const audit = this.#auditOf(client);
    try {
      transaction.send(audit.add(lines));
      await transaction.commit();
      audit.keep();
    } catch (error) {
      audit.drop();
      throw error;
    }
  }

  #auditOf(client: PoolClient): ConnectionAudit {
    const known = this.#audits.get(client);
    if (known) return known;
    if (!this.#auditKey) throw new Error("store: the audit record has no key yet");
    const audit = this.#freeAudits.pop() ?? new ConnectionAudit(this.#auditKey);
    this.#audits.set(client, audit);
    return audit;
  }

  /**
   * Lends a connection to `work`, again if it lost a race or the connection had
   * died before anything was committed. A transaction that `work` left open is rolled back.
   */
  async #run<R>(
    work: (client: PoolClient, transaction: () => Transaction) => Promise<R>,
  ): Promise<R> {
    if (this.#closed) throw new ServerError("unavailable", "store: closed");
    this.#underWay++;
    try {
      for (let tries = 1; ; tries++) {
        const outcome = await this.#try(work);
        if (outcome.ok) return outcome.value;
        if (!outcome.again || tries === maxTries) throw storeError(outcome.error);
      }
    } finally {
      this.#underWay--;
      if (this.#underWay === 0) this.#idle?.();
    }
  }

  async #try<R>(
    work: (client: PoolClient, transaction: () => Transaction) => Promise<R>,
  ): Promise<Outcome<R>> {
    let client: PoolClient;
    try {
      client = await this.#pool.connect();
    } catch (error) {
      return { ok: false, error, again: false };
    }
    let transaction: Transaction | undefined;
    const begin = () => (transaction = new Transaction(client, this.#texts));
    try {
      const value = await work(client, begin);
      client.release();
      return { ok: true, value };
    } catch (error) {
      const lost = isConnectionLost(error);
      const committing = transaction?.committing ?? false;
      const broken = lost || !(await rolledBack(transaction));
      // Nobody knows whether its last entry was committed: the chain ends here.
      if (broken) this.#audits.delete(client);
      client.release(broken);
      return { ok: false, error, again: (lost && !committing) || isWorthAnotherTry(error) };
    }
  }

  async #query(client: PoolClient, statement: Statement): Promise<StatementResult> {
    const { text, name } = this.#texts.of(statement.sql);
    const values = [...statement.args];
    const { rows, rowCount } = await client.query({ text, values, ...(name && { name }) });
    return { rows, changes: rowCount ?? 0 };
  }

  async #migrate(client: PoolClient, now: string): Promise<void> {
    await client.query("BEGIN; SET LOCAL lock_timeout = 0; SET LOCAL statement_timeout = 0");
    await client.query(`SELECT pg_advisory_xact_lock(${migrationLock})`);
    try {
      await driveAsync(migrate(readMigrations("postgres"), now), async (statement) => {
        if (statement.args.length > 0 || statement.sql.startsWith("SELECT"))
          return this.#query(client, statement);
        await client.query(statement.sql);
        return { rows: [], changes: 0 };
      });
      await client.query("COMMIT");
    } catch (error) {
      await client.query("ROLLBACK").catch(() => undefined);
      throw error;
    }
  }
}

type Outcome<R> =
  | { readonly ok: true; readonly value: R }
  | { readonly ok: false; readonly error: unknown; readonly again: boolean };

async function rolledBack(transaction: Transaction | undefined): Promise<boolean> {
  if (!transaction) return true;
  try {
    await transaction.rollback();
    return true;
  } catch {
    return false;
  }
}
