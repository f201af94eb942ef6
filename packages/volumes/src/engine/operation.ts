import type { ObjectId, StoredObject } from "@chatelaine/keys/interface";
import { VolumeError } from "../model/errors.ts";
import type { OperationRecord, VolumeChange, VolumeRecord } from "../model/ledger.ts";
import type { KeySource } from "../model/volume.ts";
import type { VolumeContext } from "../model/volume-context.ts";

/** What a step has to go by. */
export interface Work<Input extends object, Facts extends object> {
  readonly context: VolumeContext;
  readonly operation: OperationRecord;
  readonly input: Input;
  /** What earlier steps found out. After a death in the middle of one, its own facts are missing. */
  readonly facts: Partial<Facts>;
  /** The volume as the ledger has it now. */
  readonly volume: VolumeRecord | undefined;
  /** A passphrase that the user typed, if the operation was begun with one. Never in the ledger: only steps before the commit have it. */
  readonly passphrase: Uint8Array | undefined;
  /** Aborted when the volume may be another process's by now: a step that takes long asks it in between. */
  readonly signal: AbortSignal;
  /**
   * A key with its bytes. It is fetched once and kept until the run ends; `again` asks the key manager again, for a step that
   * must prove what the key manager has.
   *
   * @param source Default: the context
   * @throws `missing_key`
   */
  readonly key: (
    keyId: ObjectId,
    options?: { readonly source?: KeySource; readonly again?: boolean },
  ) => Promise<StoredObject>;
}

/** A fact that an earlier step of the operation has found. @throws `integrity` if the ledger's row lacks it */
export function factOf<Facts extends object, Name extends keyof Facts & string>(
  { operation, facts }: Pick<Work<object, Facts>, "operation" | "facts">,
  name: Name,
): NonNullable<Facts[Name]> {
  const fact = facts[name];
  if (fact !== undefined && fact !== null) return fact;
  throw new VolumeError(
    "integrity",
    `${operation.kind} volume ${operation.volumeId}: the ledger lacks its ${name}: restore the ledger from a backup`,
  );
}

/** One thing that is done to a disk or in a key manager. */
export interface Step<Input extends object, Facts extends object> {
  readonly name: string;
  /**
   * Makes it so, also if it is so already, in whole or in part.
   *
   * @returns what later steps must know
   */
  take(work: Work<Input, Facts>): Promise<Partial<Facts> | undefined>;
}

/** A step before the commit: it can be taken back. */
export interface UndoableStep<Input extends object, Facts extends object>
  extends Step<Input, Facts> {
  /** Makes it as if it had never been taken, also if it was taken in part or not at all. */
  undo(work: Work<Input, Facts>): Promise<void>;
}

/** A step without an undo: it changes nothing, or the undo of an earlier step removes what it changes. */
export function withoutUndo<Input extends object, Facts extends object>(
  name: string,
  take: Step<Input, Facts>["take"],
): UndoableStep<Input, Facts> {
  return { name, take, undo: async () => {} };
}

/**
 * What an operation does, so that it can be killed at any instant.
 *
 * It prepares, commits, and finishes. Until the commit, which is one transaction
 * of the ledger, every step can be taken back, and is, if the operation fails or
 * its process dies. From then on it can only be finished, and is.
 *
 * Each step is in the ledger before it is taken. So whoever recovers knows which
 * steps are done, which one may have been begun, and that the others were not.
 */
export interface Operation<Input extends object, Facts extends object> {
  readonly kind: string;
  readonly prepare: readonly UndoableStep<Input, Facts>[];
  /** What the commit changes of volumes. */
  commit(work: Work<Input, Facts>): readonly VolumeChange[];
  readonly finish: readonly Step<Input, Facts>[];
  /** What changes of volumes once all is finished. Default nothing. */
  end?(work: Work<Input, Facts>): readonly VolumeChange[];
  /** What changes of volumes once all is undone. Default nothing. */
  abandon?(work: Work<Input, Facts>): readonly VolumeChange[];
}

/** An operation whatever its input is: what the ledger's JSON is given back to. */
export type AnyOperation = Operation<object, object>;
