import { open } from "node:fs/promises";
import { dirname } from "node:path";
import { backupHeader } from "../backup.ts";
import { type BlockDevice, type DeviceReference, withDevice } from "../device.ts";
import { LuksError } from "../errors.ts";
import { requirePassphrase } from "../keyslot-spec.ts";
import { loadLuks } from "../load.ts";
import { refuseUnknownOptions } from "../options.ts";
import { copyData } from "./copy.ts";
import { requireFile } from "./encrypt.ts";
import { shiftInPlace } from "./in-place.ts";
import { ImageJournal, type ImageState, syncFolder } from "./journal.ts";
import { type ImageFormat, planHeader, writeHeader } from "./new-header.ts";
import { type ImageRunOptions, requireRunOptions, runOptionNames } from "./progress.ts";
import { dataBytes, sideOf } from "./side.ts";

const operation = "decrypt image";

export interface DecryptImageOptions extends ImageRunOptions {
  readonly passphrase: Uint8Array;
  /**
   * A new file for the plaintext, in which zeroes are holes. Default: the image is decrypted in place, and shrinks by
   * the header.
   */
  readonly target?: string;
  /** With `target`: takes holes in the image for zeroes, as `encryptImage` with `keepHoles` wrote them. Default false. */
  readonly keepHoles?: boolean;
  /** With `target`: where the header is, if it is detached. */
  readonly header?: DeviceReference;
}

/**
 * Makes a raw disk image of a LUKS one. If it is cut or aborted, `resumeImage` goes on.
 *
 * @throws `wrong_passphrase`, `busy`, `aborted`, `unsupported`
 */
export async function decryptImage(image: string, options: DecryptImageOptions): Promise<void> {
  const known = ["passphrase", "target", "keepHoles", "header", ...runOptionNames];
  refuseUnknownOptions(operation, options, known);
  requireRunOptions(operation, options);
  requirePassphrase(operation, options.passphrase);
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
  /** A new file. */
  readonly target: string;
  /** Its LUKS header, with a volume key of its own. */
  readonly format: ImageFormat;
  /** Where the header of the source is, if it is detached. */
  readonly header?: DeviceReference;
}

/**
 * Copies a LUKS image into a new LUKS image: of another version, cipher, sector size, with other passphrases. If it
 * is cut or aborted, begin again.
 *
 * @throws as {@link decryptImage}
 */
export async function convertImage(image: string, options: ConvertImageOptions): Promise<void> {
  const known = ["passphrase", "target", "format", "header", ...runOptionNames];
  refuseUnknownOptions("convert image", options, known);
  requireRunOptions("convert image", options);
  requirePassphrase("convert image", options.passphrase);
  await copyLuks("convert image", image, options.target, options.format, options);
}

async function decryptInPlace(path: string, options: DecryptImageOptions): Promise<void> {
  const journal = new ImageJournal(path);
  const state = await withDevice(
    operation,
    path,
    "exclusive",
    async (image): Promise<ImageState> => {
      await requireFile(path, image);
      const disk = await loadLuks(operation, image);
      disk.requireUsable(operation);
      const header = disk.describe();
      const { key } = await disk.unlock(operation, options.passphrase, undefined, {});
      key.fill(0);
      if (header.dataOffset < 4096) {
        throw new LuksError(
          "unsupported",
          `${operation} ${path}: a detached header needs a target`,
        );
      }
      await journal.begin(operation);
      await backupHeader(image, journal.path("old-header"));
      const totalBytes = dataBytes(operation, path, header, image.size);
      return {
        operation: "decrypt",
        phase: "data",
        totalBytes,
        doneBytes: 0,
        imageBytes: image.size,
      };
    },
  );
  await journal.write(state);
  await continueDecryption(path, journal, state, options.passphrase, options);
}

