import type { VolumeProgress } from "@chatelaine/volumes";
import { type ProgressBar, progressBar } from "./progress-bar.ts";
import type { Terminal } from "./terminal.ts";

/** Shows the long work of one volume after the other: as lines of JSON, or as bars. */
export function volumeProgress(
  terminal: Terminal,
  asJson: boolean,
): { readonly update: (progress: VolumeProgress) => void; readonly end: () => void } {
  let [subject, bar]: [string, ProgressBar | undefined] = ["", undefined];
  return {
    update: ({ operation, volumeId, doneBytes, totalBytes }) => {
      if (subject !== `${operation} ${volumeId}`) {
        bar?.end();
        subject = `${operation} ${volumeId}`;
        bar = asJson ? jsonLines(terminal, operation) : progressBar(terminal, operation, "bytes");
      }
      bar?.update(doneBytes, totalBytes);
    },
    end: () => bar?.end(),
  };
}

/** For programs: a line of JSON on standard error for each per cent, such as `{"progress":"encrypt","doneBytes":1,"totalBytes":100}`. */
function jsonLines(terminal: Terminal, what: string): ProgressBar {
  let told = -1;
  return {
    update: (doneBytes, totalBytes) => {
      const percent = totalBytes === 0 ? 100 : Math.floor((doneBytes / totalBytes) * 100);
      if (percent === told) return;
      told = percent;
      terminal.error(`${JSON.stringify({ progress: what, doneBytes, totalBytes })}\n`);
    },
    end: () => {},
  };
}
