import { LuksError } from "../errors.ts";
import { requirePassphrase } from "../format/keyslot-spec.ts";
import { refuseUnknownOptions } from "../options.ts";
import { continueCopy, continueDecryption } from "./decrypt.ts";
import { continueEncryption } from "./encrypt.ts";
import { ImageJournal, type ImageState } from "./journal.ts";
import { type ImageRunOptions, requireRunOptions, runOptionNames } from "./progress.ts";
import { continueReencryption } from "./reencrypt.ts";

/** An operation that was cut or aborted. */
export type InterruptedOperation = Pick<ImageState, "operation" | "doneBytes" | "totalBytes">;

/** What waits to be resumed on an image (or on the target of a copy), if anything. */
export async function interruptedOperation(
  image: string,
  options: Pick<ImageRunOptions, "journal"> = {},
): Promise<InterruptedOperation | undefined> {
  refuseUnknownOptions("interrupted operation", options, ["journal"]);
  const state = await new ImageJournal(image, options.journal).read();
  if (!state) return undefined;
  const { operation, doneBytes, totalBytes, batch } = state;
  return { operation, doneBytes: doneBytes + (batch?.bytes ?? 0), totalBytes };
}

/**
 * Takes back what was only begun (`onlyBegin`): the image is as it was. Removes the journal of work that is done
 * (`keepJournal`). Does nothing if nothing waits.
 *
 * @throws `busy` if the image has been changed already: then it can only be resumed
 */
export async function forgetImage(
  image: string,
  options: Pick<ImageRunOptions, "journal"> = {},
): Promise<void> {
  const operation = "forget image";
  refuseUnknownOptions(operation, options, ["journal"]);
  const journal = new ImageJournal(image, options.journal);
  const state = await journal.read();
  if (state !== undefined && isMaybeChanged(state)) {
    throw new LuksError(
      "busy",
      `${operation} ${image}: it may have been changed already: resume it`,
    );
  }
  await journal.end();
}

function isMaybeChanged({ phase, isStarted, doneBytes, batch }: ImageState): boolean {
  if (phase === "data") return isStarted === true || doneBytes > 0 || batch !== undefined;
  return phase === "header";
}

export interface ResumeImageOptions extends ImageRunOptions {
  /** Opens the image: for a re-encryption or conversion the old header. */
  readonly passphrase: Uint8Array;
  /** Of a re-encryption or conversion, the first of the new slots. Default: the same. */
  readonly newPassphrase?: Uint8Array;
  /**
   * What must have been begun. Default: anything, as the journal says; so leave it out only where no other user can write
   * the journal's folder, for the record of a copy names the file that is read.
   */
  readonly operation?: ImageState["operation"];
  /**
   * Of a decryption in place: keeps the journal, marked as done, until `forgetImage` removes it, so that a journal that is
   * missing was lost. Default false.
   */
  readonly keepJournal?: boolean;
}

/**
 * Finishes what an operation on this image, or on the target of a copy, has begun.
 *
 * @returns false if there was nothing to finish; what an operation left that had not begun its work is removed
 * @throws `wrong_passphrase`, `aborted`; `changed` if the image is not the one that was left, by its size or volume key, and
 *   for another operation than the one that must have been begun
 */
export async function resumeImage(image: string, options: ResumeImageOptions): Promise<boolean> {
  const operation = "resume image";
  refuseUnknownOptions(operation, options, [
    "passphrase",
    "newPassphrase",
    "operation",
    "keepJournal",
    ...runOptionNames,
  ]);
  requireRunOptions(operation, options);
  requirePassphrase(operation, options.passphrase);
  const journal = new ImageJournal(image, options.journal);
  const state = await journal.read();
  if (!state) {
    await journal.end();
    return false;
  }
  if (options.operation !== undefined && state.operation !== options.operation) {
    throw new LuksError(
      "changed",
      `${operation} ${image}: ${journal.folder} belongs to another operation, not to this ${options.operation}: if no other process uses it, remove the folder`,
    );
  }
  if (state.phase === "done") {
    if (options.keepJournal !== true) await journal.end();
    return true;
  }
  const { passphrase, newPassphrase = passphrase } = options;
  const passphrases = { old: passphrase, new: newPassphrase };
  switch (state.operation) {
    case "encrypt":
      await continueEncryption(image, journal, state, passphrase, options);
      break;
    case "decrypt":
      await continueDecryption(image, journal, state, passphrase, options);
      break;
    case "reencrypt":
    case "convert":
      await continueReencryption(image, journal, state, passphrases, options);
      break;
    case "copy":
      await continueCopy(image, journal, state, passphrases, options);
      break;
  }
  return true;
}
