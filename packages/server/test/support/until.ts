const boundMs = 60_000;

/** Asks until the condition holds. @throws after a minute, so that a test fails instead of hanging */
export async function until(condition: () => Promise<boolean>): Promise<void> {
  const end = performance.now() + boundMs;
  while (!(await condition())) {
    if (performance.now() > end)
      throw new Error(`after ${boundMs} ms it does not hold: ${condition.toString()}`);
    await new Promise((resolve) => setImmediate(resolve));
  }
}
