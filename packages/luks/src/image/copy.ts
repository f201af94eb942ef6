import { stat } from "node:fs/promises";
import type { BlockDevice, OpenedDevice } from "../device/device.ts";
import { openDataMover } from "./data-mover.ts";
import type { ImageJournal, ImageState } from "./journal.ts";
import { type ImageRunOptions, progressCounter, requireNotAborted } from "./progress.ts";
import type { TransferSpec } from "./transfer.ts";

/** Bytes between two entries in the journal. */
const checkpointBytes = 256 * 1024 * 1024;

/** One copy under way. */
export interface Copy {
  readonly source: BlockDevice;
  readonly target: OpenedDevice;
  readonly journal: ImageJournal;
  readonly state: ImageState;
  readonly run: ImageRunOptions;
}

/**
 * Tells whether a file was written to, or replaced, since it was last asked: its inode and time of modification.
 *
 * @returns undefined for a block device, which has neither
 */
export async function versionOf(path: string): Promise<string | undefined> {
  const status = await stat(path, { bigint: true });
  return status.isFile() ? `${status.ino}:${status.mtimeNs}` : undefined;
}

/** Copies data from one file to another, from the beginning to the end, or from where the journal says. */
export async function copyData(operation: string, copy: Copy, spec: TransferSpec): Promise<void> {
  const { source, target, journal, run } = copy;
  let { state } = copy;
  const onBytes = progressCounter(run, state.doneBytes, state.totalBytes);
  const mover = openDataMover(spec, source, target, run.threads ?? 1);
  try {
    // Threads write through the descriptor.
    await target.requireUnused?.();
    while (state.doneBytes < state.totalBytes) {
      requireNotAborted(operation, target.name, run.signal);
      const start = state.doneBytes;
      const end = Math.min(state.totalBytes, start + checkpointBytes);
      await mover.move(start, end, onBytes, run.signal);
      await target.sync();
      state = { ...state, doneBytes: end };
      await journal.write(state);
    }
  } finally {
    await mover.close();
    spec.source?.key.fill(0);
    spec.target?.key.fill(0);
  }
}
