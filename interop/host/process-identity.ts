/** A process is its number and its start time: the number alone may belong to a later process. */
import { readFileSync } from "node:fs";

export interface ProcessIdentity {
  readonly pid: number;
  /** Clock ticks since boot: field 22 of /proc/PID/stat (proc(5)). */
  readonly startTime: string;
}

/** Identity of a living process, or undefined when no such process is alive. */
export function identityOf(pid: number): ProcessIdentity | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    const fields = stat.slice(stat.lastIndexOf(") ") + 2).split(" ");
    const startTime = fields[19];
    if (startTime === undefined || fields[0] === "Z") return undefined;
    return { pid, startTime };
  } catch {
    return undefined;
  }
}

/** Whether the very process of that identity still runs. */
export function isAlive(identity: ProcessIdentity): boolean {
  return identityOf(identity.pid)?.startTime === identity.startTime;
}

/** The form in which pid files and leases keep an identity: "PID STARTTIME". */
export function formatIdentity(identity: ProcessIdentity): string {
  return `${identity.pid} ${identity.startTime}\n`;
}

/** Reads {@link formatIdentity}'s form; undefined when the file is missing or says nothing of use. */
export function readIdentity(file: string): ProcessIdentity | undefined {
  try {
    const [pid, startTime] = readFileSync(file, "utf8").trim().split(" ");
    if (pid === undefined || startTime === undefined) return undefined;
    return { pid: Number(pid), startTime };
  } catch {
    return undefined;
  }
}
