import { spawn } from "node:child_process";
import { once } from "node:events";
import type { LedgerSetting } from "./scene.ts";

/** A process that has opened the ledger. */
export interface OtherProcess {
  readonly pid: number | undefined;
  /** By SIGKILL; resolves once it has ended. */
  kill(): Promise<void>;
  readonly ended: Promise<unknown>;
}

/**
 * Runs a program in a process of its own, which then lives on.
 *
 * @param program sees `ledger`, and `say`
 * @returns once it has said something, or has ended
 */
export async function beginElsewhere(
  { elsewhere }: LedgerSetting,
  program: string,
): Promise<OtherProcess> {
  const text = `
    import { text } from "node:stream/consumers";
    import { open } from ${JSON.stringify(elsewhere.module.href)};
    const ledger = await open(await text(process.stdin));
    const say = (word) => process.stdout.write(word);
    setInterval(() => {}, 1000);
    ${program}`;
  const child = spawn(process.execPath, ["--input-type=module", "-e", text], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  const ended = once(child, "exit");
  child.stdin.end(elsewhere.argument);
  await Promise.race([once(child.stdout, "data"), ended]);
  return {
    pid: child.pid,
    ended,
    kill: async () => {
      child.kill("SIGKILL");
      await ended;
    },
  };
}
