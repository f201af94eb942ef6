import { createHash } from "node:crypto";
import type { DataCipher } from "../data/data-cipher.ts";
import type { BlockDevice, OpenedDevice } from "../device/device.ts";
import { LuksError } from "../errors.ts";
import { openDataMover } from "./data-mover.ts";
import type { ImageJournal, ImageState } from "./journal.ts";
import { type ImageRunOptions, progressCounter, requireNotAborted } from "./progress.ts";
import type { TransferSpec } from "./transfer.ts";
import { bytesToMove } from "./withheld-start.ts";

/** Bytes between two entries in the journal, at most. */
const batchBytes = 16 * 1024 * 1024;

/**
 * Moves data by `shift` bytes inside one image. A batch is never longer than the shift, so that its source is intact
 * until its target is durable and the journal says so: whatever batch was cut is done again. The first bytes stay for
 * the caller if they are withheld.
 *
 * @param shift positive moves to the end, from the last batch to the first; negative the other way round
 */
export async function shiftInPlace(
  operation: string,
  image: OpenedDevice,
  journal: ImageJournal,
  begun: ImageState,
  sides: { readonly source: DataCipher | undefined; readonly target: DataCipher | undefined },
  shift: number,
  options: ImageRunOptions,
): Promise<ImageState> {
  const spec: TransferSpec = {
    ...sides,
    sourceOffset: Math.max(0, -shift),
    targetOffset: Math.max(0, shift),
    skipZeroes: false,
    zeroCiphertextIsHole: false,
  };
  const { totalBytes } = begun;
  const toMove = bytesToMove(begun);
  const onBytes = progressCounter(options, begun.doneBytes, totalBytes);
  const mover = openDataMover(spec, image, image, options.threads ?? 1);
  let state = begun;
  try {
    // Threads write through the descriptor.
    await image.requireUnused?.();
    while (state.doneBytes < toMove) {
      requireNotAborted(operation, image.name, options.signal);
      await image.requireNotShown?.();
      const length = Math.min(batchBytes, Math.abs(shift), toMove - state.doneBytes);
      const start =
        shift > 0 ? totalBytes - state.doneBytes - length : totalBytes - toMove + state.doneBytes;
      await mover.move(start, start + length, onBytes);
      await image.sync();
      state = { ...state, doneBytes: state.doneBytes + length };
      await journal.write(state);
    }
  } finally {
    await mover.close();
    sides.source?.key.fill(0);
    sides.target?.key.fill(0);
  }
  return state;
}

/**
 * Changes the encryption of data where it lies. Each batch is first written to the journal in its new encryption, so that
 * a cut in the middle of overwriting it loses nothing.
 *
 * @param batchFile open and empty, or holding the batch that `begun` names
 */
export async function rewriteInPlace(
  operation: string,
  image: OpenedDevice,
  batchFile: BlockDevice,
  journal: ImageJournal,
  begun: ImageState,
  sides: { readonly source: DataCipher; readonly target: DataCipher },
  dataOffset: number,
  options: ImageRunOptions,
): Promise<ImageState> {
  const { totalBytes } = begun;
  const onBytes = progressCounter(options, begun.doneBytes, totalBytes);
  let state = begun;
  if (state.batch) {
    await putBatch(operation, image, batchFile, state, dataOffset);
    state = without(state, state.batch.bytes);
  }
  // The batch file begins where the batch does.
  const fromBatch: BlockDevice = {
    name: batchFile.name,
    size: batchFile.size,
    read: (offset, into) => batchFile.read(offset - state.doneBytes, into),
    write: (offset, bytes) => batchFile.write(offset - state.doneBytes, bytes),
    sync: () => batchFile.sync(),
  };
  const spec: TransferSpec = {
    ...sides,
    sourceOffset: dataOffset,
    targetOffset: 0,
    skipZeroes: false,
    zeroCiphertextIsHole: false,
  };
  const mover = openDataMover(spec, image, fromBatch, 1);
  try {
    while (state.doneBytes < totalBytes) {
      requireNotAborted(operation, image.name, options.signal);
      await image.requireNotShown?.();
      const start = state.doneBytes;
      const bytes = Math.min(batchBytes, totalBytes - start);
      await mover.move(start, start + bytes, onBytes);
      await batchFile.sync();
      state = { ...state, batch: { bytes, sha256: await digestOf(batchFile, bytes) } };
      await journal.write(state);
      await putBatch(operation, image, batchFile, state, dataOffset);
      state = without(state, bytes);
    }
  } finally {
    await mover.close();
  }
  await journal.write(state);
  return state;
}

async function putBatch(
  operation: string,
  image: BlockDevice,
  batchFile: BlockDevice,
  { batch, doneBytes }: ImageState,
  dataOffset: number,
): Promise<void> {
  if (!batch) return;
  if ((await digestOf(batchFile, batch.bytes)) !== batch.sha256) {
    throw new LuksError(
      "corrupt_header",
      `${operation} ${image.name}: the journal's batch is damaged`,
    );
  }
  await eachPart(batchFile, batch.bytes, (offset, part) =>
    image.write(dataOffset + doneBytes + offset, part),
  );
  await image.sync();
}

async function digestOf(batchFile: BlockDevice, bytes: number): Promise<string> {
  const hash = createHash("sha256");
  await eachPart(batchFile, bytes, async (_offset, part) => void hash.update(part));
  return hash.digest("hex");
}

/** Reads the first `bytes` of a device part by part, into the same memory each time. */
async function eachPart(
  device: BlockDevice,
  bytes: number,
  use: (offset: number, part: Uint8Array) => Promise<void>,
): Promise<void> {
  const memory = new Uint8Array(Math.min(bytes, 1024 * 1024));
  for (let offset = 0; offset < bytes; offset += memory.length) {
    const part = memory.subarray(0, bytes - offset);
    await device.read(offset, part);
    await use(offset, part);
  }
}

function without({ batch: _batch, ...state }: ImageState, bytes: number): ImageState {
  return { ...state, doneBytes: state.doneBytes + bytes };
}
