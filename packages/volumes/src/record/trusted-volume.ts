import { type ObjectId, objectId } from "@chatelaine/keys/interface";
import {
  type CheckedHeader,
  checkHeader,
  LuksError,
  type LuksHeader,
  layoutOf,
} from "@chatelaine/luks";
import { tokensOf } from "../disk/tokens.ts";
import { requireRegisteredKey } from "../key/managed-key.ts";
import { VolumeError } from "../model/errors.ts";
import {
  describeChanges,
  isGrowth,
  type LayoutChange,
  layoutChanges,
  type RecordedLayout,
  type VolumeLayout,
} from "../model/layout.ts";
import type { Ledger, VolumeRecord } from "../model/ledger.ts";
import type { KeySource, Volume } from "../model/volume.ts";
import { headerIdOf, recordAt } from "./recorded-disk.ts";
import { volumeOfHeader } from "./volume-of-header.ts";

/** Where keys come from, and what is known of volumes. Without a ledger every disk is a stranger. */
export interface VolumeSource extends KeySource {
  readonly ledger?: Ledger | undefined;
}

/** What the caller says of a disk that the ledger does not know. */
export interface TrustOptions {
  /**
   * The key that opens it. Required where the ledger has no row for the disk, unless the disk
   * names a key of the caller's own project that is registered for this volume.
   */
  readonly keyId?: ObjectId | undefined;
}

/** For those that record a larger size afterwards. */
export interface GrowthOptions {
  /** The device may be larger than recorded. Default false. */
  readonly mayHaveGrown?: boolean;
}

/** A disk whose header is as the ledger has it, and the key that may be fetched for it. */
export interface TrustedVolume {
  readonly volume: Volume;
  /** The one that was compared: open and map by it, and read no other. */
  readonly header: CheckedHeader;
  readonly layout: VolumeLayout;
  /** Undefined if the ledger has no row for the disk. */
  readonly record: VolumeRecord | undefined;
}

/**
 * Decides which key a disk may be opened with. Every use of a disk's data or key slots begins here.
 *
 * With a row in the ledger: the row's key, if the header is the one that the row describes.
 * Without one, the key that the caller names; or the one that the disk names, if it is in the
 * caller's own project and registered for this volume.
 *
 * @throws `integrity`, `untrusted`, `not_a_volume`, `unfinished`, `invalid_argument`
 */
export async function trustedVolume(
  source: VolumeSource,
  path: string,
  options: TrustOptions & GrowthOptions = {},
): Promise<TrustedVolume> {
  const { ledger } = source;
  const record = ledger && (await recordAt(ledger, path));
  const header = await checkHeader(path).catch((error: unknown) => {
    throw record === undefined ? error : withRestore(path, record, error);
  });
  const layout = layoutOf(header);
  if (ledger === undefined || record === undefined) {
    if (options.keyId === undefined) await refuseOtherLayout(ledger, path, header);
    const keyId = await keyOfStranger(source, path, header, options);
    return { volume: volumeOfHeader(header, path, keyId), header, layout, record };
  }
  const { keyId, state } = record;
  if (keyId === undefined || state === "creating") {
    throw new VolumeError(
      "unfinished",
      `open ${path}: volume ${record.id} is not complete: run "chatelaine recover"`,
    );
  }
  if (options.keyId !== undefined && options.keyId !== keyId) {
    throw new VolumeError(
      "invalid_argument",
      `open ${path}: its key in the ledger is ${keyId}, not ${options.keyId}: run the command without a key id`,
    );
  }
  await requireRecorded(ledger, path, record, header, options);
  return { volume: volumeOfHeader(header, path, keyId), header, layout, record };
}

/**
 * Refuses a header that is not the one that the ledger's row describes. A row without a layout
 * decides about the id only.
 *
 * @throws `mismatch` for another volume's header, `integrity`; `unfinished` in the middle of an operation that changes it
 */
export async function requireRecorded(
  ledger: Ledger,
  path: string,
  record: VolumeRecord,
  header: CheckedHeader,
  options: GrowthOptions = {},
): Promise<void> {
  const problem = recordedProblem(path, record, header, options);
  if (problem === undefined) return;
  const [operation] = problem.code === "integrity" ? await ledger.unfinished(record.id) : [];
  if (operation === undefined) throw problem;
  throw new VolumeError(
    "unfinished",
    `open ${path}: its ${operation.kind} is not finished: run "chatelaine recover"`,
    { cause: problem },
  );
}

