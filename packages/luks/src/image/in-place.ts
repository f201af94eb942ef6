import type { BlockDevice } from "../device.ts";
import { LuksError } from "../errors.ts";
import { assembleCrew } from "./crew.ts";
import { type ImageJournal, type ImageState, sha256 } from "./journal.ts";
import { type ImageRunOptions, progressCounter, requireNotAborted } from "./progress.ts";
import type { SideCipher, TransferSpec } from "./transfer.ts";

/** Bytes between two entries in the journal, at most. */
const batchBytes = 16 * 1024 * 1024;

/**
 * Moves data by `shift` bytes inside one image. A batch is never longer than the shift, so that its source is intact
 * until its target is durable and the journal says so: whatever batch was cut is done again.
 *
 * @param shift positive moves to the end, from the last batch to the first; negative the other way round
 */
export async function shiftInPlace(
  operation: string,
  image: BlockDevice,
  journal: ImageJournal,
  begun: ImageState,
  sides: { readonly source: SideCipher | undefined; readonly target: SideCipher | undefined },
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
  const onBytes = progressCounter(options, begun.doneBytes, totalBytes);
  const crew = assembleCrew(spec, image, image, options.threads ?? 1);
  let state = begun;
  try {
    while (state.doneBytes < totalBytes) {
      requireNotAborted(operation, image.name, options.signal);
      const length = Math.min(batchBytes, Math.abs(shift), totalBytes - state.doneBytes);
      const start = shift > 0 ? totalBytes - state.doneBytes - length : state.doneBytes;
      await crew.move(start, start + length, onBytes);
      await image.sync();
      state = { ...state, doneBytes: state.doneBytes + length };
      await journal.write(state);
    }
  } finally {
    await crew.close();
    sides.source?.key.fill(0);
    sides.target?.key.fill(0);
  }
  return state;
}

/**
 * Changes the encryption of data where it lies. Each batch is first written to the journal, encrypted anew, so that
 * a cut in the middle of overwriting it loses nothing.
 *
 * @param batchFile open and empty, or holding the batch that `begun` names
 */
export async function rewriteInPlace(
  operation: string,
  image: BlockDevice,
  batchFile: BlockDevice,
  journal: ImageJournal,
  begun: ImageState,
  sides: { readonly source: SideCipher; readonly target: SideCipher },
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
  while (state.doneBytes < totalBytes) {
    requireNotAborted(operation, image.name, options.signal);
    const start = state.doneBytes;
    const bytes = Math.min(batchBytes, totalBytes - start);
    const spec: TransferSpec = {
      source: { ...sides.source, key: Uint8Array.from(sides.source.key) },
      target: { ...sides.target, key: Uint8Array.from(sides.target.key) },
      sourceOffset: dataOffset,
      targetOffset: -start,
      skipZeroes: false,
      zeroCiphertextIsHole: false,
    };
    // The batch file begins where the batch does, hence the negative offset.
    const crew = assembleCrew(spec, image, batchFile, 1);
    try {
      await crew.move(start, start + bytes, onBytes);
    } finally {
      await crew.close();
      spec.source?.key.fill(0);
      spec.target?.key.fill(0);
    }
    await batchFile.sync();
    const content = new Uint8Array(bytes);
    await batchFile.read(0, content);
    state = { ...state, batch: { bytes, sha256: sha256(content) } };
    await journal.write(state);
    await putBatch(operation, image, batchFile, state, dataOffset);
    state = without(state, bytes);
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
  const content = new Uint8Array(batch.bytes);
  await batchFile.read(0, content);
  if (sha256(content) !== batch.sha256) {
    throw new LuksError(
      "corrupt_header",
      `${operation} ${image.name}: the journal's batch is damaged`,
    );
  }
  await image.write(dataOffset + doneBytes, content);
  await image.sync();
}

function without({ batch: _batch, ...state }: ImageState, bytes: number): ImageState {
  return { ...state, doneBytes: state.doneBytes + bytes };
}
