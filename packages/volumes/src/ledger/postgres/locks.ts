import { hostname } from "node:os";
import { VolumeError } from "../../model/errors.ts";
import type { Lock } from "../../model/ledger.ts";
import { fateOf, type ProcessIdentity, thisProcess } from "../process-identity.ts";
import { HeldLock } from "./held-lock.ts";
import type { PostgresDatabase, Query } from "./postgres-database.ts";
import type { PostgresResult } from "./postgres-pool.ts";

/** The time of the database's own clock at which a lock that is renewed now may be taken by others. */
const newExpiry = (parameter: string) =>
  `clock_timestamp() + ${parameter}::double precision * interval '1 millisecond'`;

/**
 * The locks of one ledger: rows that say who has them and until when. One whose
 * process can be seen from here is held for as long as that process lives, and no
 * longer; any other until it has not been renewed for `leaseMs`.
 */
export class Locks {
  readonly #database: PostgresDatabase;
  readonly #host: string;
  readonly #leaseMs: number;
  readonly #self: ProcessIdentity = thisProcess();
  readonly #held = new Map<string, HeldLock>();
  /** Tokens of those whose release could not be written. By their rows they would be held for as long as this process lives. */
  readonly #givenUp = new Set<string>();
  #renewal: NodeJS.Timeout | undefined;
  #isRenewing = false;

  constructor(database: PostgresDatabase, host: string, leaseMs: number) {
    this.#database = database;
    this.#host = host;
    this.#leaseMs = leaseMs;
  }

  async take(subject: string): Promise<Lock> {
    if (this.#held.has(subject)) {
      throw new VolumeError("busy", `lock ${subject}: process ${process.pid} is working on it`);
    }
    const lock = new HeldLock(subject, this.#leaseMs);
    this.#held.set(subject, lock);
    try {
      await this.#returnGivenUp();
      await this.#renewingTransaction(lock, `lock ${subject}`, (query) => this.#take(query, lock));
    } catch (error) {
      this.#held.delete(subject);
      // Where the commit's answer was lost, it may have taken effect.
      if (!(error instanceof VolumeError && error.code === "busy")) this.#givenUp.add(lock.token);
      throw error;
    }
    this.#renewal ??= setInterval(() => void this.#renewAll(), this.#leaseMs / 6).unref();
    return { lost: lock.lost, release: () => this.#release(lock) };
  }

  /**
   * Runs a transaction that only the holder of a subject's lock may run, and which
   * fails as a whole if by the time it commits he is not.
   *
   * @throws `busy`
   */
  async fence<T>(subject: string, what: string, work: (query: Query) => Promise<T>): Promise<T> {
    const lock = this.#held.get(subject);
    if (lock === undefined || !lock.isTaken) {
      throw new VolumeError("busy", `${what}: this process has no lock on volume ${subject}`);
    }
    return this.#renewingTransaction(lock, what, async (query) => {
      // The row stays locked until the commit, so that nobody takes it meanwhile.
      const { rowCount } = await query(
        `UPDATE locks SET expires = ${newExpiry("$3")} WHERE subject = $1 AND token = $2`,
        [subject, lock.token, this.#leaseMs],
      );
      if (rowCount === 1) return work(query);
      lock.lose("another process has taken it over");
      throw new VolumeError("busy", `${what}: another process has taken volume ${subject} over`);
    });
  }

  async close(): Promise<void> {
    clearInterval(this.#renewal);
    await this.#returnGivenUp().catch(() => undefined);
  }

  async #renewingTransaction<T>(
    lock: HeldLock,
    what: string,
    work: (query: Query) => Promise<T>,
  ): Promise<T> {
    let sentAt = 0;
    const result = await this.#database.transaction(what, (query) => {
      sentAt = performance.now();
      return work(query);
    });
    if (this.#held.get(lock.subject) === lock) lock.renewed(sentAt);
    return result;
  }