/** How a disk's header differs from its row in the ledger; undefined if it does not. */
export function recordedProblem(
  path: string,
  record: RecordOfHeader & Pick<VolumeRecord, "kind" | "id">,
  header: CheckedHeader,
  { mayHaveGrown = false }: GrowthOptions = {},
): VolumeError | undefined {
  const expected = headerIdOf(record);
  if (header.uuid !== expected) {
    return new VolumeError(
      "mismatch",
      `open ${path}: its header says volume ${header.uuid}, but the ledger has ${expected} at this path`,
    );
  }
  const changes = changesOf(record, header).filter((change) => !(mayHaveGrown && isGrowth(change)));
  return changes.length === 0 ? undefined : changedHeader(path, changes);
}

/** What of a row says how its disk is encrypted. */
export type RecordOfHeader = Pick<VolumeRecord, "format" | "cipher" | "parentId" | "layout">;

/** Which fields of a header are not as recorded. */
export function changesOf(record: RecordOfHeader, header: CheckedHeader): readonly LayoutChange[] {
  return layoutChanges(recordedLayout(record), layoutOf(header));
}

/** A row from before layouts has the format, and the cipher of all but clones. */
export function recordedLayout({
  format,
  cipher,
  parentId,
  layout,
}: RecordOfHeader): RecordedLayout {
  return layout ?? { format, ...(parentId === undefined && { cipher }) };
}

export function changedHeader(path: string, changes: readonly LayoutChange[]): VolumeError {
  return new VolumeError(
    "integrity",
    `open ${path}: its header differs from the one in the ledger: ${describeChanges(changes)}; ${remedy(path, changes)}`,
  );
}

/** Says where a lost header comes back from. */
function withRestore(path: string, { headerBackup, state }: VolumeRecord, error: unknown): unknown {
  if (!(error instanceof LuksError) || !lostHeader.includes(error.code)) return error;
  // While a disk is being made, encrypted, decrypted or deleted, it need not have a header.
  const way =
    state !== "ready"
      ? `its state in the ledger is ${state}: run "chatelaine recover" to finish the operation`
      : headerBackup === undefined
        ? `the ledger has no backup of its header: if you have one, run "chatelaine volume restore ${path} FILE"`
        : `run "chatelaine volume restore ${path}" to put its backup back`;
  return new LuksError(error.code, `${error.message}; ${way}`, { cause: error });
}

const lostHeader: readonly string[] = ["not_luks", "corrupt_header"];

function remedy(path: string, changes: readonly LayoutChange[]): string {
  const [growth] = changes.filter(isGrowth);
  return growth !== undefined && changes.length === 1
    ? `if you extended it, run "chatelaine volume resize ${path}", of a file with --size ${growth.found}`
    : `if you changed it yourself, run "chatelaine volume adopt ${path} --accept-header"`;
}

/** The volume that a disk in another place says it is may be in the ledger all the same. */
async function refuseOtherLayout(
  ledger: Ledger | undefined,
  path: string,
  header: CheckedHeader,
): Promise<void> {
  const elsewhere = await ledger?.volume(header.uuid);
  if (elsewhere === undefined) return;
  // A copy may lie on a device of another size.
  const changes = changesOf(elsewhere, header).filter(({ field }) => field !== "size");
  if (changes.length > 0) throw changedHeader(path, changes);
}

async function keyOfStranger(
  source: VolumeSource,
  path: string,
  header: LuksHeader,
  { keyId }: TrustOptions,
): Promise<ObjectId> {
  if (keyId !== undefined) return keyId;
  const tokens = tokensOf(header);
  const named = tokens.find(({ keyslots }) => keyslots.length > 0) ?? tokens[0];
  if (named === undefined) {
    throw new VolumeError(
      "not_a_volume",
      `open ${path}: the ledger does not know the disk, and it names no key: import it, or name its key`,
    );
  }
  const claimed = objectId(named.object);
  await requireRegisteredKey(source, path, header.uuid, claimed);
  return claimed;
}
