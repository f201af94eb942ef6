import { KeyManagerError } from "../model/errors.ts";

const withoutEffect = new WeakSet<Error>();

/** Marks the error of a request that cannot have changed anything: it never arrived, or was turned away. */
export function markWithoutEffect<E>(error: E): E {
  if (error instanceof KeyManagerError) withoutEffect.add(error);
  return error;
}

/** Waits for what a request needs before it can be sent, and marks its failure. */
export async function beforeSending<T>(preparation: Promise<T>): Promise<T> {
  try {
    return await preparation;
  } catch (error) {
    throw markWithoutEffect(error);
  }
}

/**
 * True for a status that promises that nothing was done: a refusal, or a redirect
 * to another place. (A 408 may come from a proxy while its server still works on the request.)
 */
export function promisesNoEffect(status: number): boolean {
  return (status >= 400 && status < 500 && status !== 408) || [301, 302, 307, 308].includes(status);
}

/** True unless it is certain that the failed request changed nothing. */
export function mayHaveTakenEffect(error: unknown): boolean {
  return (
    error instanceof KeyManagerError &&
    (error.code === "unavailable" || error.code === "bad_response") &&
    !withoutEffect.has(error)
  );
}
