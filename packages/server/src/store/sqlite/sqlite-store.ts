import type { DatabaseSync } from "node:sqlite";
import { Worker } from "node:worker_threads";
import { RowTags } from "../../crypto/row-tags.ts";
import type { AuditEntry } from "../../model/audit-entry.ts";
import { ServerError } from "../../model/server-error.ts";
import { driveSync } from "../drive.ts";
import type { Operation, Statement } from "../operation.ts";
import { type Store } from "../store.ts";
import { Connection } from "./connection.ts";
import { lockFile, makePrivate } from "./file-lock.ts";
import {
  type FromWriter,
  fromFailure,
  type ToWriter,
  type Unit,
  type UnitResult,
  type WriterData,
} from "./messages.ts";

export interface SqliteStoreOptions {
  /** The database file; made, with its folder (mode 0700), if it is missing. `<path>.lock` lies beside it. */
  readonly path: string;
  /** UTC now, for the migrations table. */
  readonly now: string;
}

interface Waiting {
  readonly unit: Unit | string;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: Error) => void;
}

/** More units than this in one transaction make the first of them wait for nothing gained. */
const maxBatch = 512;

/**
 * The store on an embedded SQLite file, for one process. Reads run on the
 * caller's thread; writes go to one writer thread, in batches that share a commit.
 */
export class SqliteStore implements Store {
  readonly dialect = "sqlite";
  readonly #lock: DatabaseSync;
  readonly #worker: Worker;
  readonly #reader: Connection;
  readonly #path: string;
  #reads: (() => void)[] = [];
  #queue: Waiting[] = [];
  readonly #answers: ((results: readonly UnitResult[]) => void)[] = [];
  #rowTags: RowTags | undefined;
  #busy = false;
  #scheduled = false;
  #closed = false;
  #failure: ServerError | undefined;

