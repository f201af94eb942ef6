import { KeyManagerError, type ObjectId, refuseUnknownOptions } from "@chatelaine/keys";
import { messageOf, VolumeError } from "./errors.ts";
import type { VolumeRecord } from "./ledger/ledger.ts";
import { rekeyVolume } from "./rekey-volume.ts";
import { contextOf, projectOf, type VolumeContext } from "./volume-context.ts";

/** Which volumes, how many at once, and who is told. */
export interface RekeyVolumesOptions {
  /** The label of the project whose volumes they are. Default: the context's own. */
  readonly project?: string | undefined;
  /** Which of them. Default all. See `volumeFilter`. */
  readonly filter?: ((volume: VolumeRecord) => boolean) | undefined;
  /** How many at once. Default 4. */
  readonly concurrency?: number | undefined;
  /** No more are begun once more than this many have failed. Default 0. */
  readonly maxErrors?: number | undefined;
  /** Only says which; default false. */
  readonly dryRun?: boolean | undefined;
  /** For progress: told of each as it ends. What it throws is thrown. */
  readonly onResult?: ((result: RekeyResult) => void) | undefined;
}

/** What came of one volume. */
export interface RekeyResult {
  readonly id: string;
  readonly location: string;
  /**
   * - `rekeyed`: it has another key, and the old one opens it no more.
   * - `failed`: `problem` says why; it opens with the key that the ledger names.
   * - `impossible`: a snapshot or a disk in plain mode, whose key cannot change.
   * - `not_begun`: too many had failed.
   * - `selected`: it would be rekeyed (`dryRun`).
   */
  readonly outcome: "rekeyed" | "failed" | "impossible" | "not_begun" | "selected";
  /** The one it has now. */
  readonly keyId: ObjectId | undefined;
  readonly oldKeyId: ObjectId | undefined;
  /** False if the old key is still in the key manager, because others need it or the user brought it. */
  readonly oldKeyDeleted: boolean;
  readonly problem: string | undefined;
}

/**
 * Gives each of a project's volumes a new key: for the day on which keys have
 * leaked. One volume's failure keeps no other from it, up to `maxErrors`; whatever
 * cannot be rekeyed is named, so that nobody takes it for safe.
 *
 * @returns a result for each volume that the filter lets through, in the ledger's order
 * @throws `forbidden` without credentials for the project; `invalid_argument`
 */
export async function rekeyVolumes(
  context: VolumeContext,
  options: RekeyVolumesOptions = {},
): Promise<readonly RekeyResult[]> {
  refuseUnknownOptions("rekeyVolumes", options, [
    "project",
    "filter",
    "concurrency",
    "maxErrors",
    "dryRun",
    "onResult",
  ]);
  const { project = projectOf(context), filter = () => true, dryRun = false } = options;
  const { concurrency = 4, maxErrors = 0, onResult = () => undefined } = options;
  requireCount("concurrency", concurrency, 1);
  requireCount("maxErrors", maxErrors, 0);
  const own = contextOf(context, project);
  if (own === undefined) {
    throw new KeyManagerError("forbidden", `rekey: there are no credentials for ${project}`);
  }
  const volumes = (await context.ledger.volumes({ project })).filter(filter);
  const results: RekeyResult[] = [];
  let [next, failed] = [0, 0];
  const worker = async () => {
    for (let index = next++; index < volumes.length; index = next++) {
      const volume = volumes[index] as VolumeRecord;
      const result =
        dryRun || failed > maxErrors ? unchanged(volume, dryRun) : await rekey(own, volume);
      if (result.outcome === "failed") failed++;
      results[index] = result;
      onResult(result);
    }
  };
  await Promise.all(Array.from({ length: concurrency }, worker));
  return results;
}

async function rekey(context: VolumeContext, volume: VolumeRecord): Promise<RekeyResult> {
  if (impossible(volume) !== undefined) return unchanged(volume, false);
  try {
    const { keyId, oldKeyId, oldKeyDeleted } = await rekeyVolume(context, volume.location);
    return { ...unchanged(volume, false), outcome: "rekeyed", keyId, oldKeyId, oldKeyDeleted };
  } catch (error) {
    const now = await context.ledger.volume(volume.id);
    return { ...unchanged(now ?? volume, false), outcome: "failed", problem: messageOf(error) };
  }
}

function unchanged(volume: VolumeRecord, dryRun: boolean): RekeyResult {
  const { id, location, keyId } = volume;
  const problem = impossible(volume);
  const kept = dryRun ? "selected" : "not_begun";
  const outcome = problem === undefined ? kept : "impossible";
  return { id, location, outcome, keyId, oldKeyId: undefined, oldKeyDeleted: false, problem };
}

function impossible({ kind, format }: VolumeRecord): string | undefined {
  if (kind === "snapshot") return "a snapshot keeps the slots it was made with: delete it";
  if (format === "plain") return "plain mode has no key slots: make another disk";
  return undefined;
}

function requireCount(name: string, count: number, least: number): void {
  if (Number.isSafeInteger(count) && count >= least) return;
  throw new VolumeError("invalid_argument", `rekey: ${name} must be a number, ${least} or more`);
}
