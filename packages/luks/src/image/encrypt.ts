import { constants } from "node:fs";
import { open } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { dataCipherOf } from "../data/data-cipher.ts";
import {
  type BlockDevice,
  type OpenedDevice,
  withDevice,
  withOpenFile,
  withRegularFile,
} from "../device/device.ts";
import { syncFolder } from "../device/sync-folder.ts";
import { LuksError } from "../errors.ts";
import { requireAttached } from "../format/layout.ts";
import { loadChecked, loadLuks } from "../header/load.ts";
import { refuseUnknownOptions } from "../options.ts";
import { firstSectorOf, notAsLeft, requireSizeAsLeft } from "./as-left.ts";
import { copyData, versionOf } from "./copy.ts";
import { shiftInPlace } from "./in-place.ts";
import { ImageJournal, type ImageState } from "./journal.ts";
import {
  type ImageFormat,
  installHeader,
  planHeader,
  writeHeader,
  writeHeaderFile,
} from "./new-header.ts";
import {
  type ImageRunOptions,
  requireInPlace,
  requireRunOptions,
  runOptionNames,
} from "./progress.ts";
import {
  coverStart,
  finishData,
  isMarked,
  isUntouched,
  type MarkedWork,
  plainStart,
  requireMark,
  withholdStart,
} from "./withheld-start.ts";

const operation = "encrypt image";

export interface EncryptImageOptions extends ImageRunOptions {
  /** The LUKS header to be. */
  readonly format: ImageFormat;
  /**
   * A new file for the encrypted image. Default: the image is encrypted in place, and grows by the header. Not while
   * anything else has it open. A block device cannot grow: its last bytes, as many as the header takes, must be free.
   */
  readonly target?: string;
  /**
   * For a block device in place whose last bytes are not zero, although nothing there is needed (its file system has
   * been shrunk): `["unrecognised"]`. Default: nothing may be destroyed.
   */
  readonly allowDestroyingData?: readonly string[];
  /**
   * With `target`: zeroes of the image become holes in the file, which is smaller then and tells where data is. Our
   * `decryptImage` with `keepHoles` gives zeroes back; any other reader of the holes sees random bytes. Default false.
   */
  readonly keepHoles?: boolean;
  /**
   * In place: only checks everything and writes the journal, and leaves the image as it was. `resumeImage` then does
   * the work, or `forgetImage` takes the journal away. Default false.
   */
  readonly onlyBegin?: boolean;
}

/**
 * Encrypts a raw disk image. The image's size must be a multiple of the sector size.
 *
 * If it is cut or aborted, the image is neither raw nor LUKS, but nothing is lost: `resumeImage` goes on.
 *
 * @throws `holds_data` if the image is LUKS already, or a block device's end is not free; `ambiguous` if it may be LUKS;
 *   `busy` if it is in use, or an interrupted operation on it must be resumed; `aborted`
 */
export async function encryptImage(image: string, options: EncryptImageOptions): Promise<void> {
  const known = [
    "format",
    "target",
    "keepHoles",
    "allowDestroyingData",
    "onlyBegin",
    ...runOptionNames,
  ];
  refuseUnknownOptions(operation, options, known);
  requireRunOptions(operation, options);
  const plan = planHeader(operation, options.format);
  if (options.target === undefined && options.keepHoles) {
    throw new LuksError("invalid_argument", `${operation} keepHoles: needs a target`);
  }
  requireInPlace(operation, options);
  const { target } = options;
  const access = target === undefined ? "exclusive" : "read";
  const begun = await withDevice(operation, image, access, async (source) => {
    await requireNoLuks(source);
    if (source.size === 0) {
      throw new LuksError("too_small", `${operation} ${image}: it is empty: give it a size first`);
    }
    if (source.size % plan.sectorSize !== 0) {
      throw new LuksError(
        "invalid_argument",
        `${operation} ${image}: its size is not a multiple of ${plan.sectorSize}`,
      );
    }
    if (target === undefined) return beginInPlace(image, source, plan, options);
    await encryptCopy(image, source, target, plan, options);
    return undefined;
  });
  if (!begun || options.onlyBegin) return;
  const [first] = options.format.keyslots;
  const passphrase = first?.passphrase ?? new Uint8Array();
  await continueEncryption(image, begun.journal, begun.state, passphrase, options);
}

async function beginInPlace(
  path: string,
  image: OpenedDevice,
  plan: ReturnType<typeof planHeader>,
  options: EncryptImageOptions,
): Promise<{ readonly journal: ImageJournal; readonly state: ImageState }> {
  await image.claim?.();
  const grows = image.resize !== undefined;
  const totalBytes = grows ? image.size : image.size - plan.dataOffset;
  if (!grows) await requireFreeEnd(image, totalBytes, options.allowDestroyingData ?? []);
  const journal = new ImageJournal(path, options.journal);
  const state: ImageState = {
    operation: "encrypt",
    phase: "data",
    totalBytes,
    doneBytes: 0,
    imageBytes: image.size,
  };
  await journal.beginWith(operation, async () => {
    (await writeHeaderFile(operation, journal.path("new-header"), plan)).destroy();
    await journal.write(state);
  });
  return { journal, state };
}

