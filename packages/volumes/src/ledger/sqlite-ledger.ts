import { randomUUID } from "node:crypto";
import { chmodSync, mkdirSync } from "node:fs";
import { dirname } from "node:path";
import { DatabaseSync, type SQLInputValue } from "node:sqlite";
import {
  isOtherThanSqlite,
  type ObjectId,
  objectId,
  refuseUnknownOptions,
} from "@chatelaine/keys/interface";
import { VolumeError } from "../model/errors.ts";
import type {
  Ledger,
  Lock,
  OperationRecord,
  VolumeChange,
  VolumeFilter,
  VolumeRecord,
} from "../model/ledger.ts";
import { migrate, readMigrations, rollBack } from "./migrations.ts";
import { isDead, type ProcessIdentity, thisProcess } from "./process-identity.ts";
import {
  operationOf,
  operationRow,
  placeIsTaken,
  type Row,
  upsert,
  volumeOf,
  volumeRow,
} from "./rows.ts";

/** Where the ledger is. */
export interface SqliteLedgerOptions {
  /** Of the database file; it and its folder are made if missing, for their owner alone. */
  readonly path: string;
  /** Default: the system's clock. */
  readonly now?: (() => Date) | undefined;
  /** How long to wait for another process's write, in milliseconds. Default 10,000. */
  readonly busyTimeoutMs?: number | undefined;
}

/**
 * A ledger in one SQLite file, for the processes of one machine.
 *
 * @throws `newer_ledger`, `io`
 */
export function openLedger(options: SqliteLedgerOptions): Ledger {
  refuseUnknownOptions("openLedger", options, ["path", "now", "busyTimeoutMs"]);
  return guarded(`open ledger ${options.path}`, () => new SqliteLedger(options));
}

/**
 * Locks of this process whose release could not be written, as on a full disk. By
 * the ledger alone they would be held for as long as the process lives.
 */
const givenUp = new Set<string>();

/** What is on this machine belongs to it, whatever it is called now. */
const host = "localhost";

/** A process that lives has its lock. */
const neverLost = new AbortController().signal;

class SqliteLedger implements Ledger {
  readonly host = host;
  readonly #database: DatabaseSync;
  readonly #self: ProcessIdentity = thisProcess();
  readonly #now: () => Date;
  /** Tokens of the locks that were taken through this ledger, by subject. */
  readonly #held = new Map<string, string>();

  constructor({ path, now = () => new Date(), busyTimeoutMs = 10_000 }: SqliteLedgerOptions) {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    if (isOtherThanSqlite(path)) {
      throw new VolumeError(
        "io",
        `open ledger ${path}: the file is not a ledger; name another one with --ledger`,
      );
    }
    this.#now = now;
    this.#database = new DatabaseSync(path);
    try {
      chmodSync(path, 0o600);
      // Not as an option of DatabaseSync, which Node.js 22.14 ignores.
      this.#database.exec(`PRAGMA busy_timeout = ${busyTimeoutMs}`);
      this.#set("journal_mode", "WAL", "wal");
      this.#set("synchronous", "FULL", 2);
      migrate(this.#database, readMigrations("sqlite"), now());
    } catch (error) {
      this.#database.close();
      throw error;
    }
  }

  async volume(id: string): Promise<VolumeRecord | undefined> {
    return this.#volumes("WHERE id = ?", [id])[0];
  }

  async volumeAt(location: string): Promise<VolumeRecord | undefined> {
    return this.#volumes("WHERE location = ?", [location])[0];
  }

  async volumes(filter: VolumeFilter = {}): Promise<readonly VolumeRecord[]> {
    const { project = null, kind = null, keyId = null, parentId = null } = filter;
    if ((filter.host ?? host) !== host) return [];
    return this.#volumes(
      // Numbered parameters would say each once, but Node.js 22.14 cannot bind them.
      `WHERE (? IS NULL OR project = ?) AND (? IS NULL OR kind = ?)
        AND (? IS NULL OR key_id = ?) AND (? IS NULL OR parent_id = ?) ORDER BY created, id`,
      [project, project, kind, kind, keyId, keyId, parentId, parentId],
    );
  }

  async operation(id: string): Promise<OperationRecord | undefined> {
    return this.#operations("WHERE id = ?", [id])[0];
  }

