import { constants } from "node:fs";
import { open } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { dataCipherOf, requireReadable } from "../data/data-cipher.ts";
import {
  type BlockDevice,
  type DeviceReference,
  withDevice,
  withOpenFile,
  withRegularFile,
} from "../device/device.ts";
import { syncFolder } from "../device/sync-folder.ts";
import { LuksError } from "../errors.ts";
import { requirePassphrase } from "../format/keyslot-spec.ts";
import { dataSize, requireAttached, requireDataApart } from "../format/layout.ts";
import { backupHeader } from "../header/backup.ts";
import { loadChecked } from "../header/load.ts";
import { refuseUnknownOptions } from "../options.ts";
import { firstSectorOf, requireHeaderAsLeft, requireSizeAsLeft } from "./as-left.ts";
import { copyData, versionOf } from "./copy.ts";
import { shiftInPlace } from "./in-place.ts";
import { ImageJournal, type ImageState } from "./journal.ts";
import type { HeaderLoss } from "./losses.ts";
import { type ImageFormat, planHeader, writeHeader } from "./new-header.ts";
import { planConversion } from "./plan-rewrite.ts";
import {
  type ImageRunOptions,
  requireInPlace,
  requireRunOptions,
  runOptionNames,
} from "./progress.ts";
import { convertInPlace } from "./reencrypt.ts";
import {
  bytesToMove,
  coverStart,
  finishData,
  isMarked,
  isUntouched,
  type MarkedState,
  type MarkedWork,
  plainStart,
  requireMark,
  withholdStart,
} from "./withheld-start.ts";

const operation = "decrypt image";

export interface DecryptImageOptions extends ImageRunOptions {
  readonly passphrase: Uint8Array;
  /**
   * A new file for the plaintext, in which zeroes are holes. Default: the image is decrypted in place, and shrinks by
   * the header. A block device cannot shrink: its last bytes are zeroed instead.
   */
  readonly target?: string;
  /** With `target`: takes holes in the image for zeroes, as `encryptImage` with `keepHoles` wrote them. Default false. */
  readonly keepHoles?: boolean;
  /** With `target`: where the header is, if it is detached. */
  readonly header?: DeviceReference;
  /** As of `encryptImage`. */
  readonly onlyBegin?: boolean;
}

/**
 * Makes a raw disk image of a LUKS one. If it is cut or aborted, `resumeImage` goes on.
 *
 * @throws `wrong_passphrase`, `busy`, `aborted`, `unsupported`
 */
export async function decryptImage(image: string, options: DecryptImageOptions): Promise<void> {
  const known = ["passphrase", "target", "keepHoles", "header", "onlyBegin", ...runOptionNames];
  refuseUnknownOptions(operation, options, known);
  requireRunOptions(operation, options);
  requirePassphrase(operation, options.passphrase);
  requireInPlace(operation, options);
  const { target } = options;
  if (target === undefined) {
    if (options.keepHoles || options.header !== undefined) {
      throw new LuksError("invalid_argument", `${operation} ${image}: needs a target`);
    }
    await decryptInPlace(image, options);
  } else {
    await copyLuks(operation, image, target, undefined, options);
  }
}

export interface ConvertImageOptions extends ImageRunOptions {
  readonly passphrase: Uint8Array;
  /** A new file. Default: the image is converted in place. */
  readonly target?: string;
  /**
   * The new LUKS header, with a volume key of its own. In place, UUID and data offset stay. From LUKS2 to LUKS2, all that
   * is not named here stays: label, persistent flags, tokens, key slots with other keys than that of the data.
   */
  readonly format: ImageFormat;
  /** What may be lost in place, because LUKS1 cannot hold it. Default: nothing. */
  readonly allowLosing?: readonly HeaderLoss[];
  /** Where the header of the source is, if it is detached. */
  readonly header?: DeviceReference;
}

/**
 * Makes another LUKS image of a LUKS image: of another version, cipher, sector size, with other passphrases. If it is
 * cut or aborted, `resumeImage` goes on, with a passphrase that opens both headers, or with both.
 *
 * @throws as {@link decryptImage}; `unsupported` if, in place, LUKS1 cannot hold what the header has; `invalid_argument`
 *   if, in place, the data or its offset does not fit the new header
 */
export async function convertImage(image: string, options: ConvertImageOptions): Promise<void> {
  const name = "convert image";
  const known = ["passphrase", "target", "format", "allowLosing", "header", ...runOptionNames];
  refuseUnknownOptions(name, options, known);
  requireRunOptions(name, options);
  requirePassphrase(name, options.passphrase);
  const { target, format } = options;
  if (target !== undefined) await copyLuks(name, image, target, format, options);
  else if (options.header === undefined) await convertInPlace(image, options);
  else throw new LuksError("invalid_argument", `${name} ${image}: needs a target`);
}

