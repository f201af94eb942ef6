import { refuseUnknownOptions } from "@chatelaine/keys/interface";
import { checkHeader, layoutOf, testPassphrase } from "@chatelaine/luks";
import { fetchKey } from "../key/fetch-key.ts";
import { lendPassphrase } from "../key/passphrase.ts";
import { VolumeError } from "../model/errors.ts";
import { type LayoutChange, layoutChanges, type VolumeLayout } from "../model/layout.ts";
import type { OperationRecord, VolumeRecord } from "../model/ledger.ts";
import { nowOf, type VolumeContext } from "../model/volume-context.ts";
import { fingerprintOf } from "../operations/reencrypt.ts";
import { recoverFor } from "../operations/registry.ts";
import { changeRecord } from "../record/record-layout.ts";
import { recordAt } from "../record/recorded-disk.ts";
import { recordedLayout, recordedProblem } from "../record/trusted-volume.ts";

/** Whether anything is written. */
export interface AcceptHeaderOptions {
  /** Only says what would change; default false. */
  readonly dryRun?: boolean | undefined;
}

/** A header that the ledger has taken for a volume's, or would take. */
export interface AcceptedHeader {
  readonly id: string;
  readonly path: string;
  /** As the ledger had it. Undefined of a row from before layouts were recorded. */
  readonly before: VolumeLayout | undefined;
  readonly layout: VolumeLayout;
  readonly changes: readonly LayoutChange[];
}

/**
 * Takes a volume's header as it is now for the right one, after a change that was made without
 * us, such as by `cryptsetup reencrypt`. The volume's key must open it. Compare `changes` with what
 * you did: anybody who can write the disk can change its header, too.
 *
 * @throws `not_found` if the ledger has no volume there; `missing_key`, `busy`, `mismatch`, `unfinished`;
 *   `LuksError` `wrong_passphrase` if the key does not open it
 */
export async function acceptVolumeHeader(
  context: VolumeContext,
  path: string,
  options: AcceptHeaderOptions = {},
): Promise<AcceptedHeader> {
  refuseUnknownOptions("acceptVolumeHeader", options, ["dryRun"]);
  if (options.dryRun !== true) await recoverFor(context, path);
  const { ledger } = context;
  const record = await recordAt(ledger, path);
  if (record?.keyId === undefined || record.state !== "ready") {
    throw new VolumeError(
      "not_found",
      `accept header of ${path}: the ledger has no volume at this path`,
    );
  }
  const header = await checkHeader(path);
  const problem = recordedProblem(path, record, header);
  if (problem?.code === "mismatch") throw problem;
  await refuseHalfChanged(context, path, record.id);
  const key = await fetchKey(context, record.keyId, `accept header of ${path}`);
  await lendPassphrase(key, (passphrase) => testPassphrase(path, passphrase, { header }));
  const layout = layoutOf(header);
  const before = record.layout;
  const changes = layoutChanges(recordedLayout(record), layout);
  const accepted = { id: record.id, path, before, layout, changes };
  if (options.dryRun === true || (before !== undefined && changes.length === 0)) return accepted;
  const volumeKey = fingerprintOf(header);
  const isChanged = await changeRecord(ledger, "accept-header", record.id, (now, unfinished) =>
    now.keyId === record.keyId && !changesHeader(unfinished)
      ? withHeader(context, now, layout, volumeKey)
      : undefined,
  );
  if (isChanged) return accepted;
  throw new VolumeError(
    "busy",
    `accept header of ${path}: another process is changing the volume: try again`,
  );
}

/** Operations in whose middle a header says nothing. Others may wait for the header to be accepted. */
const headerChanges: readonly string[] = [
  "encrypt",
  "decrypt",
  "reencrypt",
  "resize",
  "resize-disk",
];

function changesHeader(operation: OperationRecord | undefined): boolean {
  return operation !== undefined && headerChanges.includes(operation.kind);
}

/** @throws `unfinished` */
async function refuseHalfChanged(
  { ledger }: VolumeContext,
  path: string,
  volumeId: string,
): Promise<void> {
  const [operation] = await ledger.unfinished(volumeId);
  if (operation === undefined || !changesHeader(operation)) return;
  throw new VolumeError(
    "unfinished",
    `accept header of ${path}: its ${operation.kind} is not finished: run "chatelaine recover"`,
  );
}

/** A header backup of another volume key would make the data unreadable. */
function withHeader(
  context: VolumeContext,
  record: VolumeRecord,
  layout: VolumeLayout,
  volumeKey: string,
): VolumeRecord {
  const hasOldKey = record.layout !== undefined && record.layout.digest !== layout.digest;
  const { format, cipher } = layout;
  const updated = nowOf(context);
  const changed = { ...record, format, cipher, layout, updated };
  if (!hasOldKey) return changed;
  return {
    ...changed,
    headerBackup: undefined,
    attributes: { ...record.attributes, volumeKey },
  };
}
