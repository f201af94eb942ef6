/**
 * Polls `probe` until it yields something other than undefined.
 *
 * @param what what is waited for, as the error names it
 * @param seconds after which the wait is given up; the error carries the last failure of `probe` as its cause
 */
export async function waitFor<T>(
  what: string,
  seconds: number,
  probe: () => Promise<T | undefined> | T | undefined,
): Promise<T> {
  const end = Date.now() + seconds * 1000;
  let cause: unknown;
  for (;;) {
    try {
      const found = await probe();
      if (found !== undefined) return found;
    } catch (error) {
      cause = error;
    }
    if (Date.now() > end) throw new Error(`${what}: not there after ${seconds} s`, { cause });
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** True once `url` answers with a status below 500, undefined before: a probe for {@link waitFor}. */
export async function answers(url: string): Promise<true | undefined> {
  const response = await fetch(url, { signal: AbortSignal.timeout(5000), redirect: "manual" });
  await response.body?.cancel();
  return response.status < 500 ? true : undefined;
}