async function decryptInPlace(path: string, options: DecryptImageOptions): Promise<void> {
  const journal = new ImageJournal(path, options.journal);
  const state = await withDevice(
    operation,
    path,
    "exclusive",
    async (image): Promise<ImageState> => {
      await image.claim?.();
      const disk = await loadChecked(operation, image);
      const { header } = disk;
      requireReadable(operation, path, header);
      const { key } = await disk.unlock(operation, options.passphrase, undefined, {});
      key.fill(0);
      requireAttached(operation, header, path);
      const begun: ImageState = {
        operation: "decrypt",
        phase: "data",
        totalBytes: dataSize(operation, header, image.size, path),
        doneBytes: 0,
        imageBytes: image.size,
      };
      await journal.beginWith(operation, async () => {
        await backupHeader(image, journal.path("old-header"));
        await journal.write(begun);
      });
      return begun;
    },
  );
  if (options.onlyBegin) return;
  await continueDecryption(path, journal, state, options.passphrase, options);
}

/** From wherever it stopped. */
export async function continueDecryption(
  path: string,
  journal: ImageJournal,
  begun: ImageState,
  passphrase: Uint8Array,
  options: ImageRunOptions & { readonly keepJournal?: boolean | undefined },
): Promise<void> {
  const headerPath = journal.path("old-header");
  await withRegularFile(operation, headerPath, constants.O_RDONLY, async (headerFile) => {
    const disk = await loadChecked(operation, headerFile);
    const { header } = disk;
    requireAttached(operation, header);
    const { key } = await disk.unlock(operation, passphrase, undefined, {});
    const side = dataCipherOf(operation, path, header, key);
    key.fill(0);
    try {
      await withDevice(operation, path, "exclusive", async (image) => {
        await image.claim?.();
        const { imageBytes, totalBytes } = begun;
        const isShrinking = begun.phase === "header" && image.resize !== undefined;
        const sizes = isShrinking ? [imageBytes, totalBytes] : [imageBytes];
        requireSizeAsLeft(operation, image, journal, sizes);
        const work = { operation, image, journal, direction: "decrypt", header, side } as const;
        if (begun.phase === "data") {
          const state = await requireLuksAsLeft(work, begun, headerFile);
          await journal.write({ ...state, isStarted: true });
          if (isMarked(state) && state.doneBytes === 0) await coverStart(work, state, headerFile);
          const sides = { source: { ...side, key: Uint8Array.from(side.key) }, target: undefined };
          const shift = -header.dataOffset;
          const moved = await shiftInPlace(operation, image, journal, state, sides, shift, options);
          await journal.write(await finishData(work, moved, options));
        } else if (isMarked(begun)) {
          await requireStart(work, begun, headerFile);
        }
        if (image.resize === undefined) await zero(image, begun.totalBytes);
        else await image.resize(begun.totalBytes);
      });
    } finally {
      side.key.fill(0);
    }
  });
  if (options.keepJournal === true) await journal.write({ ...begun, phase: "done" });
  else await journal.end();
}

/**
 * Refuses an image that is not the one that was left, or left as it was. Changes nothing on it.
 *
 * @returns the state to go on from, with a mark unless an older version has moved data already
 */
async function requireLuksAsLeft(
  work: MarkedWork,
  begun: ImageState,
  headerFile: BlockDevice,
): Promise<ImageState> {
  const { image, journal, header, side } = work;
  if (isMarked(begun)) {
    await requireStart(work, begun, headerFile);
    const isOld = await isUntouched(work, begun, await firstSectorOf(headerFile));
    return isOld ? withholdStart(work, begun) : begun;
  }
  if (begun.doneBytes > 0) return begun;
  await requireHeaderAsLeft(operation, image, journal, headerFile, header, side);
  return withholdStart(work, begun);
}

/** Before the first batch the image may begin with its header, and after the last with its data. @throws `changed` */
async function requireStart(
  work: MarkedWork,
  state: MarkedState,
  headerFile: BlockDevice,
): Promise<void> {
  const start = await plainStart(work, state);
  await requireMark(work, state, [
    ...(state.doneBytes === 0 ? [await firstSectorOf(headerFile)] : []),
    ...(state.doneBytes >= bytesToMove(state) ? [start] : []),
  ]);
  start.fill(0);
}

async function zero(image: BlockDevice, from: number): Promise<void> {
  const zeroes = new Uint8Array(1024 * 1024);
  for (let offset = from; offset < image.size; offset += zeroes.length) {
    await image.write(offset, zeroes.subarray(0, image.size - offset));
  }
  await image.sync();
}

