import { parentPort, workerData } from "node:worker_threads";
import { AuditChain, type ChainPlace, chainStart } from "../../audit/chain/audit-chain.ts";
import { RowTags } from "../../crypto/row-tags.ts";
import { auditLine } from "../../model/audit-entry.ts";
import { isDatabaseError } from "../../model/server-error.ts";
import { driveSync, OperationFinder } from "../drive.ts";
import { migrate, readMigrations } from "../migrations.ts";
import { isRefused } from "../store.ts";
import { Connection } from "./connection.ts";
import {
  type FromWriter,
  type ToWriter,
  toFailure,
  type Unit,
  type UnitResult,
  type WriterData,
} from "./messages.ts";

/** Statements, not scripts, because those are compiled each time. */
const savepoint = { sql: "SAVEPOINT unit", args: [] };
const release = { sql: "RELEASE unit", args: [] };

/**
 * The thread that owns the connection that writes. It commits a batch of units
 * at a time, each behind a savepoint of its own, so that one sync of the disk
 * serves all who came while the one before was under way.
 */
class Writer {
  readonly #connection: Connection;
  readonly #operations = new OperationFinder();
  #audit: AuditChain | undefined;
  #rowTags: RowTags | undefined;
  #checkpoint: NodeJS.Timeout | undefined;

  constructor(data: WriterData) {
    this.#connection = Connection.writer(data.path);
    this.#connection.script("BEGIN IMMEDIATE");
    try {
      driveSync(migrate(readMigrations("sqlite"), data.now), (statement) => {
        if (statement.args.length > 0 || statement.sql.startsWith("SELECT"))
          return this.#connection.execute(statement);
        this.#connection.script(statement.sql);
        return { rows: [], changes: 0 };
      });
      this.#connection.script("COMMIT");
    } catch (error) {
      this.#connection.close();
      throw error;
    }
  }

  async handle(message: ToWriter): Promise<readonly UnitResult[]> {
    switch (message.type) {
      case "batch":
        for (const unit of message.units)
          if (typeof unit !== "string" && !this.#operations.knows(unit.module))
            await this.#operations.load(unit.module);
        return this.#commit(message.units);
      case "audit-key":
        return [attempt(() => this.#startAudit(message.key))];
      case "row-tag-keys":
        return [
          attempt(() => {
            this.#rowTags = new RowTags(message.keys);
          }),
        ];
      case "backup":
        return [
          attempt(() => {
            this.#connection.execute({ sql: "VACUUM INTO ?", args: [message.path] });
          }),
        ];
      case "close":
        clearTimeout(this.#checkpoint);
        // What a full disk does not let into the file stays in the log, from which the next start reads it.
        attempt(() => this.#connection.script("PRAGMA wal_checkpoint(TRUNCATE)"));
        return [attempt(() => this.#connection.close())];
    }
  }

  #commit(units: readonly (Unit | string)[]): readonly UnitResult[] {
    const place = this.#audit?.place;
    try {
      this.#connection.script("BEGIN IMMEDIATE");
      const results = units.map((unit) =>
        typeof unit === "string" ? this.#record(unit.split("\n")) : this.#unit(unit),
      );
      this.#connection.script("COMMIT");
      this.#scheduleCheckpoint();
      return results;
    } catch (error) {
      if (place) this.#audit?.rewind(place);
      try {
        this.#connection.script("ROLLBACK");
      } catch {
        // SQLite has rolled back by itself, as it does when the disk is full.
      }
      const failure = toFailure(error);
      return units.map(() => ({ ok: false, failure }));
    }
  }

  /** @throws only what spoils the whole batch: a database that is away or full. */
  #unit(unit: Unit): UnitResult {
    let value: unknown;
    try {
      value = this.#run(unit);
    } catch (error) {
      if (isDatabaseError(error)) throw error;
      return { ok: false, failure: toFailure(error) };
    }
    if (unit.audit) {
      const outcome = isRefused(value) ? value.refused : unit.audit.outcome;
      const recorded = this.#record([auditLine(unit.audit, outcome)]);
      if (recorded !== true) return recorded;
    }
    return { ok: true, value };
  }

  #record(lines: readonly string[]): UnitResult {
    if (!this.#audit) return { ok: false, failure: { message: "audit record has no key yet" } };
    let { sequence } = this.#audit.place;
    for (const line of lines)
      this.#connection.execute({
        sql: "INSERT INTO audit (chain, sequence, line, mac) VALUES ('main', ?, ?, ?)",
        args: [++sequence, line, this.#audit.add(line)],
      });
    return true;
  }

  #run(unit: Unit): unknown {
    const operation = this.#operations.find(unit.module, unit.name);
    this.#connection.execute(savepoint);
    try {
      const value = driveSync(
        operation.steps(unit.parameters),
        (statement) => this.#connection.execute(statement),
        this.#rowTags,
      );
      if (isRefused(value)) this.#connection.script("ROLLBACK TO unit");
      this.#connection.execute(release);
      return value;
    } catch (error) {
      if (!isDatabaseError(error)) this.#connection.script("ROLLBACK TO unit; RELEASE unit");
      throw error;
    }
  }

  #startAudit(key: Uint8Array): void {
    const last = this.#lastPlace(
      `SELECT sequence, mac FROM audit WHERE chain = 'main' AND sequence <= ${Number.MAX_SAFE_INTEGER}
       ORDER BY sequence DESC LIMIT 1`,
    );
    // The entries of removed segments are gone; the chain goes on from their end.
    const removed = this.#lastPlace(
      `SELECT last_sequence AS sequence, head AS mac FROM audit_segments
       WHERE chain = 'main' AND removed IS NOT NULL ORDER BY number DESC LIMIT 1`,
    );
    this.#audit = new AuditChain(key, "main", last.sequence > removed.sequence ? last : removed);
  }

  #lastPlace(sql: string): ChainPlace {
    return (
      (this.#connection.execute({ sql, args: [] }).rows[0] as ChainPlace | undefined) ?? chainStart
    );
  }

  /** Deleted ciphertext also lies in the log until it is copied back and the log cut: soon, and while idle. */
  #scheduleCheckpoint(): void {
    this.#checkpoint ??= setTimeout(() => {
      this.#checkpoint = undefined;
      attempt(() => this.#connection.script("PRAGMA wal_checkpoint(TRUNCATE)"));
    }, 1_000).unref();
  }
}

function attempt(action: () => unknown): UnitResult {
  try {
    return { ok: true, value: action() };
  } catch (error) {
    return { ok: false, failure: toFailure(error) };
  }
}

function start(port: NonNullable<typeof parentPort>): void {
  const send = (message: FromWriter) => port.postMessage(message);
  let writer: Writer;
  try {
    writer = new Writer(workerData as WriterData);
  } catch (error) {
    send({ type: "failed", failure: toFailure(error) });
    return;
  }
  const answer = async (before: Promise<void>, message: ToWriter) => {
    await before;
    const results = await writer.handle(message);
    send({ type: "results", results });
    if (message.type === "close") port.close();
  };
  let last: Promise<void> = Promise.resolve();
  port.on("message", (message: ToWriter) => {
    last = answer(last, message);
  });
  send({ type: "ready" });
}

if (parentPort) start(parentPort);
