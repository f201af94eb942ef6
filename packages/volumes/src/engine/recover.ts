import { resolve } from "node:path";
import { silentAmong } from "@chatelaine/luks";
import { messageOf, VolumeError } from "../model/errors.ts";
import type { OperationRecord } from "../model/ledger.ts";
import { contextOf, type VolumeContext } from "../model/volume-context.ts";
import type { AnyOperation } from "./operation.ts";
import { resume } from "./perform.ts";
import { storageOf } from "./storage.ts";

/** What became of one operation that was not finished. */
export interface Recovered {
  readonly operationId: string;
  readonly operation: string;
  readonly volumeId: string;
  /**
   * - `running`: a living process has it; it was left alone.
   * - `other_host`: its disks are another host's, where alone it can be recovered.
   * - `other_project`: it was begun in a project that there are no credentials for.
   * - `failed`: it is still not finished; `problem` says why. Of storage that does not answer in time, it names the path.
   */
  readonly outcome: "finished" | "undone" | "running" | "other_host" | "other_project" | "failed";
  readonly problem: string | undefined;
}

/** Which operations are recovered, and in which order. */
export interface RecoverOptions {
  /** Only this volume's. Default: every one's. */
  readonly volumeId?: string | undefined;
  /** Path of a disk that is needed next: what was begun there is recovered first. */
  readonly first?: string | undefined;
}

/**
 * Finishes or takes back every operation whose process has died. May run at any
 * time, in any number of processes.
 *
 * An operation whose storage does not answer is left as it is, so that it keeps no
 * other waiting. Storage is only looked at if an operation is not finished.
 *
 * @throws `io` if nothing can be done with the disk at `first`, because its storage does not answer
 */
export async function recoverWith(
  operations: readonly AnyOperation[],
  context: VolumeContext,
  { volumeId, first }: RecoverOptions,
): Promise<readonly Recovered[]> {
  const records = await context.ledger.unfinished(volumeId);
  if (records.every(({ host }) => host !== context.ledger.host)) {
    return recoverAll(operations, context, records, new Map());
  }
  const subject = first === undefined ? undefined : resolve(first);
  const isNeeded = ({ input }: OperationRecord) =>
    subject === undefined || storageOf(input).includes(subject);
  const needed = records.filter(isNeeded);
  const others = records.filter((record) => !isNeeded(record));
  const paths = subject === undefined ? [] : [subject];
  const [neededSilence, otherSilence] = await Promise.all([
    silentAmong([...paths, ...localStorage(context, needed)], { patienceMs: neededPatienceMs }),
    silentAmong(localStorage(context, others), { patienceMs: otherPatienceMs }),
  ]);
  const recovered = [
    ...(await recoverAll(operations, context, needed, neededSilence)),
    ...(await recoverAll(operations, context, others, otherSilence)),
  ];
  if (subject !== undefined) refuseSilent(subject, paths, neededSilence);
  return recovered;
}

/** How long storage may take to answer: that of the disk that is needed may be slow; no other delays a command for long. */
const [neededPatienceMs, otherPatienceMs] = [5000, 1500];

function localStorage(
  { ledger }: VolumeContext,
  records: readonly OperationRecord[],
): readonly string[] {
  return records
    .filter(({ host }) => host === ledger.host)
    .flatMap(({ input }) => storageOf(input));
}

/** @throws `io` */
function refuseSilent(
  subject: string,
  paths: readonly string[],
  silent: ReadonlyMap<string, string>,
): void {
  for (const path of paths) {
    const reason = silent.get(path);
    if (reason === undefined) continue;
    const what = subject === path ? path : `${subject}: ${path}`;
    throw new VolumeError("io", `${what}: ${reason}, then run "chatelaine recover"`);
  }
}

async function recoverAll(
  operations: readonly AnyOperation[],
  context: VolumeContext,
  records: readonly OperationRecord[],
  silent: ReadonlyMap<string, string>,
): Promise<readonly Recovered[]> {
  const recovered: Recovered[] = [];
  for (const record of records) {
    const { id, kind } = record;
    const subject = { operationId: id, operation: kind, volumeId: record.volumeId };
    try {
      const outcome = await recoverOne(operations, context, record, silent);
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
  { id, kind, volumeId, project, host, input }: OperationRecord,
  silent: ReadonlyMap<string, string>,
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
    refuseSilent(`recover ${kind}`, storageOf(input), silent);
    return await resume(operation, own, now, lock);
  } finally {
    await lock.release();
  }
}
