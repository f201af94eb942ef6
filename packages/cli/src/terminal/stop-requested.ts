/** What asks a program to end: Ctrl-C, `kill`, Ctrl-\, and a terminal that is closed. */
export const stopSignals: readonly NodeJS.Signals[] = ["SIGINT", "SIGTERM", "SIGQUIT", "SIGHUP"];

/**
 * Resolves at the first signal that asks the process to end, or when `unless` is aborted.
 * A second signal ends the process at once.
 *
 * @param signals Those that ask it to end. Default: {@link stopSignals}.
 */
export function stopRequested(
  unless?: AbortSignal,
  signals: readonly NodeJS.Signals[] = stopSignals,
): Promise<void> {
  return new Promise((resolve) => {
    const stop = () => {
      for (const signal of signals) process.off(signal, stop);
      resolve();
    };
    for (const signal of signals) process.on(signal, stop);
    unless?.addEventListener("abort", stop, { once: true });
  });
}
