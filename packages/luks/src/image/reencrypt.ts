import { constants } from "node:fs";
import { dataCipherOf, requireReadable } from "../data/data-cipher.ts";
import { type BlockDevice, withDevice, withRegularFile } from "../device/device.ts";
import { describeSignatures, foreignSignatures } from "../device/foreign-signature.ts";
import { LuksError } from "../errors.ts";
import type { CheckedHeader } from "../format/checked-header.ts";
import type { CheckedDisk, LuksDisk } from "../format/disk.ts";
import type { KeyslotSpec } from "../format/keyslot-spec.ts";
import { requirePassphrase } from "../format/keyslot-spec.ts";
import { dataSize, requireAttached } from "../format/layout.ts";
import { backupHeader } from "../header/backup.ts";
import { loadChecked, loadLuks } from "../header/load.ts";
import { Luks2Disk } from "../luks2/disk.ts";
import { ownReencryptionRequirement } from "../luks2/reencryption.ts";
import { refuseUnknownOptions } from "../options.ts";
import { requireKeyAsLeft, requireSizeAsLeft } from "./as-left.ts";
import { rewriteInPlace } from "./in-place.ts";
import { ImageJournal, type ImageState } from "./journal.ts";
import { type HeaderLoss, requireNoLoss } from "./losses.ts";
import { type HeaderPlan, type ImageFormat, installHeader, writeHeaderFile } from "./new-header.ts";
import { planConversion, planRewrite } from "./plan-rewrite.ts";
import { type ImageRunOptions, requireRunOptions, runOptionNames } from "./progress.ts";

const operation = "re-encrypt image";

export interface ReencryptImageOptions extends ImageRunOptions {
  /** Opens the image as it is. */
  readonly passphrase: Uint8Array;
  /** The slots of the new header; the old ones cannot hold the new volume key. May be the same passphrases. */
  readonly keyslots: readonly KeyslotSpec[];
  /** As of `encryptImage`. */
  readonly onlyBegin?: boolean;
}

/**
 * Gives an image a new volume key and re-encrypts every sector in place. All else in the header stays byte for byte:
 * UUID, label, layout, cipher, persistent flags, tokens, members that we do not know, and key slots that hold other keys
 * than that of the data. Slots of the old volume key are gone, and tokens name them no longer. A slot without a number
 * gets that of the slot which the passphrase opens.
 *
 * Meanwhile the header refuses to open, here and in cryptsetup. If it is cut or aborted, `resumeImage` goes on, with a
 * passphrase that opens both the old header and the new one, or with both.
 *
 * @throws `wrong_passphrase`, `busy`, `aborted`, `unsupported`
 */
export async function reencryptImage(path: string, options: ReencryptImageOptions): Promise<void> {
  refuseUnknownOptions(operation, options, [
    "passphrase",
    "keyslots",
    "onlyBegin",
    ...runOptionNames,
  ]);
  requireRunOptions(operation, options);
  requirePassphrase(operation, options.passphrase);
  const planOf = (disk: CheckedDisk, opened: number) =>
    planRewrite(operation, disk, opened, options.keyslots);
  await rewrite("reencrypt", path, planOf, options.keyslots[0]?.passphrase, options);
}

/** The part of `convertImage` that needs no second file. Everything is as in {@link reencryptImage} but the header. */
export async function convertInPlace(
  path: string,
  options: ImageRunOptions & {
    readonly passphrase: Uint8Array;
    readonly format: ImageFormat;
    readonly allowLosing?: readonly HeaderLoss[];
  },
): Promise<void> {
  const { format, allowLosing = [] } = options;
  const planOf = (disk: CheckedDisk, opened: number) => {
    const { uuid, dataOffset } = disk.header;
    if (format.version === 1) requireNoLoss(operation, path, disk, allowLosing);
    const plan = planConversion(operation, disk, opened, { uuid, dataOffset, ...format });
    if (plan.dataOffset !== dataOffset) {
      throw new LuksError("invalid_argument", `${operation} dataOffset: cannot change in place`);
    }
    return plan;
  };
  await rewrite("convert", path, planOf, format.keyslots[0]?.passphrase, options);
}

async function rewrite(
  kind: "reencrypt" | "convert",
  path: string,
  planOf: (disk: CheckedDisk, opened: number) => HeaderPlan,
  newPassphrase: Uint8Array | undefined,
  options: ImageRunOptions & { readonly passphrase: Uint8Array; readonly onlyBegin?: boolean },
): Promise<void> {
  const journal = new ImageJournal(path, options.journal);
  const state = await withDevice(operation, path, "exclusive", async (image) => {
    await image.claim?.();
    const disk = await loadChecked(operation, image);
    const { header } = disk;
    requireReadable(operation, path, header);
    const { slot, key } = await disk.unlock(operation, options.passphrase, undefined, {});
    key.fill(0);
    requireAttached(operation, header, path);
    const totalBytes = dataSize(operation, header, image.size, path);
    const plan = planOf(disk, slot);
    if (kind === "convert") requireFitting(path, header, plan, image.size - header.dataOffset);
    const begun: ImageState = {
      operation: kind,
      phase: "data",
      totalBytes,
      doneBytes: 0,
      imageBytes: image.size,
    };
    await journal.beginWith(operation, async () => {
      await backupHeader(image, journal.path("old-header"));
      (await writeHeaderFile(operation, journal.path("new-header"), plan)).destroy();
      await journal.write(begun);
    });
    return begun;
  });
  if (options.onlyBegin) return;
  const passphrases = { old: options.passphrase, new: newPassphrase ?? options.passphrase };
  await continueReencryption(path, journal, state, passphrases, options);
}

