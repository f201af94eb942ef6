import { KeyManagerError, type ObjectId } from "@chatelaine/keys/interface";
import { messageOf, VolumeError } from "../model/errors.ts";
import type { VolumeRecord } from "../model/ledger.ts";
import { contextOf, projectOf, type VolumeContext } from "../model/volume-context.ts";

/** How the same is done to many disks. */
export interface BulkOptions<Done extends object = object> {
  /** How many at once. Default 4; 1 where all data are read and written. */
  readonly concurrency?: number | undefined;
  /** No more are begun once more than this many have failed. Default 0. */
  readonly maxErrors?: number | undefined;
  /** Only says which; default false. */
  readonly dryRun?: boolean | undefined;
  /** For progress: told of each as it ends, and how many there are. What it throws is thrown. */
  readonly onResult?: ((result: BulkResult<Done>, total: number) => void) | undefined;
}

/** How the same is done to a project's volumes. */
export interface VolumesOptions<Done extends object = object> extends BulkOptions<Done> {
  /** The label of the project whose volumes they are. Default: the context's own. */
  readonly project?: string | undefined;
  /** Which of them. Default all. See `volumeFilter`. */
  readonly filter?: ((volume: VolumeRecord) => boolean) | undefined;
}

/** What came of one disk. What the work found out is there if it is `done`. */
export type BulkResult<Done extends object = object> = Partial<Omit<Done, keyof Outcome>> & Outcome;

/** The part of a {@link BulkResult} that is always there. */
export interface Outcome {
  /** Undefined of a disk that the ledger does not have. */
  readonly id: string | undefined;
  readonly location: string;
  /**
   * - `done`
   * - `failed`: `problem` says why; it opens with the key that the ledger names, or `recover` sees to it.
   * - `impossible`: such as a snapshot or a disk in plain mode, whose key cannot change; `problem` says why.
   * - `not_begun`: too many had failed.
   * - `selected`: it would be done (`dryRun`).
   */
  readonly outcome: "done" | "failed" | "impossible" | "not_begun" | "selected";
  /** The one it has now, as far as it is known. */
  readonly keyId: ObjectId | undefined;
  readonly problem: string | undefined;
}

/** Names of the options, for those that refuse others. */
export const bulkOptionNames = ["concurrency", "maxErrors", "dryRun", "onResult"];
export const volumesOptionNames = [...bulkOptionNames, "project", "filter"];

/** What is done to each. */
export interface BulkWork<Done extends object> {
  /** For errors, such as `rekey`. */
  readonly operation: string;
  /** Why it cannot be done to a volume at all; undefined if it can. */
  readonly impossible?: (volume: VolumeRecord) => string | undefined;
  readonly work: (
    context: VolumeContext,
    location: string,
    id: string | undefined,
  ) => Promise<Done>;
}

/**
 * Does the same to each of a project's volumes. One's failure keeps no other from it,
 * up to `maxErrors`; whatever cannot be done is named.
 *
 * @returns a result for each volume that the filter lets through, in the ledger's order
 * @throws `forbidden` without credentials for the project; `invalid_argument`
 */
export async function eachVolume<Done extends object>(
  context: VolumeContext,
  options: VolumesOptions<Done>,
  bulk: BulkWork<Done>,
): Promise<readonly BulkResult<Done>[]> {
  const { project = projectOf(context), filter = () => true } = options;
  const own = contextOf(context, project);
  if (own === undefined) {
    throw new KeyManagerError(
      "forbidden",
      `${bulk.operation}: there are no credentials for ${project}`,
    );
  }
  const volumes = (await context.ledger.volumes({ project })).filter(filter);
  const subjects = volumes.map((volume) => ({
    ...volume,
    problem: elsewhere(context, volume) ?? bulk.impossible?.(volume),
  }));
  return each(own, subjects, options, bulk);
}

/** What is left to its own host, and named, so that nobody takes it for done. */
function elsewhere({ ledger }: VolumeContext, { host }: VolumeRecord): string | undefined {
  return host === ledger.host ? undefined : `its disk is on host ${host}: run the command there`;
}

/** Does the same to each of several disks, which the ledger need not have. As {@link eachVolume}. */
export function eachDisk<Done extends object>(
  context: VolumeContext,
  locations: readonly string[],
  options: BulkOptions<Done>,
  bulk: BulkWork<Done>,
): Promise<readonly BulkResult<Done>[]> {
  const more = { id: undefined, keyId: undefined, problem: undefined };
  const subjects = locations.map((location) => ({ location, ...more }));
  return each(context, subjects, options, bulk);
}

type Subject = Pick<Outcome, "id" | "location" | "keyId" | "problem">;

async function each<Done extends object>(
  context: VolumeContext,
  subjects: readonly Subject[],
  options: BulkOptions<Done>,
  { operation, work }: BulkWork<Done>,
): Promise<readonly BulkResult<Done>[]> {
  const { concurrency = 4, maxErrors = 0, dryRun = false, onResult } = options;
  requireCount(operation, "concurrency", concurrency, 1);
  requireCount(operation, "maxErrors", maxErrors, 0);
  const results: BulkResult<Done>[] = [];
  let [next, failed] = [0, 0];
  const one = async (subject: Subject): Promise<BulkResult<Done>> => {
    if (subject.problem !== undefined) return resultOf<Done>(subject, "impossible");
    if (dryRun) return resultOf<Done>(subject, "selected");
    if (failed > maxErrors) return resultOf<Done>(subject, "not_begun");
    try {
      const done = await work(context, subject.location, subject.id);
      return { ...resultOf<Done>(subject, "done"), ...done, outcome: "done", problem: undefined };
    } catch (error) {
      failed++;
      const now = subject.id === undefined ? undefined : await context.ledger.volume(subject.id);
      const problem = messageOf(error);
      return resultOf<Done>({ ...subject, keyId: now?.keyId ?? subject.keyId, problem }, "failed");
    }
  };
  const worker = async () => {
    for (let index = next++; index < subjects.length; index = next++) {
      const result = await one(subjects[index] as Subject);
      results[index] = result;
      onResult?.(result, subjects.length);
    }
  };
  await Promise.all(Array.from({ length: concurrency }, worker));
  return results;
}

function resultOf<Done extends object>(
  { id, location, keyId, problem }: Subject,
  outcome: Outcome["outcome"],
): BulkResult<Done> {
  return { id, location, outcome, keyId, problem } as BulkResult<Done>;
}

function requireCount(operation: string, name: string, count: number, least: number): void {
  if (Number.isSafeInteger(count) && count >= least) return;
  throw new VolumeError(
    "invalid_argument",
    `${operation}: ${name} must be a number, ${least} or more`,
  );
}
