import { LuksError } from "../errors.ts";
import { requireInteger } from "../options.ts";

/** How far an operation on an image is. */
export interface ImageProgress {
  /** Bytes of data done, those of earlier runs included. */
  readonly doneBytes: number;
  readonly totalBytes: number;
}

/** What all operations on images take. */
export interface ImageRunOptions {
  /** Called after each mebibyte or so. */
  readonly onProgress?: (progress: ImageProgress) => void;
  /** Stops at the next chunk with `aborted`; `resumeImage` goes on from there. */
  readonly signal?: AbortSignal;
  /** Worker threads; default 1, which is the calling thread. */
  readonly threads?: number;
  /**
   * The folder that keeps what a resumption needs, made by the operation and removed when it is done. Default: the
   * image's path (for a copy, the target's) with `.chatelaine` behind it. To be given for block devices.
   */
  readonly journal?: string;
}

export const runOptionNames = ["onProgress", "signal", "threads", "journal"];

/** @throws `invalid_argument` */
export function requireRunOptions(operation: string, options: ImageRunOptions): void {
  if (options.threads !== undefined) requireInteger(operation, "threads", options.threads, 1, 64);
}

/** @throws `invalid_argument` if a copy, which has nothing to be begun with, is only to be begun */
export function requireInPlace(
  operation: string,
  { target, onlyBegin }: { readonly target?: string; readonly onlyBegin?: boolean },
): void {
  if (target === undefined || !onlyBegin) return;
  throw new LuksError("invalid_argument", `${operation} onlyBegin: is not supported with a target`);
}

/** Counts the bytes of one run. */
export function progressCounter(
  options: ImageRunOptions,
  alreadyDone: number,
  totalBytes: number,
): (bytes: number) => void {
  let doneBytes = alreadyDone;
  return (bytes) => {
    doneBytes += bytes;
    options.onProgress?.({ doneBytes, totalBytes });
  };
}

/** @throws `aborted` */
export function requireNotAborted(operation: string, name: string, signal?: AbortSignal): void {
  if (signal?.aborted) {
    throw new LuksError("aborted", `${operation} ${name}: aborted; it can be resumed`);
  }
}
