/**
 * What a server, and each process that it starts, has nothing to do for and must not die of: each would end it at once,
 * with requests half done. A write beyond a limit on file sizes (SIGXFSZ) fails then, and is reported as any other.
 */
export const ignoredSignals = [
  "SIGUSR2",
  "SIGALRM",
  "SIGVTALRM",
  "SIGIO",
  "SIGPWR",
  "SIGSTKFLT",
  "SIGXCPU",
  "SIGXFSZ",
] as const satisfies readonly NodeJS.Signals[];
