import { randomUUID } from "node:crypto";
import { isDeepStrictEqual } from "node:util";
import { refuseUnknownOptions } from "@chatelaine/keys/interface";
import { VolumeError } from "../model/errors.ts";
import type { Ledger, Lock, OperationRecord, VolumeRecord } from "../model/ledger.ts";
import { recordsOfDisk } from "../record/recorded-disk.ts";

/** How the volumes of a ledger are taken over. */
export interface ImportLedgerOptions {
  /** Only makes all checks; default false. */
  readonly dryRun?: boolean | undefined;
}

/**
 * Takes the volumes of another ledger, all of them or none, as those of this host: from
 * one machine's SQLite file to a PostgreSQL that hosts share, say. The other ledger
 * keeps its own; nobody may use it afterwards.
 *
 * @returns the volumes, as this ledger has them now
 * @throws `unfinished` if the other has operations to recover; `busy` if one of its volumes is being worked
 *   on; `exists` if this one has a volume of the same id or place; `mismatch` if one is not read as it was written
 */
export async function importLedger(
  ledger: Ledger,
  other: Ledger,
  options: ImportLedgerOptions = {},
): Promise<readonly VolumeRecord[]> {
  refuseUnknownOptions("importLedger", options, ["dryRun"]);
  const locks: Lock[] = [];
  try {
    for (const { id } of await other.volumes()) locks.push(await other.lock(id));
    await refuseUnfinished(other);
    const volumes = (await other.volumes()).map((volume) => ({ ...volume, host: ledger.host }));
    for (const volume of volumes) await refuseKnown(ledger, volume);
    if (options.dryRun === true || volumes.length === 0) return volumes;
    await record(ledger, volumes);
    for (const volume of volumes) await verify(ledger, volume);
    return volumes;
  } finally {
    for (const lock of locks) await lock.release();
  }
}

async function refuseUnfinished(other: Ledger): Promise<void> {
  const [operation] = await other.unfinished();
  if (operation === undefined) return;
  throw new VolumeError(
    "unfinished",
    `import ledger: its ${operation.kind} of volume ${operation.volumeId} is not finished: run "chatelaine recover" with that ledger first`,
  );
}

async function refuseKnown(ledger: Ledger, { id, location }: VolumeRecord): Promise<void> {
  const [onDisk] = await recordsOfDisk(ledger, location);
  const known = (await ledger.volume(id)) ?? (await ledger.volumeAt(location)) ?? onDisk;
  if (known === undefined) return;
  throw new VolumeError(
    "exists",
    `import ledger: the configured ledger already has volume ${known.id} at ${known.location} on host ${known.host}`,
  );
}

/** One operation, so that all are written or none. */
async function record(ledger: Ledger, volumes: readonly VolumeRecord[]): Promise<void> {
  const id = randomUUID();
  const now = new Date();
  const operation: OperationRecord = {
    id,
    kind: "import-ledger",
    volumeId: id,
    project: "",
    host: ledger.host,
    phase: "done",
    step: 0,
    input: { volumes: volumes.length },
    facts: {},
    problem: undefined,
    created: now,
    updated: now,
  };
  const lock = await ledger.lock(id);
  try {
    await ledger.write(
      operation,
      volumes.map((volume) => ({ type: "put", volume })),
    );
  } finally {
    await lock.release();
  }
}

async function verify(ledger: Ledger, volume: VolumeRecord): Promise<void> {
  const read = await ledger.volume(volume.id);
  if (isDeepStrictEqual(read && { ...read, updated: volume.updated }, volume)) return;
  throw new VolumeError(
    "mismatch",
    `import ledger: volume ${volume.id} does not read back as it was written: keep using the other ledger`,
  );
}
