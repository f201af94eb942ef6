import { chmodSync, closeSync, mkdirSync, openSync } from "node:fs";
import { dirname } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { KeyManagerError } from "../model/errors.ts";
import { type ObjectId, objectId } from "../model/managed-object.ts";
import { isOtherThanSqlite } from "../model/sqlite-file.ts";

/**
 * How far a source object has come:
 *
 * - `intended`: its copy may or may not have been made.
 * - `made`: its copy exists, and may lack something.
 * - `done`: its copy is complete and verified.
 */
export type Progress =
  | { readonly state: "intended" }
  | { readonly state: "made" | "done"; readonly targetId: ObjectId };

const schema = `
  CREATE TABLE IF NOT EXISTS migration (source TEXT NOT NULL, target TEXT NOT NULL) STRICT;
  CREATE TABLE IF NOT EXISTS foreign_ids (id TEXT PRIMARY KEY) STRICT, WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS copies (
    source_id TEXT PRIMARY KEY,
    state TEXT NOT NULL CHECK (state IN ('intended', 'made', 'done')),
    target_id TEXT UNIQUE
  ) STRICT;`;

/**
 * The record of one migration, in one SQLite file for its owner alone: which
 * object has become which, and which objects of the target are not its work.
 * It holds ids and no secret. Each write has survived a kill, or a loss of power,
 * when it returns.
 *
 * @throws `conflict` if another process has it open, or it is another migration's; `unavailable`
 */
export class MigrationJournal {
  readonly #database: DatabaseSync;
  readonly #path: string;
  readonly #copies = new Map<string, Progress>();
  readonly #claimed = new Set<string>();
  readonly #foreign = new Set<string>();

  /** @param path undefined: nothing is kept, for a dry run */
  constructor(path: string | undefined, source: string, target: string) {
    this.#path = path ?? "in memory";
    this.#database = this.#guarded(() => {
      if (path === undefined) return new DatabaseSync(":memory:");
      if (isOtherThanSqlite(path)) throw new Error("the file is not a journal; name another one");
      mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
      closeSync(openSync(path, "a", 0o600));
      chmodSync(path, 0o600);
      return new DatabaseSync(path);
    });
    try {
      this.#guarded(() => {
        // The kernel lets go of this lock when the process dies.
        this.#database.exec("PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL");
        this.#database.exec("PRAGMA synchronous = FULL");
        this.#database.exec(`BEGIN EXCLUSIVE; ${schema} COMMIT`);
      });
      this.#refuseOther(source, target);
      this.#load();
    } catch (error) {
      this.#database.close();
      throw error;
    }
  }

  /** Undefined: nothing has been done for it yet. */
  progress(sourceId: ObjectId): Progress | undefined {
    return this.#copies.get(sourceId);
  }

  /** True if a target object may be a copy that is not in the journal: it is new, and no other object claims it. */
  isUnclaimed(targetId: ObjectId): boolean {
    return !this.#foreign.has(targetId) && !this.#claimed.has(targetId);
  }

  /** Before a copy is made. */
  intend(sourceId: ObjectId): void {
    this.#write("INSERT INTO copies VALUES (?, 'intended', NULL)", sourceId);
    this.#copies.set(sourceId, { state: "intended" });
  }

  made(sourceId: ObjectId, targetId: ObjectId): void {
    this.#write(
      "UPDATE copies SET state = 'made', target_id = ? WHERE source_id = ?",
      targetId,
      sourceId,
    );
    this.#copies.set(sourceId, { state: "made", targetId });
    this.#claimed.add(targetId);
  }

  done(sourceId: ObjectId, targetId: ObjectId): void {
    this.#write("UPDATE copies SET state = 'done' WHERE source_id = ?", sourceId);
    this.#copies.set(sourceId, { state: "done", targetId });
  }

  /** When there is certainly no copy. */
  forget(sourceId: ObjectId): void {
    this.#write("DELETE FROM copies WHERE source_id = ?", sourceId);
    const progress = this.#copies.get(sourceId);
    if (progress !== undefined && progress.state !== "intended") {
      this.#claimed.delete(progress.targetId);
    }
    this.#copies.delete(sourceId);
  }

  /**
   * Notes that whatever of these objects has not been claimed is not the
   * migration's work, and that the given intentions have come to nothing.
   */
  settle(targetIds: readonly ObjectId[], unfulfilled: readonly ObjectId[]): void {
    const strangers = targetIds.filter((id) => this.isUnclaimed(id));
    this.#guarded(() => {
      this.#database.exec("BEGIN");
      const add = this.#database.prepare("INSERT INTO foreign_ids VALUES (?)");
      for (const id of strangers) add.run(id);
      const drop = this.#database.prepare("DELETE FROM copies WHERE source_id = ?");
      for (const id of unfulfilled) drop.run(id);
      this.#database.exec("COMMIT");
    });
    for (const id of strangers) this.#foreign.add(id);
    for (const id of unfulfilled) this.#copies.delete(id);
  }

  close(): void {
    this.#database.close();
  }

  #refuseOther(source: string, target: string): void {
    const known = this.#guarded(() => this.#database.prepare("SELECT * FROM migration").get());
    if (known === undefined) {
      this.#write("INSERT INTO migration VALUES (?, ?)", source, target);
      return;
    }
    if (known["source"] === source && known["target"] === target) return;
    throw new KeyManagerError(
      "conflict",
      `journal ${this.#path}: it is of another migration, from ${String(known["source"])} to ${String(known["target"])}`,
    );
  }

  #load(): void {
    for (const row of this.#database.prepare("SELECT * FROM copies").all()) {
      const state = row["state"] as Progress["state"];
      const sourceId = String(row["source_id"]);
      if (state === "intended") {
        this.#copies.set(sourceId, { state });
        continue;
      }
      const targetId = objectId(String(row["target_id"]));
      this.#copies.set(sourceId, { state, targetId });
      this.#claimed.add(targetId);
    }
    for (const row of this.#database.prepare("SELECT id FROM foreign_ids").all()) {
      this.#foreign.add(String(row["id"]));
    }
  }

  #write(statement: string, ...values: readonly string[]): void {
    this.#guarded(() => this.#database.prepare(statement).run(...values));
  }

  #guarded<T>(work: () => T): T {
    try {
      return work();
    } catch (cause) {
      const { errcode, message } = cause as Error & { readonly errcode?: number };
      const busy = errcode === 5;
      throw new KeyManagerError(
        busy ? "conflict" : "unavailable",
        `journal ${this.#path}: ${busy ? "another migration is at work with it" : message}`,
        { cause },
      );
    }
  }
}
