import { randomUUID } from "node:crypto";
import type { Caller, ObjectId, StoredObject } from "@chatelaine/keys/interface";
import { fetchKey } from "../key/fetch-key.ts";
import { messageOf, VolumeError } from "../model/errors.ts";
import type { Lock, OperationRecord, VolumeChange } from "../model/ledger.ts";
import type { KeySource } from "../model/volume.ts";
import { nowOf, projectOf, type StepEvent, type VolumeContext } from "../model/volume-context.ts";
import type { AnyOperation, Operation, Step, UndoableStep, Work } from "./operation.ts";

/** An operation to begin. */
export interface NewOperation<Input extends object> {
  readonly volumeId: string;
  readonly input: Input;
  /** Default: a random one. */
  readonly id?: string | undefined;
  /** What changes of volumes as it begins. */
  readonly changes?: readonly VolumeChange[] | undefined;
  /**
   * That the ledger had for the volume when the input was made; undefined if it had none. If it has another by now, the
   * input is not for it: `busy`.
   */
  readonly keyId?: ObjectId | undefined;
  /** For the steps before the commit; it is not written anywhere. */
  readonly passphrase?: Uint8Array | undefined;
}

/**
 * Performs an operation from the beginning to the end, holding its volume's lock.
 *
 * If it rejects, everything has been taken back; but if the error is
 * `unfinished`, the ledger knows what is left to do, and `recover` does it.
 *
 * @returns what the steps found out
 * @throws what a step threw; `busy`; `unfinished`
 */
export async function perform<Input extends object, Facts extends object>(
  operation: Operation<Input, Facts>,
  context: VolumeContext,
  { volumeId, input, id = randomUUID(), changes, keyId, passphrase }: NewOperation<Input>,
): Promise<Facts> {
  return exclusively(context, volumeId, keyId, async (lock) => {
    const now = nowOf(context);
    const record: OperationRecord = {
      id,
      kind: operation.kind,
      volumeId,
      project: projectOf(context),
      host: context.ledger.host,
      phase: "preparing",
      step: 0,
      input,
      facts: {},
      problem: undefined,
      created: now,
      updated: now,
    };
    await context.ledger.write(record, changes);
    return (await new Run(operation, context, record, lock, passphrase).forward()) as Facts;
  });
}

/**
 * Does something with a volume while nobody else works on it: what is on the disk
 * in the middle of another's operation says nothing.
 *
 * @param keyId that the ledger had for the volume when the caller began; undefined if it had none
 * @throws `busy`, also if it has another key by now; `unfinished`
 */
export async function exclusively<T>(
  context: VolumeContext,
  volumeId: string,
  keyId: ObjectId | undefined,
  work: (lock: Lock) => Promise<T>,
): Promise<T> {
  const lock = await context.ledger.lock(volumeId);
  try {
    await refuseUnfinished(context, volumeId);
    await refuseChanged(context, volumeId, keyId);
    return await work(lock);
  } finally {
    await lock.release();
  }
}

/**
 * Takes up an operation whose process died: undoes what was not committed,
 * finishes what was.
 *
 * @param lock the volume's, which the caller holds
 */
export async function resume(
  operation: AnyOperation,
  context: VolumeContext,
  record: OperationRecord,
  lock: Lock,
): Promise<"finished" | "undone"> {
  const run = new Run(operation, context, record, lock);
  if (record.phase === "finishing") {
    await run.finish();
    return "finished";
  }
  await run.undo(record.problem ?? "its process ended before it finished");
  return "undone";
}

async function refuseUnfinished({ ledger }: VolumeContext, volumeId: string): Promise<void> {
  const [earlier] = await ledger.unfinished(volumeId);
  if (earlier === undefined) return;
  throw new VolumeError(
    "unfinished",
    `volume ${volumeId}: an earlier ${earlier.kind} is not finished (${earlier.problem ?? earlier.phase}): run "chatelaine recover" first`,
  );
}

/** What was read before the lock was held may be old: a volume that was unknown then may be in the ledger now. */
async function refuseChanged(
  { ledger }: VolumeContext,
  volumeId: string,
  keyId: ObjectId | undefined,
): Promise<void> {
  const volume = await ledger.volume(volumeId);
  if (volume?.keyId === undefined || volume.keyId === keyId) return;
  const change = keyId === undefined ? "recorded it in the ledger" : "given it another key";
  throw new VolumeError(
    "busy",
    `volume ${volumeId}: another process has ${change} in the meantime: try again`,
  );
}

class CommitInDoubt extends Error {}

/** One operation on its way, and its row in the ledger. */
class Run {
  readonly #operation: AnyOperation;
  readonly #context: VolumeContext;
  #record: OperationRecord;
  readonly #lost: AbortSignal;
  readonly #passphrase: Uint8Array | undefined;
  readonly #keys = new Map<Caller, Map<ObjectId, Promise<StoredObject>>>();

