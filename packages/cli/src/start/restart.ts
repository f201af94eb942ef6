import { environment } from "../config/settings.ts";

/**
 * Starts this very command again in this process's place, with more flags for Node.js and variables for what is below
 * it: some limits can be set at start only. Returns, and nothing has changed, where it cannot (before Node.js 22.15, on
 * Windows, under a parent with an IPC channel), or where the first flag was given already.
 */
export function restartWith(
  flags: readonly string[],
  variables: Readonly<Record<string, string>>,
): void {
  const name = flags[0]?.split("=")[0] ?? "";
  const given = [...process.execArgv, environment["NODE_OPTIONS"] ?? ""].join(" ");
  if (process.execve === undefined || process.platform === "win32") return;
  if (process.send !== undefined || given.includes(name)) return;
  const line = [process.execPath, ...process.execArgv, ...flags, ...process.argv.slice(1)];
  process.execve(process.execPath, line, { ...variables, ...environment });
}
