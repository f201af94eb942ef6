import { execFile } from "node:child_process";

/** What a run of the real `openstack` command gave. */
export interface CommandResult {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

/**
 * Runs Debian's `openstack` command (python-openstackclient, python-barbicanclient) to its end, whatever its status.
 *
 * @param environment the `OS_*` variables, such as a lab's `environment("demo")`; the caller's own are not passed on
 */
export function runOpenstack(
  environment: Readonly<Record<string, string>>,
  args: readonly string[],
): Promise<CommandResult> {
  const options = {
    env: { PATH: "/usr/bin:/bin", HOME: "/nonexistent", LC_ALL: "C.UTF-8", ...environment },
    maxBuffer: 64 << 20,
  };
  return new Promise((resolve, reject) => {
    execFile("/usr/bin/openstack", args, options, (error, stdout, stderr) => {
      if (error !== null && typeof error.code !== "number") reject(error);
      else resolve({ status: error === null ? 0 : Number(error.code), stdout, stderr });
    });
  });
}

/** The same, of a command that must succeed. @throws Error with what it wrote to standard error */
export async function openstack(
  environment: Readonly<Record<string, string>>,
  ...args: readonly string[]
): Promise<string> {
  const result = await runOpenstack(environment, args);
  if (result.status === 0) return result.stdout;
  throw new Error(
    `openstack ${args.slice(0, 3).join(" ")}: status ${result.status}\n${result.stderr}`,
  );
}

/** The same with `-f json`, parsed. */
export async function openstackJson<T>(
  environment: Readonly<Record<string, string>>,
  ...args: readonly string[]
): Promise<T> {
  return JSON.parse(await openstack(environment, ...args, "-f", "json")) as T;
}
