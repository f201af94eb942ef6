import { randomUUID } from "node:crypto";
import { VolumeError } from "../model/errors.ts";
import type { VolumeLayout } from "../model/layout.ts";
import type { Ledger, OperationRecord, VolumeRecord } from "../model/ledger.ts";

/**
 * Fills a row from before layouts were recorded, once the row's key has been seen to open the
 * disk. If another process works on the volume, or the ledger cannot be written now, the row
 * stays as it is until the next time.
 *
 * @returns whether the row has a layout now
 */
export async function recordFirstLayout(
  ledger: Ledger,
  record: VolumeRecord,
  layout: VolumeLayout,
): Promise<boolean> {
  if (record.layout !== undefined) return true;
  try {
    return await changeRecord(ledger, "record-layout", record.id, (now, unfinished) => {
      const isSame = now.keyId === record.keyId && now.state === "ready";
      const isFree = unfinished === undefined && now.layout === undefined;
      return isSame && isFree ? { ...now, layout } : undefined;
    });
  } catch (error) {
    if (error instanceof VolumeError && passing.includes(error.code)) return false;
    throw error;
  }
}

const passing: readonly string[] = ["busy", "unavailable", "io"];

/**
 * Changes a volume's row and nothing else, while nobody works on the volume.
 *
 * @param change is given the row as it is under the lock, and the operation that waits for `recover`; undefined leaves the row
 * @returns whether it was changed
 * @throws `busy`
 */
export async function changeRecord(
  ledger: Ledger,
  kind: string,
  volumeId: string,
  change: (now: VolumeRecord, unfinished: OperationRecord | undefined) => VolumeRecord | undefined,
): Promise<boolean> {
  const lock = await ledger.lock(volumeId);
  try {
    const record = await ledger.volume(volumeId);
    const [unfinished] = await ledger.unfinished(volumeId);
    const volume = record && change(record, unfinished);
    if (volume === undefined) return false;
    await ledger.write(doneOperation(ledger, kind, volume), [{ type: "put", volume }]);
    return true;
  } finally {
    await lock.release();
  }
}

/** One write is the whole operation: there is nothing that a recovery could find half done. */
export function doneOperation(
  { host }: Ledger,
  kind: string,
  { id: volumeId, project }: VolumeRecord,
): OperationRecord {
  const now = new Date();
  return {
    id: randomUUID(),
    kind,
    volumeId,
    project,
    host,
    phase: "done",
    step: 0,
    input: {},
    facts: {},
    problem: undefined,
    created: now,
    updated: now,
  };
}