async function copyLuks(
  name: string,
  path: string,
  target: string,
  format: ImageFormat | undefined,
  options: DecryptImageOptions | ConvertImageOptions,
): Promise<void> {
  // What is wrong with it is said before anything is opened.
  if (format) planHeader(name, format);
  await withDevice(name, path, "read", async (source) => {
    await withDevice(name, options.header ?? source, "read", async (headerDevice) => {
      const disk = await loadChecked(name, headerDevice);
      const { header } = disk;
      requireDataApart(name, header, headerDevice, source);
      requireReadable(name, path, header);
      const { slot, key } = await disk.unlock(name, options.passphrase, undefined, {});
      const plan = format && planConversion(name, disk, slot, format);
      const totalBytes = dataSize(name, header, source.size, path);
      if (plan && totalBytes % plan.sectorSize !== 0) {
        key.fill(0);
        throw new LuksError(
          "invalid_argument",
          `${name} ${path}: its data is not a multiple of ${plan.sectorSize} bytes`,
        );
      }
      const journal = new ImageJournal(target, options.journal);
      const file = await open(target, "wx+", 0o600).catch((cause: unknown) => {
        throw new LuksError("invalid_argument", `${name} ${target}: cannot be created`, { cause });
      });
      try {
        await file.truncate((plan?.dataOffset ?? 0) + totalBytes);
        await journal.begin(name);
        const sourceVersion = await versionOf(path);
        const state: ImageState = {
          operation: "copy",
          from: "luks",
          to: plan ? "luks" : "raw",
          source: resolve(path),
          ...(sourceVersion !== undefined && { sourceVersion }),
          phase: "data",
          totalBytes,
          doneBytes: 0,
          imageBytes: source.size,
          keepHoles: "keepHoles" in options && (options.keepHoles ?? false),
        };
        await withOpenFile(name, target, file, async (image) => {
          const newKey = plan && (await writeHeader(image, plan));
          await syncFolder(dirname(target));
          await journal.write(state);
          const newHeader = plan && (await loadChecked(name, image)).header;
          const targetSide =
            newHeader && newKey?.use((bytes) => dataCipherOf(name, target, newHeader, bytes));
          newKey?.destroy();
          const spec = {
            source: dataCipherOf(name, path, header, key),
            target: targetSide,
            sourceOffset: header.dataOffset,
            targetOffset: newHeader?.dataOffset ?? 0,
            skipZeroes: !plan,
            zeroCiphertextIsHole: state.keepHoles ?? false,
          };
          await copyData(name, { source, target: image, journal, state, run: options }, spec);
        });
      } finally {
        key.fill(0);
        await file.close();
      }
      await journal.end();
    });
  });
}

/** Goes on with a copy: from raw to LUKS, or from LUKS (with its header on it) to raw or other LUKS. */
export async function continueCopy(
  target: string,
  journal: ImageJournal,
  state: ImageState,
  passphrases: { readonly old: Uint8Array; readonly new: Uint8Array },
  options: ImageRunOptions,
): Promise<void> {
  const { source: path = "", from, to } = state;
  const keepHoles = state.keepHoles ?? false;
  await withDevice(operation, path, "read", async (source) => {
    if (source.size !== state.imageBytes) {
      throw new LuksError("changed", `resume image ${path}: its size has changed`);
    }
    if (state.sourceVersion !== undefined && state.sourceVersion !== (await versionOf(path))) {
      throw new LuksError(
        "changed",
        `resume image ${path}: it was written to since the copy began, so ${target} would hold parts of both: remove ${target} and ${journal.folder}, and copy again`,
      );
    }
    await withDevice(operation, target, "exclusive", async (image) => {
      await image.claim?.();
      const before = from === "luks" ? await openSide(source, passphrases.old) : undefined;
      const passphrase = from === "luks" ? passphrases.new : passphrases.old;
      const after = to === "luks" ? await openSide(image, passphrase) : undefined;
      const bytes = (after?.dataOffset ?? 0) + state.totalBytes;
      requireSizeAsLeft(operation, image, journal, [bytes]);
      const spec = {
        source: before?.side,
        target: after?.side,
        sourceOffset: before?.dataOffset ?? 0,
        targetOffset: after?.dataOffset ?? 0,
        skipZeroes: to === "raw" || keepHoles,
        zeroCiphertextIsHole: to === "raw" && keepHoles,
      };
      await copyData(operation, { source, target: image, journal, state, run: options }, spec);
    });
  });
  await journal.end();
}

async function openSide(device: BlockDevice, passphrase: Uint8Array) {
  const disk = await loadChecked(operation, device);
  const { header } = disk;
  requireAttached(operation, header, device.name);
  const { key } = await disk.unlock(operation, passphrase, undefined, {});
  const side = dataCipherOf(operation, device.name, header, key);
  key.fill(0);
  return { side, dataOffset: header.dataOffset };
}
