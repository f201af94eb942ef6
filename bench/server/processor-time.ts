import { readdirSync, readFileSync } from "node:fs";

/** In microseconds, since the process started. */
export interface ProcessorTime {
  readonly mainThread: number;
  readonly process: number;
}

/** What the system counts for a process and its threads: other programs disturb it less than they do a rate. */
export function processorTimeOf(pid: number): ProcessorTime {
  let mainThread = 0;
  let process = 0;
  for (const thread of readdirSync(`/proc/${pid}/task`)) {
    const text = readFileSync(`/proc/${pid}/task/${thread}/schedstat`, "latin1");
    const micros = Number(text.split(" ", 1)[0]) / 1000;
    process += micros;
    if (Number(thread) === pid) mainThread = micros;
  }
  return { mainThread, process };
}
