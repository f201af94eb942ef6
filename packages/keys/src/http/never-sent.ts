import { KeyManagerError } from "../errors.ts";

const neverSent = new WeakSet<Error>();

/** Marks an error of a request that never reached the service, so that nothing can have come of it. */
export function markNeverSent<E>(error: E): E {
  if (error instanceof KeyManagerError) neverSent.add(error);
  return error;
}

/** Waits for what a request needs before it can be sent, and marks its failure. */
export async function beforeSending<T>(preparation: Promise<T>): Promise<T> {
  try {
    return await preparation;
  } catch (error) {
    throw markNeverSent(error);
  }
}

/**
 * True unless it is certain that the failed request changed nothing. A 4xx is a
 * promise that nothing was done; anything less may hide that it was.
 */
export function mayHaveTakenEffect(error: unknown): boolean {
  return (
    error instanceof KeyManagerError &&
    (error.code === "unavailable" || error.code === "bad_response") &&
    !neverSent.has(error)
  );
}
