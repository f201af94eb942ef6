import { stat } from "node:fs/promises";
import { resolve } from "node:path";
import { type ImageRunOptions, interruptedOperation } from "@chatelaine/luks";
import { occupantOf } from "../disk/location.ts";
import { ioError } from "../disk/staging.ts";
import type { Work } from "../engine/operation.ts";
import { VolumeError } from "../model/errors.ts";

/** Where a disk that is changed in place is, and what its interrupted change needs. */
export interface InPlaceInput {
  readonly location: string;
  /** Folder of the journal. Default: beside the file. */
  readonly journal?: string;
}

/**
 * The input of an operation in place.
 *
 * @param journal of the caller's choice; required for a block device, since a folder
 *   beside it would not outlive a restart
 * @throws `invalid_argument`
 */
export async function inPlaceInput(
  operation: string,
  location: string,
  journal: string | undefined,
): Promise<InPlaceInput> {
  if (journal !== undefined) return { location, journal: resolve(journal) };
  if ((await occupantOf(location)) === "file") return { location };
  throw new VolumeError(
    "invalid_argument",
    `${operation} ${location}: a block device needs a journal, in a folder that outlives a restart`,
  );
}

export function journalFolder({ location, journal }: InPlaceInput): string {
  return journal ?? `${location}.chatelaine`;
}

/** What the image operations of `@chatelaine/luks` get from an operation. */
export function runOptions(work: Work<InPlaceInput, object>): ImageRunOptions {
  const { context, operation, input, signal } = work;
  const { location, journal } = input;
  return {
    signal,
    ...(journal !== undefined && { journal }),
    onProgress: ({ doneBytes, totalBytes }) =>
      context.onProgress?.({
        volumeId: operation.volumeId,
        operation: operation.kind,
        location,
        doneBytes,
        totalBytes,
      }),
  };
}

/** Whatever lies there later is this operation's, and may be removed. @throws `busy` */
export async function requireNoJournal(operation: string, input: InPlaceInput): Promise<void> {
  const folder = journalFolder(input);
  const waiting = await interruptedOperation(input.location, journalOf(input));
  const isThere = await stat(folder).then(
    () => true,
    (cause: NodeJS.ErrnoException) => {
      if (cause.code === "ENOENT") return false;
      throw ioError(operation, folder, cause);
    },
  );
  if (!isThere) return;
  const what = waiting === undefined ? "something" : `an interrupted ${waiting.operation}`;
  throw new VolumeError("busy", `${operation} ${input.location}: ${what} is already in ${folder}`);
}

export function journalOf({ journal }: InPlaceInput): Pick<ImageRunOptions, "journal"> {
  return journal === undefined ? {} : { journal };
}