  constructor(
    operation: AnyOperation,
    context: VolumeContext,
    record: OperationRecord,
    { lost }: Lock,
    passphrase?: Uint8Array,
  ) {
    this.#operation = operation;
    this.#context = context;
    this.#record = record;
    this.#lost = lost;
    this.#passphrase = passphrase;
  }

  async forward(): Promise<object> {
    try {
      for (const step of this.#operation.prepare) await this.#take(step);
      await this.#commit();
    } catch (error) {
      if (error instanceof CommitInDoubt) throw await this.#unfinished(error.message, error.cause);
      await this.undo(messageOf(error), error);
      throw error;
    }
    await this.finish();
    return this.#record.facts;
  }

  /** A write that failed may have taken effect: then what it committed must not be undone. */
  async #commit(): Promise<void> {
    const changes = this.#operation.commit(await this.#work());
    try {
      await this.#write({ phase: "finishing", step: 0 }, changes);
    } catch (cause) {
      const seen = await this.#context.ledger.operation(this.#record.id).catch(() => {
        throw new CommitInDoubt('run "chatelaine recover" to finish or undo it', { cause });
      });
      if (seen?.phase !== "finishing") throw cause;
      this.#record = seen;
    }
  }

  async finish(): Promise<void> {
    try {
      for (const step of this.#operation.finish.slice(this.#record.step)) await this.#take(step);
      await this.#write({ phase: "done" }, this.#operation.end?.(await this.#work()));
    } catch (cause) {
      throw await this.#unfinished(
        'the change is committed; run "chatelaine recover" to finish it',
        cause,
      );
    }
  }

  /** Takes back the step that may have been begun, and all before it. */
  async undo(problem: string, reason?: unknown): Promise<void> {
    try {
      await this.#write({ phase: "undoing", problem });
      while (this.#record.step >= 0) {
        const step = this.#operation.prepare[this.#record.step];
        if (step !== undefined) await this.#untake(step);
        await this.#write({ step: this.#record.step - 1 });
      }
      await this.#write({ phase: "undone" }, this.#operation.abandon?.(await this.#work()));
    } catch (cause) {
      const because = reason === undefined ? "" : `${problem}; undoing it failed: `;
      throw await this.#unfinished('run "chatelaine recover" to undo it', cause, because);
    }
  }

  async #take(step: Step<object, object>): Promise<void> {
    this.#tell(step, "taking");
    const work = await this.#work();
    this.#lost.throwIfAborted();
    const found = await step.take(work);
    this.#tell(step, "taken");
    await this.#write({
      step: this.#record.step + 1,
      facts: { ...this.#record.facts, ...found },
    });
  }

  async #untake(step: UndoableStep<object, object>): Promise<void> {
    this.#tell(step, "undoing");
    const work = await this.#work();
    this.#lost.throwIfAborted();
    await step.undo(work);
    this.#tell(step, "undone");
  }

  async #work(): Promise<Work<object, object>> {
    const { input, facts, volumeId } = this.#record;
    return {
      context: this.#context,
      operation: this.#record,
      input,
      facts,
      volume: await this.#context.ledger.volume(volumeId),
      passphrase: this.#passphrase,
      signal: this.#lost,
      key: (keyId, { source = this.#context, again = false } = {}) =>
        this.#key(source, keyId, again),
    };
  }

  /** The callers of a run are few objects, each with few keys. */
  #key(source: KeySource, keyId: ObjectId, again: boolean): Promise<StoredObject> {
    const fetched = this.#keys.get(source.caller) ?? new Map<ObjectId, Promise<StoredObject>>();
    this.#keys.set(source.caller, fetched);
    const known = again ? undefined : fetched.get(keyId);
    if (known !== undefined) return known;
    const key = fetchKey(source, keyId);
    fetched.set(keyId, key);
    // A failure is not kept: the next step may ask again.
    key.catch(() => fetched.delete(keyId));
    return key;
  }

  /** The ledger first: what is not in it has not happened. */
  async #write(
    progress: Partial<OperationRecord>,
    changes?: readonly VolumeChange[],
  ): Promise<void> {
    const next = { ...this.#record, ...progress };
    await this.#context.ledger.write(next, changes);
    this.#record = next;
  }

  async #unfinished(outlook: string, cause: unknown, because = ""): Promise<VolumeError> {
    const reason = messageOf(cause);
    // For those who look into the ledger; the error itself says the same.
    await this.#write({ problem: reason }).catch(() => undefined);
    const { kind, volumeId } = this.#record;
    return new VolumeError(
      "unfinished",
      `${kind} volume ${volumeId}: ${because}${reason}; ${outlook}`,
      { cause },
    );
  }

  #tell(step: Step<object, object>, moment: StepEvent["moment"]): void {
    const { id, kind, volumeId } = this.#record;
    this.#context.onStep?.({
      operationId: id,
      operation: kind,
      volumeId,
      step: step.name,
      moment,
    });
  }
}
