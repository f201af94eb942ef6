/**
 * Resolves at the first SIGINT (Ctrl-C) or SIGTERM, or when `unless` is aborted.
 * A second signal ends the process as if nobody had listened.
 */
export function stopRequested(unless?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const stop = () => {
      process.off("SIGINT", stop).off("SIGTERM", stop);
      resolve();
    };
    process.on("SIGINT", stop).on("SIGTERM", stop);
    unless?.addEventListener("abort", stop, { once: true });
  });
}
