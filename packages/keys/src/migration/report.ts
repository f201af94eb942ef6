import type { KeyManagerError } from "../model/errors.ts";
import type { ObjectId } from "../model/managed-object.ts";

/** How far a migration is, in objects and containers. */
export interface MigrationProgress {
  readonly done: number;
  readonly total: number;
}

/**
 * - `copied`: now, and verified.
 * - `already there`: copied by an earlier run.
 * - `to do`: not begun, because of a dry run or of the signal.
 */
export type MigrationOutcome = "copied" | "already there" | "to do" | "skipped" | "failed";

/** What became of one object or container of the source. */
export interface MigratedItem {
  readonly kind: "object" | "container";
  readonly sourceId: ObjectId;
  /** Undefined if it has no complete copy. */
  readonly targetId: ObjectId | undefined;
  readonly name: string | undefined;
  readonly type: string;
  readonly outcome: MigrationOutcome;
  /** Why it was skipped, or failed. */
  readonly reason: string | undefined;
  /** Why it failed. */
  readonly error: KeyManagerError | undefined;
}

/** What a migration found and did. */
export interface MigrationReport {
  /** Names of service and project. */
  readonly source: string;
  readonly target: string;
  readonly journal: string;
  /** Objects in the source's order, then containers. */
  readonly items: readonly MigratedItem[];
}