  private constructor(path: string, lock: DatabaseSync, worker: Worker) {
    this.#path = path;
    this.#lock = lock;
    this.#worker = worker;
    this.#reader = Connection.reader(path);
    worker.on("message", (message: FromWriter) => {
      if (message.type === "results") this.#answers.shift()?.(message.results);
    });
    worker.on("error", (error) => this.#lose(error));
  }

  /**
   * @throws `locked` if another process serves the file, `schema` if
   *   its migrations do not fit, `unavailable` if it cannot be opened.
   */
  static async open(options: SqliteStoreOptions): Promise<SqliteStore> {
    makePrivate(options.path);
    const lock = lockFile(options.path);
    const data: WriterData = { path: options.path, now: options.now };
    const script = import.meta.url.endsWith(".ts") ? "./writer.ts" : "./writer.js";
    const worker = new Worker(new URL(script, import.meta.url), {
      workerData: data,
      name: "writer",
      // It keeps next to nothing from one batch to the next.
      resourceLimits: { maxYoungGenerationSizeMb: 6, maxOldGenerationSizeMb: 256 },
    });
    try {
      const first = await new Promise<FromWriter>((resolve, reject) => {
        worker.once("message", resolve);
        worker.once("error", reject);
      });
      if (first.type === "failed") throw fromFailure(first.failure);
      return new SqliteStore(options.path, lock, worker);
    } catch (error) {
      await worker.terminate();
      lock.close();
      throw error;
    }
  }

  read<P, R>(operation: Operation<P, R>, parameters: P): Promise<R> {
    if (this.#failure) return Promise.reject(this.#failure);
    return new Promise((resolve, reject) => {
      const run = () => {
        try {
          const execute = (s: Statement) => this.#reader.execute(s);
          resolve(driveSync(operation.steps(parameters), execute, this.#rowTags));
        } catch (error) {
          reject(error);
        }
      };
      // What is asked in one turn of the event loop goes step by step together from here on. So each step finds the
      // processor's caches warm, and the answers go out one right after the other, which wakes a client once for many.
      if (this.#reads.push(run) === 1) setImmediate(() => this.#readAll());
    });
  }

  write<P, R>(operation: Operation<P, R>, parameters: P, audit?: AuditEntry): Promise<R> {
    const { module, name } = operation;
    return this.#enqueue({ module, name, parameters, ...(audit && { audit }) }) as Promise<R>;
  }

  async record(lines: string): Promise<void> {
    await this.#enqueue(lines);
  }

  async startAudit(key: Uint8Array): Promise<void> {
    only(await this.#ask({ type: "audit-key", key }));
  }

  async startRowTags(keys: readonly Uint8Array[]): Promise<void> {
    this.#rowTags = new RowTags(keys);
    only(await this.#ask({ type: "row-tag-keys", keys }));
  }

  async ping(): Promise<void> {
    if (this.#failure) throw this.#failure;
    this.#reader.execute({ sql: "SELECT number FROM migrations LIMIT 1", args: [] });
  }

  async backup(path: string): Promise<void> {
    only(await this.#ask({ type: "backup", path }));
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    if (!this.#busy) this.#send();
    while (this.#busy || this.#queue.length > 0)
      await new Promise((resolve) => setImmediate(resolve));
    this.#readAll();
    this.#reader.close();
    try {
      if (!this.#failure) await this.#closeWriter();
    } finally {
      this.#lock.close();
    }
  }

  async #closeWriter(): Promise<void> {
    const gone = new Promise((resolve) => this.#worker.once("exit", resolve));
    const closed = this.#ask({ type: "close" });
    // No later message would be answered.
    this.#failure = new ServerError("unavailable", `store ${this.#path}: closed`);
    only(await closed);
    await gone;
  }

  #readAll(): void {
    const reads = this.#reads;
    this.#reads = [];
    if (reads.length > 1) this.#reader.readTogether(reads);
    else for (const read of reads) read();
  }

  #enqueue(unit: Unit | string): Promise<unknown> {
    if (this.#failure) return Promise.reject(this.#failure);
    return new Promise((resolve, reject) => {
      this.#queue.push({ unit, resolve, reject });
      if (this.#busy || this.#scheduled) return;
      // What else arrives in this turn of the event loop shares the commit.
      this.#scheduled = true;
      setImmediate(() => {
        this.#scheduled = false;
        if (!this.#busy) this.#send();
      });
    });
  }

  /** Sends what waits, and continues while more arrives. */
  #send(): void {
    const batch = this.#queue.slice(0, maxBatch);
    this.#queue = this.#queue.slice(maxBatch);
    if (batch.length === 0) return;
    this.#busy = true;
    this.#answers.push((results) => {
      this.#busy = false;
      for (const [index, waiting] of batch.entries()) {
        const result = results[index];
        if (result === true) waiting.resolve(undefined);
        else if (result?.ok) waiting.resolve(result.value);
        else
          waiting.reject(
            fromFailure(result?.failure ?? { code: "unavailable", message: "writer thread ended" }),
          );
      }
      this.#send();
    });
    try {
      this.#worker.postMessage({ type: "batch", units: batch.map(({ unit }) => unit) });
    } catch (error) {
      // A parameter that cannot be cloned is a programming error.
      this.#answers.pop();
      this.#busy = false;
      for (const waiting of batch) waiting.reject(error as Error);
    }
  }

  #ask(message: ToWriter): Promise<readonly UnitResult[]> {
    if (this.#failure) return Promise.reject(this.#failure);
    return new Promise((resolve) => {
      this.#answers.push(resolve);
      this.#worker.postMessage(message);
    });
  }

  #lose(error: unknown): void {
    this.#failure = new ServerError("unavailable", `store ${this.#path}: writer thread ended`, {
      cause: error,
    });
    for (const waiting of this.#queue.splice(0)) waiting.reject(this.#failure);
    for (const answer of this.#answers.splice(0)) answer([]);
  }
}

function only(results: readonly UnitResult[]): unknown {
  const result = results[0];
  if (result === true) return undefined;
  if (result?.ok) return result.value;
  throw fromFailure(result?.failure ?? { code: "unavailable", message: "writer thread ended" });
}
