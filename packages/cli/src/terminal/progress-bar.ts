import type { ImageProgress } from "@chatelaine/luks";
import type { VolumeProgress } from "@chatelaine/volumes";
import { progressColumns, redrawnLine } from "./redrawn-line.ts";
import { showSize } from "./sizes.ts";
import type { Terminal } from "./terminal.ts";

const barWidth = 24;
const redrawMs = 200;

/** Draws a bar with speed and time left on the terminal; draws nothing where there is none. */
export interface ProgressBar {
  readonly update: (progress: ImageProgress) => void;
  /** Leaves the bar as it is and begins a new line. */
  readonly end: () => void;
}

/** For programs: a line of JSON on standard error for each per cent, such as `{"progress":"encrypt","doneBytes":1,"totalBytes":100}`. */
function jsonLines(terminal: Terminal, what: string): ProgressBar {
  let told = -1;
  return {
    update: ({ doneBytes, totalBytes }) => {
      const percent = totalBytes === 0 ? 100 : Math.floor((doneBytes / totalBytes) * 100);
      if (percent === told) return;
      told = percent;
      terminal.error(`${JSON.stringify({ progress: what, doneBytes, totalBytes })}\n`);
    },
    end: () => {},
  };
}

/** Shows the long work of one volume after the other: as lines of JSON, or as bars. */
export function volumeProgress(
  terminal: Terminal,
  asJson: boolean,
): { readonly update: (progress: VolumeProgress) => void; readonly end: () => void } {
  let [subject, bar]: [string, ProgressBar | undefined] = ["", undefined];
  return {
    update: (progress) => {
      const { operation, volumeId } = progress;
      if (subject !== `${operation} ${volumeId}`) {
        bar?.end();
        subject = `${operation} ${volumeId}`;
        bar = (asJson ? jsonLines : progressBar)(terminal, operation);
      }
      bar?.update(progress);
    },
    end: () => bar?.end(),
  };
}

/** @param now in milliseconds */
export function progressBar(
  terminal: Terminal,
  what: string,
  now: () => number = () => performance.now(),
): ProgressBar {
  const columns = progressColumns(terminal);
  if (columns === undefined) return { update: () => {}, end: () => {} };
  const begin = now();
  let drawn = Number.NEGATIVE_INFINITY;
  let first: number | undefined;
  return {
    update: ({ doneBytes, totalBytes }) => {
      first ??= doneBytes;
      const time = now();
      if (time - drawn < redrawMs && doneBytes < totalBytes) return;
      drawn = time;
      const bytesPerSecond = ((doneBytes - first) / Math.max(1, time - begin)) * 1000;
      const forms = progressLines(what, doneBytes, totalBytes, bytesPerSecond);
      terminal.error(redrawnLine(columns, forms));
    },
    end: () => {
      if (first !== undefined) terminal.error("\n");
    },
  };
}

/** `encrypt [######      ]  50 %  512 MiB of 1 GiB  300 MiB/s  2 s left`, and shorter ones for narrow terminals. */
export function progressLines(
  what: string,
  doneBytes: number,
  totalBytes: number,
  bytesPerSecond: number,
): readonly string[] {
  const share = totalBytes === 0 ? 1 : doneBytes / totalBytes;
  const bar = "#".repeat(Math.round(share * barWidth)).padEnd(barWidth);
  const isMoving = bytesPerSecond > 0;
  const speed = isMoving ? `  ${showSize(Math.round(bytesPerSecond))}/s` : "";
  const seconds = Math.ceil((totalBytes - doneBytes) / bytesPerSecond);
  const left = isMoving ? `  ${seconds} s left` : "";
  const percent = `${String(Math.floor(share * 100)).padStart(3)} %`;
  const done = `  ${showSize(doneBytes)} of ${showSize(totalBytes)}`;
  return [
    `${what} [${bar}] ${percent}${done}${speed}${left}`,
    `${what} ${percent}${done}${left}`,
    `${what} ${percent}${left}`,
    `${what} ${percent}`,
  ];
}