/** From wherever it stopped. */
export async function continueEncryption(
  path: string,
  journal: ImageJournal,
  begun: ImageState,
  passphrase: Uint8Array,
  options: ImageRunOptions,
): Promise<void> {
  const headerPath = journal.path("new-header");
  await withRegularFile(operation, headerPath, constants.O_RDONLY, async (headerFile) => {
    const disk = await loadChecked(operation, headerFile);
    const { header } = disk;
    requireAttached(operation, header);
    const { key } = await disk.unlock(operation, passphrase, undefined, {});
    const shift = header.dataOffset;
    const side = dataCipherOf(operation, path, header, key);
    key.fill(0);
    try {
      await withDevice(operation, path, "exclusive", async (image) => {
        await image.claim?.();
        requireSizeAsLeft(operation, image, journal, sizesOf(begun, shift));
        const work = { operation, image, journal, direction: "encrypt", header, side } as const;
        if (begun.phase === "data") {
          const state = await requireRaw(work, begun);
          await journal.write({ ...state, isStarted: true });
          if (begun.totalBytes === begun.imageBytes) await image.resize?.(begun.imageBytes + shift);
          if (isMarked(state) && state.doneBytes === 0) await coverStart(work, state, headerFile);
          const sides = { source: undefined, target: { ...side, key: Uint8Array.from(side.key) } };
          const moved = await shiftInPlace(operation, image, journal, state, sides, shift, options);
          await journal.write(await finishData(work, moved, options));
        } else if (isMarked(begun)) {
          await requireMark(work, begun, [await firstSectorOf(headerFile)]);
        }
        await installHeader(headerFile, image, shift);
      });
    } finally {
      side.key.fill(0);
    }
  });
  await journal.end();
}

/**
 * Refuses an image that is not the one that was left, or left as it was. Changes nothing on it.
 *
 * @returns the state to go on from, with a mark unless an older version has moved data already
 */
async function requireRaw(work: MarkedWork, begun: ImageState): Promise<ImageState> {
  const { image, journal } = work;
  if (isMarked(begun)) {
    const start = await plainStart(work, begun);
    await requireMark(work, begun, begun.doneBytes === 0 ? [start] : []);
    const isOld = await isUntouched(work, begun, start);
    start.fill(0);
    return isOld ? withholdStart(work, begun) : begun;
  }
  if (await isLuks(image)) throw notAsLeft(operation, image, journal, "it is LUKS now");
  return begun.doneBytes === 0 ? withholdStart(work, begun) : begun;
}

async function encryptCopy(
  path: string,
  source: BlockDevice,
  target: string,
  plan: ReturnType<typeof planHeader>,
  options: EncryptImageOptions,
): Promise<void> {
  const journal = new ImageJournal(target, options.journal);
  const file = await open(target, "wx+", 0o600).catch((cause: unknown) => {
    throw new LuksError("invalid_argument", `${operation} ${target}: cannot be created`, { cause });
  });
  try {
    await file.truncate(plan.dataOffset + source.size);
    await journal.begin(operation);
    const sourceVersion = await versionOf(path);
    const state: ImageState = {
      operation: "copy",
      from: "raw",
      to: "luks",
      source: resolve(path),
      ...(sourceVersion !== undefined && { sourceVersion }),
      phase: "data",
      totalBytes: source.size,
      doneBytes: 0,
      imageBytes: source.size,
      keepHoles: options.keepHoles ?? false,
    };
    await withOpenFile(operation, target, file, async (image) => {
      const volumeKey = await writeHeader(image, plan);
      try {
        await syncFolder(dirname(target));
        await journal.write(state);
        const { header } = await loadChecked(operation, image);
        await volumeKey.use((key) =>
          copyData(
            operation,
            { source, target: image, journal, state, run: options },
            {
              source: undefined,
              target: dataCipherOf(operation, image.name, header, key),
              sourceOffset: 0,
              targetOffset: header.dataOffset,
              skipZeroes: state.keepHoles ?? false,
              zeroCiphertextIsHole: false,
            },
          ),
        );
      } finally {
        volumeKey.destroy();
      }
    });
  } finally {
    await file.close();
  }
  await journal.end();
}

/** In bytes. A file grows before anything is written to it. */
function sizesOf(
  { phase, totalBytes, doneBytes, imageBytes }: ImageState,
  shift: number,
): readonly number[] {
  if (totalBytes !== imageBytes) return [imageBytes];
  const mayBeSmall = phase === "data" && doneBytes === 0;
  return [...(mayBeSmall ? [imageBytes] : []), imageBytes + shift];
}

/** These say more than that it is LUKS. */
const isReason: ReadonlySet<string> = new Set(["ambiguous", "in_reencryption"]);

async function requireNoLuks(image: BlockDevice): Promise<void> {
  if (!(await isLuks(image))) return;
  throw new LuksError("holds_data", `${operation} ${image.name}: is LUKS already`, {
    holds: ["luks"],
  });
}

/** @throws `ambiguous` */
function isLuks(image: BlockDevice): Promise<boolean> {
  return loadLuks(operation, image).then(
    () => true,
    (error: unknown) => {
      if (error instanceof LuksError && isReason.has(error.code)) throw error;
      return !(error instanceof LuksError && error.code === "not_luks");
    },
  );
}

/** @throws `too_small`, `holds_data` */
async function requireFreeEnd(
  image: BlockDevice,
  start: number,
  allowed: readonly string[],
): Promise<void> {
  if (start <= 0) {
    throw new LuksError("too_small", `${operation} ${image.name}: has no room for the header`);
  }
  if (allowed.includes("unrecognised")) return;
  const end = new Uint8Array(image.size - start);
  await image.read(start, end);
  if (end.every((byte) => byte === 0)) return;
  throw new LuksError(
    "holds_data",
    `${operation} ${image.name}: its last ${end.length} bytes are not free (unrecognised)`,
    { holds: ["unrecognised"] },
  );
}
