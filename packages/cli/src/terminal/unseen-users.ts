import { diskUse } from "@chatelaine/luks";
import { progressColumns } from "./progress-bar.ts";
import type { Terminal } from "./terminal.ts";

/**
 * Warns a person before a disk is changed in place whose users this process cannot all see: without root, that is so on every
 * host. A script gets no warning. That there is no disk is for others to say.
 */
export async function warnOfUnseenUsers(
  terminal: Terminal,
  what: string,
  path: string,
): Promise<void> {
  if (progressColumns(terminal) === undefined) return;
  const { unseen } = await diskUse(path).catch(() => ({ unseen: [] }));
  if (unseen.length === 0) return;
  terminal.error(
    `warning: ${what} ${path}: not checked: ${unseen.join(", ")}; run it as root to check all users of the disk\n`,
  );
}
