import { setTimeout as pause } from "node:timers/promises";
import { VolumeError } from "../../model/errors.ts";
import { refuseInsecureConnection } from "./connection-security.ts";
import { ledgerError, mayPass } from "./postgres-error.ts";
import type { PostgresConnection, PostgresPool, PostgresResult } from "./postgres-pool.ts";

/** Sends one statement of a transaction. */
export type Query = (text: string, values?: readonly unknown[]) => Promise<PostgresResult>;

/** How long to wait for a database that was away the last time, in milliseconds. */
const oneMoreLookMs = 1000;

export interface PostgresDatabaseOptions {
  readonly schema: string;
  readonly timeoutMs: number;
  readonly insecureTransport: boolean;
}

/**
 * Transactions that are tried again until they succeed, or for so long that the
 * database counts as away; from then on each is tried briefly, until one succeeds.
 * So whatever runs in one must have the same effect when its first try has taken
 * effect already.
 */
export class PostgresDatabase {
  readonly #pool: PostgresPool;
  readonly #timeoutMs: number;
  readonly #schema: string;
  readonly #insecureTransport: boolean;
  #isAway = false;
  #isClosed = false;

  constructor(pool: PostgresPool, options: PostgresDatabaseOptions) {
    this.#pool = pool;
    this.#schema = options.schema;
    this.#timeoutMs = options.timeoutMs;
    this.#insecureTransport = options.insecureTransport;
    // A connection that breaks while nobody uses it is replaced; without a listener it would end the process.
    pool.on("error", ignored);
  }

  /**
   * Runs `work` as one transaction. What a `VolumeError` ends is not tried again.
   *
   * @throws `unavailable` if it cannot be done in time; `io`
   */
  async transaction<T>(what: string, work: (query: Query) => Promise<T>): Promise<T> {
    const patienceMs = this.#isAway ? Math.min(oneMoreLookMs, this.#timeoutMs) : this.#timeoutMs;
    const end = performance.now() + patienceMs;
    for (let waitMs = 50; ; waitMs = Math.min(2 * waitMs, 1000)) {
      if (this.#isClosed) throw new VolumeError("io", `${what}: the ledger is closed`);
      try {
        const result = await this.#try(work, end - performance.now());
        this.#isAway = false;
        return result;
      } catch (error) {
        if (error instanceof VolumeError || !mayPass(error)) throw ledgerError(what, error);
        this.#isAway = performance.now() + waitMs > end;
        if (this.#isAway) throw ledgerError(what, error);
      }
      await pause(waitMs);
    }
  }

  /** No transaction begins afterwards. The pool is its owner's to end. */
  close(): void {
    this.#isClosed = true;
  }

  async #try<T>(work: (query: Query) => Promise<T>, timeoutMs: number): Promise<T> {
    const limit = new Limit(timeoutMs);
    try {
      return await this.#within(limit, work);
    } finally {
      limit.end();
    }
  }

  async #within<T>(limit: Limit, work: (query: Query) => Promise<T>): Promise<T> {
    const connection = await limit.of(this.#pool.connect(), (late) => late.release());
    // It may break between two statements.
    connection.on("error", ignored);
    let isClean = false;
    try {
      const { host, ssl } = connection;
      if (host !== undefined) refuseInsecureConnection({ host, ssl }, this.#insecureTransport);
      const query: Query = (text, values) =>
        limit.of(connection.query(text, values === undefined ? undefined : [...values]));
      await query(this.#begin());
      const result = await work(query);
      await query("COMMIT");
      isClean = true;
      return result;
    } catch (error) {
      isClean = await rolledBack(connection, limit);
      throw error;
    } finally {
      connection.off("error", ignored);
      connection.release(!isClean);
    }
  }

  /**
   * A commit is acknowledged only once it is durable, whatever the database's default is. And a
   * server that hears no more of us, or waits for a lock, gives up no later than we do.
   */
  #begin(): string {
    const limit = Math.ceil(this.#timeoutMs);
    return `BEGIN ISOLATION LEVEL READ COMMITTED;
      SET LOCAL search_path TO "${this.#schema}";
      SET LOCAL statement_timeout = ${limit};
      SET LOCAL lock_timeout = ${limit};
      SET LOCAL idle_in_transaction_session_timeout = ${limit};
      SELECT set_config('synchronous_commit', 'on', true)
        WHERE current_setting('synchronous_commit') IN ('off', 'local')`;
  }
}

/** The statement that was under way, or comes next, says the same. */
function ignored(): void {}

async function rolledBack(connection: PostgresConnection, limit: Limit): Promise<boolean> {
  try {
    await limit.of(connection.query("ROLLBACK"));
    return true;
  } catch {
    return false;
  }
}

/** Ends the wait for answers that do not come. */
class Limit {
  readonly #over: Promise<never>;
  readonly #timer: NodeJS.Timeout;

  constructor(timeoutMs: number) {
    const { promise, reject } = Promise.withResolvers<never>();
    this.#over = promise;
    promise.catch(() => undefined);
    this.#timer = setTimeout(
      () => reject(Object.assign(new Error("no answer in time"), { code: "ETIMEDOUT" })),
      Math.max(1, timeoutMs),
    );
  }

  /** @param tooLate is given the answer that comes afterwards */
  of<T>(answer: Promise<T>, tooLate: (value: T) => void = () => undefined): Promise<T> {
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    let isOver = false;
    answer.then(
      (value) => (isOver ? tooLate(value) : resolve(value)),
      (error: unknown) => reject(error),
    );
    this.#over.catch((error: unknown) => {
      isOver = true;
      reject(error);
    });
    return promise;
  }

  end(): void {
    clearTimeout(this.#timer);
  }
}
