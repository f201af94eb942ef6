import type { AnyOperation } from "../engine/operation.ts";
import { type Recovered, recoverWith } from "../engine/recover.ts";
import type { VolumeContext } from "../model/volume-context.ts";
import { changeKeyOperation } from "./change-key.ts";
import { cloneOperation } from "./clone.ts";
import { createOperation } from "./create.ts";
import { decryptOperation } from "./decrypt.ts";
import { deleteOperation } from "./delete.ts";
import { createDiskOperation, destroyDiskOperation } from "./disk.ts";
import { resizeDiskOperation } from "./disk-resize.ts";
import { encryptOperation } from "./encrypt.ts";
import { backupHeaderOperation, restoreHeaderOperation } from "./header.ts";
import { importOperation } from "./import.ts";
import { reencryptOperation } from "./reencrypt.ts";
import { resizeOperation } from "./resize.ts";
import { forgetSnapshotOperation, snapshotOperation } from "./snapshot.ts";

/** Every operation there is, by which `recover` knows what to do. To add one: its file, and a line here. */
const operations: readonly AnyOperation[] = [
  backupHeaderOperation,
  changeKeyOperation,
  cloneOperation,
  createDiskOperation,
  createOperation,
  decryptOperation,
  deleteOperation,
  destroyDiskOperation,
  encryptOperation,
  forgetSnapshotOperation,
  importOperation,
  reencryptOperation,
  resizeDiskOperation,
  resizeOperation,
  restoreHeaderOperation,
  snapshotOperation,
];

/**
 * Finishes or takes back every operation whose process has died. Runs at the
 * start of every command that changes something, and may be run alone, at any
 * time, in any number of processes.
 *
 * An operation whose storage does not answer within five seconds stays unfinished, and its
 * `problem` says what does not answer.
 *
 * @param volumeId only this volume's
 */
export function recover(context: VolumeContext, volumeId?: string): Promise<readonly Recovered[]> {
  return recoverWith(operations, context, { volumeId });
}

/**
 * As {@link recover}, before something is done with a disk: what was begun there comes first, and storage of other
 * operations is waited for 1.5 seconds at most.
 *
 * @param path of the disk
 * @throws `io` if operations are unfinished, and the storage of this disk does not answer
 */
export async function recoverFor(context: VolumeContext, path: string): Promise<void> {
  await recoverWith(operations, context, { first: path });
}
