import { KeyManagerError } from "../model/errors.ts";

/** The error of a call whose signal fired. */
export function aborted(what: string, signal: AbortSignal | undefined): KeyManagerError {
  return new KeyManagerError("unavailable", `${what}: aborted by the caller`, {
    cause: signal?.reason,
  });
}

/** Waits for a request that others wait for too, but no longer than this caller wants to. */
export function untilAborted<T>(
  what: string,
  shared: Promise<T>,
  signal: AbortSignal | undefined,
): Promise<T> {
  if (signal === undefined) return shared;
  return new Promise((resolve, reject) => {
    const abort = () => reject(aborted(what, signal));
    if (signal.aborted) abort();
    signal.addEventListener("abort", abort, { once: true });
    shared.then(resolve, reject).finally(() => signal.removeEventListener("abort", abort));
  });
}
