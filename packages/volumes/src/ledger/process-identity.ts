import { readFileSync, readlinkSync } from "node:fs";
import { hostname } from "node:os";

/** Names one process for good: a process number alone is used again. */
export interface ProcessIdentity {
  readonly machine: string;
  /** Of this boot of the kernel; empty where the system does not say. */
  readonly boot: string;
  /** Process numbers mean something inside one namespace only. */
  readonly pidNamespace: string;
  readonly pid: number;
  /** When the process started, in the kernel's own unit; empty where the system does not say. */
  readonly started: string;
}

export function thisProcess(): ProcessIdentity {
  return {
    machine: textOf("/etc/machine-id") || hostname(),
    boot: textOf("/proc/sys/kernel/random/boot_id"),
    pidNamespace: pidNamespace(),
    pid: process.pid,
    started: startOf(process.pid) ?? "",
  };
}

/**
 * True only if that process has certainly ended. Of a process on another
 * machine, or in another container of this one, nothing is certain.
 */
export function isDead(other: ProcessIdentity, self: ProcessIdentity): boolean {
  if (other.machine !== self.machine) return false;
  if (other.boot !== self.boot) return true;
  if (other.pidNamespace !== self.pidNamespace) return false;
  if (other.started !== "") return startOf(other.pid) !== other.started;
  return !answersSignals(other.pid);
}

/** Field 22 of /proc/PID/stat (proc(5)); undefined if there is no such process, or it is a zombie. */
function startOf(pid: number): string | undefined {
  const stat = textOf(`/proc/${pid}/stat`);
  // The second field is the program's name in parentheses, and may itself hold both.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return fields[0] === "Z" || fields[0] === "X" ? undefined : fields[19];
}

function answersSignals(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

function pidNamespace(): string {
  try {
    return readlinkSync("/proc/self/ns/pid");
  } catch {
    return "";
  }
}

function textOf(path: string): string {
  try {
    return readFileSync(path, "utf8").trim();
  } catch {
    return "";
  }
}
