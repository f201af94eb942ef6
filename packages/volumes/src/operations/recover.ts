import { messageOf, VolumeError } from "../errors.ts";
import type { OperationRecord } from "../ledger/ledger.ts";
import { contextOf, type VolumeContext } from "../volume-context.ts";
import type { AnyOperation } from "./operation.ts";
import { resume } from "./perform.ts";

/** What became of one operation that was not finished. */
export interface Recovered {
  readonly operationId: string;
  readonly operation: string;
  readonly volumeId: string;
  /**
   * - `running`: a living process has it; it was left alone.
   * - `other_host`: its disks are another host's, where alone it can be recovered.
   * - `other_project`: it was begun in a project that there are no credentials for.
   * - `failed`: it is still not finished; `problem` says why.
   */
  readonly outcome: "finished" | "undone" | "running" | "other_host" | "other_project" | "failed";
  readonly problem: string | undefined;
}

/**
 * Finishes or takes back every operation whose process has died. May run at any
 * time, in any number of processes.
 *
 * @param volumeId only this volume's
 */
export async function recoverWith(
  operations: readonly AnyOperation[],
  context: VolumeContext,
  volumeId?: string,
): Promise<readonly Recovered[]> {
  const recovered: Recovered[] = [];
  for (const record of await context.ledger.unfinished(volumeId)) {
    const { id, kind } = record;
    const subject = { operationId: id, operation: kind, volumeId: record.volumeId };
    try {
      const outcome = await recoverOne(operations, context, record);
      if (outcome !== undefined) recovered.push({ ...subject, outcome, problem: undefined });
    } catch (error) {
      recovered.push({ ...subject, outcome: "failed", problem: messageOf(error) });
    }
  }
  return recovered;
}

/** @returns undefined if somebody else has finished it meanwhile */
async function recoverOne(
  operations: readonly AnyOperation[],
  context: VolumeContext,
  { id, kind, volumeId, project, host }: OperationRecord,
): Promise<Recovered["outcome"] | undefined> {
  if (host !== context.ledger.host) return "other_host";
  const operation = operations.find((candidate) => candidate.kind === kind);
  if (operation === undefined) {
    throw new VolumeError("newer_ledger", `recover ${id}: no operation "${kind}" is known here`);
  }
  const own = contextOf(context, project);
  if (own === undefined) return "other_project";
  const lock = await context.ledger.lock(volumeId).catch((error: unknown) => {
    if (error instanceof VolumeError && error.code === "busy") return undefined;
    throw error;
  });
  if (lock === undefined) return "running";
  try {
    const now = await context.ledger.operation(id);
    if (now === undefined || now.phase === "done" || now.phase === "undone") return undefined;
    return await resume(operation, own, now, lock);
  } finally {
    await lock.release();
  }
}
