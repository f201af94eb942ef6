import { randomBytes } from "node:crypto";
import { constants } from "node:fs";
import { sectorCipher } from "../crypto/choose-cipher.ts";
import { parseCipher } from "../crypto/cipher-spec.ts";
import type { DataCipher } from "../data/data-cipher.ts";
import { type BlockDevice, withRegularFile } from "../device/device.ts";
import { markBlock, markBytes, writeMark } from "../device/in-place-mark.ts";
import { LuksError } from "../errors.ts";
import type { CheckedHeader } from "../format/checked-header.ts";
import { firstSectorOf, notAsLeft } from "./as-left.ts";
import { type ImageJournal, type ImageState, sha256 } from "./journal.ts";
import { type ImageRunOptions, progressCounter } from "./progress.ts";

// The first bytes of the data are moved last. Until then their ciphertext is in the journal, and the image begins with a
// mark: the superblocks of common file systems are in these bytes, so half-done work cannot be mounted.

/** How many bytes of data are withheld. They hold the superblocks of file systems, and the first two labels of ZFS. */
const withheldBytes = 512 * 1024;
/** Of the image's beginning, by which it is known again. */
const sectorBytes = 512;

/** Encryption or decryption in place of one image. */
export interface MarkedWork {
  readonly operation: string;
  readonly image: BlockDevice;
  readonly journal: ImageJournal;
  readonly direction: "encrypt" | "decrypt";
  /** Of the LUKS image before or afterwards. */
  readonly header: CheckedHeader;
  readonly side: DataCipher;
}

/** Work that has a mark. */
export type MarkedState = ImageState & { readonly mark: NonNullable<ImageState["mark"]> };

export function isMarked(state: ImageState): state is MarkedState {
  return state.mark !== undefined;
}

/** How many bytes of data are moved before the first ones. */
export function bytesToMove({ totalBytes, mark }: ImageState): number {
  return totalBytes - (mark?.startBytes ?? 0);
}

/**
 * Saves the ciphertext of the first bytes in the journal. Changes nothing on the image.
 *
 * @returns what is to be written to the journal before the image is marked
 */
export async function withholdStart(work: MarkedWork, begun: ImageState): Promise<MarkedState> {
  const { image, direction, header, side, journal } = work;
  const start = new Uint8Array(Math.min(withheldBytes, begun.totalBytes));
  await image.read(direction === "encrypt" ? 0 : header.dataOffset, start);
  if (direction === "encrypt") cipherOf(work).encrypt(start, side.ivTweak);
  await journal.save("start", start);
  const mark = {
    id: randomBytes(16).toString("hex"),
    startBytes: start.length,
    sha256: sha256(start),
  };
  return { ...begun, isStarted: true, mark };
}

/** Puts the mark on the image. Durable when it resolves; can be repeated until the first batch is done. */
export async function coverStart(work: MarkedWork, { mark }: MarkedState, headerFile: BlockDevice) {
  const { image, direction, header } = work;
  const covered = new Uint8Array(1024);
  if (direction === "decrypt") await headerFile.read(0, covered);
  await writeMark(image, markBlock({ operation: direction, id: mark.id }, covered));
  if (direction === "encrypt") {
    if (mark.startBytes > markBytes) {
      await image.write(markBytes, new Uint8Array(mark.startBytes - markBytes));
    }
  } else if (header.version === 2) {
    // Or cryptsetup would write the first header again, from its copy.
    await image.write(header.headerSize, new Uint8Array(6));
  }
  await image.sync();
}

/** Puts the first bytes in their place. @returns the state with which all data is done, to be written to the journal */
export async function finishData(
  work: MarkedWork,
  state: ImageState,
  options: ImageRunOptions,
): Promise<ImageState> {
  if (isMarked(state)) {
    await placeStart(work, state);
    progressCounter(options, bytesToMove(state), state.totalBytes)(state.mark.startBytes);
  }
  return { ...state, doneBytes: state.totalBytes, phase: "header" };
}

/** Encrypted, behind the mark; decrypted, over it. Can be repeated. */
async function placeStart(work: MarkedWork, state: MarkedState): Promise<void> {
  const { image, direction, header } = work;
  if (direction === "encrypt") await image.write(header.dataOffset, await savedStart(work, state));
  else {
    const start = await plainStart(work, state);
    await image.write(0, start);
    start.fill(0);
  }
  await image.sync();
}

/**
 * @param others what the image may begin with instead of the mark, or in part, where a cut was in the middle of writing
 *   one over the other
 * @throws `changed` if the image is not the one that was left
 */
export async function requireMark(
  { operation, image, journal, direction }: MarkedWork,
  { mark }: MarkedState,
  others: readonly Uint8Array[],
): Promise<void> {
  const sector = await firstSectorOf(image);
  const block = markBlock({ operation: direction, id: mark.id });
  const isMixOf = (one: Uint8Array) =>
    sector.every((byte, index) => byte === block[index] || byte === one[index]);
  if ([block, ...others].some(isMixOf)) return;
  throw notAsLeft(operation, image, journal, "it has not the mark that it was left with");
}

/**
 * Whether nothing of the image has been written yet: it begins as before the mark, whose first sector is written first. It
 * may have been used since the cut, so what the journal has of it is old.
 *
 * @param before what the image began with
 */
export async function isUntouched(
  { image }: MarkedWork,
  { doneBytes }: MarkedState,
  before: Uint8Array,
): Promise<boolean> {
  if (doneBytes > 0) return false;
  return Buffer.compare(await firstSectorOf(image), before.subarray(0, sectorBytes)) === 0;
}

/** The plaintext of the first bytes, to be zeroed by the caller. */
export async function plainStart(work: MarkedWork, state: MarkedState): Promise<Uint8Array> {
  const start = await savedStart(work, state);
  cipherOf(work).decrypt(start, work.side.ivTweak);
  return start;
}

/** @throws `corrupt_header` */
async function savedStart(
  { operation, image, journal }: MarkedWork,
  { mark }: MarkedState,
): Promise<Uint8Array> {
  const start = new Uint8Array(mark.startBytes);
  const path = journal.path("start");
  await withRegularFile(operation, path, constants.O_RDONLY, (file) => file.read(0, start));
  if (sha256(start) === mark.sha256) return start;
  throw new LuksError("corrupt_header", `${operation} ${image.name}: ${path} is damaged`);
}

function cipherOf({ operation, side }: MarkedWork) {
  return sectorCipher(parseCipher(operation, side.cipher), side.key, side.sectorSize);
}