/** From wherever it stopped. */
export async function continueDecryption(
  path: string,
  journal: ImageJournal,
  begun: ImageState,
  passphrase: Uint8Array,
  options: ImageRunOptions,
): Promise<void> {
  await withDevice(operation, journal.path("old-header"), "read", async (headerFile) => {
    const disk = await loadLuks(operation, headerFile);
    const header = disk.describe();
    const { key } = await disk.unlock(operation, passphrase, undefined, {});
    const file = await open(path, "r+");
    try {
      await withDevice(operation, file, "exclusive", async (image) => {
        if (begun.phase !== "data") return;
        const sides = { source: sideOf(operation, header, key), target: undefined };
        const { dataOffset } = header;
        const done = await shiftInPlace(
          operation,
          image,
          journal,
          begun,
          sides,
          -dataOffset,
          options,
        );
        await journal.write({ ...done, phase: "header" });
      });
      await file.truncate(begun.totalBytes);
      await file.sync();
    } finally {
      key.fill(0);
      await file.close();
    }
  });
  await journal.end();
}

async function copyLuks(
  name: string,
  path: string,
  target: string,
  format: ImageFormat | undefined,
  options: DecryptImageOptions | ConvertImageOptions,
): Promise<void> {
  const plan = format && planHeader(name, format);
  await withDevice(name, path, "read", async (source) => {
    await withDevice(name, options.header ?? source, "read", async (headerDevice) => {
      const disk = await loadLuks(name, headerDevice);
      disk.requireUsable(name);
      const header = disk.describe();
      const { key } = await disk.unlock(name, options.passphrase, undefined, {});
      const totalBytes = dataBytes(name, path, header, source.size);
      if (plan && totalBytes % plan.sectorSize !== 0) {
        key.fill(0);
        throw new LuksError(
          "invalid_argument",
          `${name} ${path}: its data is no multiple of ${plan.sectorSize} bytes`,
        );
      }
      const journal = new ImageJournal(target);
      const file = await open(target, "wx+", 0o600).catch((cause: unknown) => {
        throw new LuksError("invalid_argument", `${name} ${target}: cannot be created`, { cause });
      });
      try {
        await file.truncate((plan?.dataOffset ?? 0) + totalBytes);
        await journal.begin(name);
        const state: ImageState = {
          operation: "copy",
          from: "luks",
          to: plan ? "luks" : "raw",
          source: path,
          phase: "data",
          totalBytes,
          doneBytes: 0,
          imageBytes: source.size,
          keepHoles: "keepHoles" in options && (options.keepHoles ?? false),
        };
        await withDevice(name, file, "exclusive", async (image) => {
          const newKey = plan && (await writeHeader(image, plan));
          await syncFolder(dirname(target));
          await journal.write(state);
          const newHeader = plan && (await loadLuks(name, image)).describe();
          const targetSide = newHeader && newKey?.use((bytes) => sideOf(name, newHeader, bytes));
          newKey?.destroy();
          const spec = {
            source: sideOf(name, header, key),
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

/** Goes on with a copy from raw to LUKS, or from LUKS (with its header on it) to raw. */
export async function continueCopy(
  target: string,
  journal: ImageJournal,
  state: ImageState,
  passphrase: Uint8Array,
  options: ImageRunOptions,
): Promise<void> {
  const { source: path = "", from, to } = state;
  if (from === to) {
    throw new LuksError(
      "unsupported",
      `resume image ${target}: a conversion begins again: remove it and ${journal.folder}`,
    );
  }
  await withDevice(operation, path, "read", async (source) => {
    if (source.size !== state.imageBytes) {
      throw new LuksError("changed", `resume image ${path}: its size has changed`);
    }
    await withDevice(operation, target, "exclusive", async (image: BlockDevice) => {
      const disk = await loadLuks(operation, from === "luks" ? source : image);
      const header = disk.describe();
      const { key } = await disk.unlock(operation, passphrase, undefined, {});
      try {
        const side = sideOf(operation, header, key);
        const isDecryption = from === "luks";
        const spec = {
          source: isDecryption ? side : undefined,
          target: isDecryption ? undefined : side,
          sourceOffset: isDecryption ? header.dataOffset : 0,
          targetOffset: isDecryption ? 0 : header.dataOffset,
          skipZeroes: isDecryption || (state.keepHoles ?? false),
          zeroCiphertextIsHole: isDecryption && (state.keepHoles ?? false),
        };
        await copyData(operation, { source, target: image, journal, state, run: options }, spec);
      } finally {
        key.fill(0);
      }
    });
  });
  await journal.end();
}
