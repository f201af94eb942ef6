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
    started: statusOf(process.pid).started,
  };
}

/** What can be said of a process from here; `unseen` if it may be either. */
export type Fate = "alive" | "dead" | "unseen";

/**
 * Of a process that may run on any machine. One whose boot of a kernel is not
 * ours is unseen: machine ids are copied along with machines, so that another boot
 * of a machine with our id need not be an earlier one of ours.
 */
export function fateOf(other: ProcessIdentity, self: ProcessIdentity): Fate {
  if (other.boot === "" || other.boot !== self.boot) return "unseen";
  if (other.pidNamespace !== self.pidNamespace) return "unseen";
  return isDead(other, self) ? "dead" : "alive";
}

/**
 * True only if that process has certainly ended. Of a process on another
 * machine, or in another container of this one, nothing is certain.
 */
export function isDead(other: ProcessIdentity, self: ProcessIdentity): boolean {
  if (other.machine !== self.machine) return false;
  if (other.boot !== self.boot) return true;
  if (other.pidNamespace !== self.pidNamespace) return false;
  const { state, started } = statusOf(other.pid);
  // Nothing is read of other users' processes where /proc hides them.
  if (state === "") return !answersSignals(other.pid);
  return state === "Z" || state === "X" || (other.started !== "" && started !== other.started);
}

/** Fields 3 and 22 of /proc/PID/stat (proc(5)); empty if there is no such process, or it is hidden. */
function statusOf(pid: number): { readonly state: string; readonly started: string } {
  const stat = textOf(`/proc/${pid}/stat`);
  // The second field is the program's name in parentheses, and may itself hold both.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return { state: fields[0] ?? "", started: fields[19] ?? "" };
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
