import { spawnSync } from "node:child_process";

export interface ToolOptions {
  /** Added to the caller's environment. */
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  readonly input?: string | Uint8Array;
}

/**
 * Runs a program to its end and returns its standard output.
 *
 * @throws Error naming the program, its status and the end of its standard error. Arguments are not repeated: they may
 * hold what is secret.
 */
export function runTool(
  command: string,
  args: readonly string[],
  options: ToolOptions = {},
): string {
  const result = spawnSync(command, args, {
    encoding: "utf8",
    maxBuffer: 64 << 20,
    env: { ...process.env, ...options.env },
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    ...(options.input === undefined ? {} : { input: options.input }),
  });
  if (result.error) throw new Error(`${command}: ${result.error.message}`, { cause: result.error });
  if (result.status !== 0) {
    const tail = result.stderr.trim().split("\n").slice(-8).join("\n");
    throw new Error(`${command}: status ${result.status}\n${tail}`);
  }
  return result.stdout;
}