  async #take(query: Query, lock: HeldLock): Promise<void> {
    const { subject, token } = lock;
    const { machine, boot, pidNamespace, pid, started } = this.#self;
    const host = `${this.#host} (${hostname()})`;
    const row = [subject, token, host, machine, boot, pidNamespace, pid, started, this.#leaseMs];
    const columns =
      "subject, token, host, machine, boot, pid_namespace, pid, started, taken, expires";
    const values = `$1, $2, $3, $4, $5, $6, $7, $8, clock_timestamp(), ${newExpiry("$9")}`;
    const insert = `INSERT INTO locks (${columns}) VALUES (${values}) ON CONFLICT DO NOTHING`;
    for (;;) {
      if ((await query(insert, row)).rowCount === 1) return;
      const { rows } = await query(
        "SELECT *, expires <= clock_timestamp() AS expired FROM locks WHERE subject = $1 FOR UPDATE",
        [subject],
      );
      // None: it has been given back in between.
      if (rows[0] === undefined) continue;
      this.#refuseHeld(lock, rows[0]);
      await query(`UPDATE locks SET (${columns}) = (${values}) WHERE subject = $1`, row);
      return;
    }
  }

  /** @throws `busy` if a living process has it, or one that may be living */
  #refuseHeld({ subject, token }: HeldLock, row: PostgresResult["rows"][number]): void {
    if (row["token"] === token) return;
    const fate = fateOf(holderOf(row), this.#self);
    const isExpired = row["expired"] === true;
    if (fate === "dead" || (fate === "unseen" && isExpired)) return;
    const holder = `process ${String(row["pid"])} on host ${String(row["host"])}`;
    const hint = isExpired ? ", although it has long not said so: does it hang?" : "";
    throw new VolumeError("busy", `lock ${subject}: ${holder} is working on it${hint}`);
  }

  async #release(lock: HeldLock): Promise<void> {
    const { subject, token } = lock;
    lock.end();
    if (this.#held.get(subject) === lock) this.#held.delete(subject);
    this.#givenUp.add(token);
    // The holder must hear what became of his work; the lock is given back another time.
    await this.#returnGivenUp().catch(() => undefined);
  }

  async #returnGivenUp(): Promise<void> {
    const tokens = [...this.#givenUp];
    if (tokens.length === 0) return;
    await this.#database.transaction("give locks back", (query) =>
      query("DELETE FROM locks WHERE token = ANY($1)", [tokens]),
    );
    for (const token of tokens) this.#givenUp.delete(token);
  }

  /** What cannot be renewed now is renewed the next time, or is lost when its time is over. */
  async #renewAll(): Promise<void> {
    const held = [...this.#held.values()].filter(({ isTaken }) => isTaken);
    if (held.length === 0 || this.#isRenewing) return;
    this.#isRenewing = true;
    try {
      let sentAt = 0;
      const { rows } = await this.#database.transaction("renew locks", (query) => {
        sentAt = performance.now();
        return query(
          `UPDATE locks SET expires = ${newExpiry("$2")} WHERE token = ANY($1) RETURNING token`,
          [held.map(({ token }) => token), this.#leaseMs],
        );
      });
      const renewed = new Set(rows.map(({ token }) => token));
      for (const lock of held) {
        if (this.#held.get(lock.subject) !== lock || !lock.isTaken) continue;
        if (renewed.has(lock.token)) lock.renewed(sentAt);
        else lock.lose("another process has taken it over");
      }
    } catch {
      // Each lock has its own time.
    } finally {
      this.#isRenewing = false;
    }
  }
}

function holderOf(row: PostgresResult["rows"][number]): ProcessIdentity {
  return {
    machine: String(row["machine"]),
    boot: String(row["boot"]),
    pidNamespace: String(row["pid_namespace"]),
    pid: Number(row["pid"]),
    started: String(row["started"]),
  };
}