/** The new header speaks of the same data: all of it, and nothing behind it. */
function requireFitting(path: string, header: CheckedHeader, plan: HeaderPlan, room: number): void {
  if (header.segment.size !== "dynamic") {
    throw new LuksError(
      "unsupported",
      `${operation} ${path}: its data ends before the end of the image`,
    );
  }
  const sectors = Math.max(header.sectorSize, plan.sectorSize);
  if (room % sectors !== 0) {
    throw new LuksError(
      "invalid_argument",
      `${operation} ${path}: its data is not a multiple of ${sectors} bytes`,
    );
  }
}

/** From wherever it stopped. */
export async function continueReencryption(
  path: string,
  journal: ImageJournal,
  begun: ImageState,
  passphrases: { readonly old: Uint8Array; readonly new: Uint8Array },
  options: ImageRunOptions,
): Promise<void> {
  const before = await unlockFile(journal.path("old-header"), passphrases.old);
  const after = await unlockFile(journal.path("new-header"), passphrases.new);
  await withDevice(operation, path, "exclusive", async (image) => {
    await image.claim?.();
    requireSizeAsLeft(operation, image, journal, [begun.imageBytes]);
    if (begun.phase === "data") {
      const mark = await unusableMark(image, journal, before.header);
      const started = await journal.start(begun);
      await mark?.();
      const sides = { source: before.side, target: after.side };
      const flags = constants.O_RDWR | (begun.batch ? 0 : constants.O_CREAT | constants.O_TRUNC);
      const state = await withRegularFile(operation, journal.path("batch"), flags, (batchFile) =>
        rewriteInPlace(
          operation,
          image,
          growing(batchFile),
          journal,
          started,
          sides,
          before.dataOffset,
          options,
        ),
      );
      await journal.write({ ...state, phase: "header" });
    }
    const upTo = Math.max(before.headerAreaBytes, after.headerAreaBytes);
    const newHeader = journal.path("new-header");
    await withRegularFile(operation, newHeader, constants.O_RDONLY, (header) =>
      installHeader(header, image, upTo),
    );
  }).finally(() => {
    before.side.key.fill(0);
    after.side.key.fill(0);
  });
  await journal.end();
}

async function unlockFile(path: string, passphrase: Uint8Array) {
  return withRegularFile(operation, path, constants.O_RDONLY, async (file) => {
    const disk = await loadChecked(operation, file);
    requireAttached(operation, disk.header);
    const { header } = disk;
    const { dataOffset, headerAreaBytes } = header;
    const { key } = await disk.unlock(operation, passphrase, undefined, {});
    try {
      const side = dataCipherOf(operation, path, header, key);
      return { side, header, dataOffset, headerAreaBytes };
    } finally {
      key.fill(0);
    }
  });
}

/**
 * Checks that the header may be made unusable, and changes nothing.
 *
 * @returns what does it: LUKS2 has requirements for this; a LUKS1 header loses its magic. Undefined if it is done.
 * @throws `changed`
 */
async function unusableMark(
  image: BlockDevice,
  journal: ImageJournal,
  left: CheckedHeader,
): Promise<(() => Promise<void>) | undefined> {
  const disk = await presentHeader(image);
  // What a LUKS1 header without its magic has behind it may be of a former header.
  if (left.version === 1 && disk?.describe().copies.primary === "damaged") return undefined;
  if (disk === undefined) return undefined;
  requireKeyAsLeft(operation, image, journal, disk, left);
  if (disk instanceof Luks2Disk) {
    const { config } = disk.header.metadata;
    if (config.requirements?.mandatory?.includes(ownReencryptionRequirement)) return undefined;
    const requirements = { mandatory: [ownReencryptionRequirement] };
    return () => disk.change(operation, { config: { ...config, requirements } });
  }
  return async () => {
    await image.write(0, Buffer.from("4c554b53dead", "hex"));
    await image.sync();
  };
}

/**
 * Undefined for a LUKS1 header that has lost its magic already. If the image holds something else, somebody wrote that
 * after the work began, and to go on would destroy it.
 *
 * @throws `changed`, and what `loadLuks` throws
 */
async function presentHeader(image: BlockDevice): Promise<LuksDisk | undefined> {
  try {
    return await loadLuks(operation, image);
  } catch (error) {
    const isLost =
      error instanceof LuksError &&
      ["not_luks", "corrupt_header", "in_reencryption"].includes(error.code);
    if (!isLost) throw error;
  }
  const found = await foreignSignatures(image);
  if (found.length === 0) return undefined;
  throw new LuksError(
    "changed",
    `${operation} ${image.name}: it holds ${describeSignatures(found)} now: if that is of no use, erase it with wipefs, and resume`,
  );
}

/** A file that grows as it is written; what it was when it was opened does not matter. */
function growing(device: BlockDevice): BlockDevice {
  return {
    name: device.name,
    size: Number.MAX_SAFE_INTEGER,
    read: (offset, into) => device.read(offset, into),
    write: (offset, bytes) => device.write(offset, bytes),
    sync: () => device.sync(),
  };
}