  async unfinished(volumeId?: string): Promise<readonly OperationRecord[]> {
    return this.#operations(
      `WHERE phase NOT IN ('done', 'undone') AND (? IS NULL OR volume_id = ?) ORDER BY created, id`,
      [volumeId ?? null, volumeId ?? null],
    );
  }

  async write(operation: OperationRecord, changes: readonly VolumeChange[] = []): Promise<void> {
    this.#transaction(`write operation ${operation.id}`, () => {
      this.#requireLock(operation);
      this.#put("operations", operationRow(operation, this.#now()));
      for (const change of changes) this.#apply(change);
    });
  }

  async lock(subject: string): Promise<Lock> {
    const token = randomUUID();
    this.#transaction(`lock ${subject}`, () => {
      const [held] = this.#all("SELECT * FROM locks WHERE subject = ?", [subject]);
      const isHeld = held !== undefined && !givenUp.has(String(held["token"]));
      if (isHeld && !isDead(holderOf(held), this.#self)) {
        throw new VolumeError(
          "busy",
          `lock ${subject}: process ${String(held["pid"])} is working on it`,
        );
      }
      const { machine, boot, pidNamespace, pid, started } = this.#self;
      this.#run("INSERT OR REPLACE INTO locks VALUES (?, ?, ?, ?, ?, ?, ?, ?)", [
        subject,
        token,
        machine,
        boot,
        pidNamespace,
        pid,
        started,
        this.#now().getTime(),
      ]);
    });
    this.#held.set(subject, token);
    return {
      lost: neverLost,
      release: async () => {
        givenUp.add(token);
        if (this.#held.get(subject) === token) this.#held.delete(subject);
        try {
          this.#transaction(`unlock ${subject}`, () =>
            this.#run("DELETE FROM locks WHERE subject = ? AND token = ?", [subject, token]),
          );
          givenUp.delete(token);
        } catch {
          // The holder must hear what became of its work; the next one in this process takes the lock all the same.
        }
      },
    };
  }

  async quarantineKey(id: ObjectId, now: Date): Promise<Date> {
    this.#transaction(`quarantine key ${id}`, () =>
      this.#run("INSERT OR IGNORE INTO quarantined_keys VALUES (?, ?)", [id, now.getTime()]),
    );
    const [row] = this.#all("SELECT since FROM quarantined_keys WHERE key_id = ?", [id]);
    return new Date(Number(row?.["since"] ?? now));
  }

  async quarantinedKeys(): Promise<readonly ObjectId[]> {
    const rows = this.#all("SELECT key_id FROM quarantined_keys ORDER BY since", []);
    return rows.map((row) => objectId(String(row["key_id"])));
  }

  async releaseKey(id: ObjectId): Promise<void> {
    this.#transaction(`release key ${id}`, () =>
      this.#run("DELETE FROM quarantined_keys WHERE key_id = ?", [id]),
    );
  }

  async close(): Promise<void> {
    this.#database.close();
  }

  #requireLock({ id, volumeId }: OperationRecord): void {
    const [lock] = this.#all("SELECT token FROM locks WHERE subject = ?", [volumeId]);
    if (lock !== undefined && lock["token"] === this.#held.get(volumeId)) return;
    throw new VolumeError("busy", `write operation ${id}: it has no lock on volume ${volumeId}`);
  }

  #apply(change: VolumeChange): void {
    if (change.type === "remove") {
      this.#run("DELETE FROM volumes WHERE id = ?", [change.id]);
      return;
    }
    const { volume } = change;
    const [other] = this.#volumes("WHERE location = ?", [volume.location]);
    if (other !== undefined && other.id !== volume.id) {
      throw placeIsTaken(volume.location, other);
    }
    this.#put("volumes", volumeRow(volume, this.#now()));
  }

  #put(table: "volumes" | "operations", row: Row): void {
    const { text, values } = upsert(table, row, () => "?");
    this.#run(text, values);
  }

  #volumes(where: string, args: readonly SQLInputValue[]): VolumeRecord[] {
    return this.#all(`SELECT * FROM volumes ${where}`, args).map((row) => volumeOf(row, host));
  }

  #operations(where: string, args: readonly SQLInputValue[]): OperationRecord[] {
    return this.#all(`SELECT * FROM operations ${where}`, args).map((row) =>
      operationOf(row, host),
    );
  }

  #all(sql: string, args: readonly SQLInputValue[]): Row[] {
    return guarded("read ledger", () => this.#database.prepare(sql).all(...args) as Row[]);
  }

  #run(sql: string, args: readonly SQLInputValue[]): void {
    this.#database.prepare(sql).run(...args);
  }

  #transaction(what: string, work: () => void): void {
    guarded(what, () => {
      this.#database.exec("BEGIN IMMEDIATE");
      try {
        work();
        this.#database.exec("COMMIT");
      } catch (error) {
        rollBack(this.#database);
        throw error;
      }
    });
  }

  /** Asserted, because SQLite ignores what it cannot set. */
  #set(name: string, value: string, expected: string | number): void {
    this.#database.prepare(`PRAGMA ${name} = ${value}`).all();
    const found = this.#database.prepare(`PRAGMA ${name}`).get()?.[name];
    if (found !== expected) throw new Error(`PRAGMA ${name} = ${value} has no effect`);
  }
}

function guarded<T>(what: string, work: () => T): T {
  try {
    return work();
  } catch (cause) {
    if (cause instanceof VolumeError) throw cause;
    throw new VolumeError("io", `${what}: ${(cause as Error).message}`, { cause });
  }
}

function holderOf(row: Row): ProcessIdentity {
  return {
    machine: String(row["machine"]),
    boot: String(row["boot"]),
    pidNamespace: String(row["pid_namespace"]),
    pid: Number(row["pid"]),
    started: String(row["started"]),
  };
}
