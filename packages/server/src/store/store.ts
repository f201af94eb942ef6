import type { AuditEntry } from "../model/audit-entry.ts";
import type { Operation } from "./operation.ts";

/**
 * Keeps the server's rows, in SQLite or PostgreSQL.
 *
 * A resolved write is durable: it survives the loss of power. Rejects only with
 * a `ServerError` with a code of the database, or with what an operation itself threw.
 */
export interface Store {
  readonly dialect: "sqlite" | "postgres";

  /** Runs an operation that only reads. What has been acknowledged is seen. */
  read<P, R>(operation: Operation<P, R>, parameters: P): Promise<R>;

  /**
   * Runs an operation in a transaction and resolves when it is durable. If it
   * throws, or resolves to an object with a member `refused`, nothing is changed
   * but the audit record, which then names the refusal.
   *
   * @param audit Becomes part of the same transaction.
   */
  write<P, R>(operation: Operation<P, R>, parameters: P, audit?: AuditEntry): Promise<R>;

  /**
   * Adds entries to the audit record, all or none; resolves when they are durable.
   *
   * @param lines of `auditLine`, with a line feed between any two
   */
  record(lines: string): Promise<void>;

  /** Sets the key of the audit record's hash chain. Entries before it is set are refused. */
  startAudit(key: Uint8Array): Promise<void>;

  /**
   * Sets the keys of the rows' tags, the current one first. Operations on tagged rows before it are refused.
   *
   * @param keys 32 bytes each; copied
   */
  startRowTags(keys: readonly Uint8Array[]): Promise<void>;

  /** Resolves if the database answers. @throws `unavailable` */
  ping(): Promise<void>;

  /** Writes a consistent copy to a new file while others read and write. SQLite only. */
  backup?(path: string): Promise<void>;

  /** Finishes what was accepted, then lets go of the database. */
  close(): Promise<void>;
}

/** What a write operation resolves to when a rule of the data forbids it. */
export interface Refused<Reason extends string = string> {
  readonly refused: Reason;
}

/** True if a write was refused by the operation itself, so that its changes must be undone. */
export function isRefused(result: unknown): result is Refused {
  return typeof result === "object" && result !== null && "refused" in result;
}
